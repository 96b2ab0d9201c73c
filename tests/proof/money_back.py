"""What goes back in a random history: refunds that staff ask for, here or in Stripe's dashboard, and disputes."""

import random
from contextlib import suppress
from typing import TYPE_CHECKING

from bridge.loop import DATABASE_ERRORS
from payments import refunds
from tests.proof import rows

if TYPE_CHECKING:
    from tests.proof.crowd import Crowd

# Of one turn.
MOST = 20

# Events without which nobody learns what was done in the dashboard: they are all delivered in the end.
EVENTS = ("refund.", "charge.refund", "charge.dispute.")


class MoneyBack:
    """Staff, the people at the dashboard, the customers' banks, and the worker that carries it out."""

    def __init__(self, world: "Crowd", dice: random.Random) -> None:
        self._world, self._dice = world, dice

    def ask(self) -> None:
        """A refund of any payment: of all that is left, of a part, or of more than there is."""
        payment = self._draw_payment()
        if payment:
            amount = self._dice.choice((None, 100, payment.amount // 2, payment.amount, payment.amount + 1))
            self._world.note("refunds asked for", f"{payment.subscription_id}: {amount}")
            with suppress(*DATABASE_ERRORS):
                refunds.request(
                    payment_id=payment.id, amount=amount, who="staff", reason="asked", now=self._world.clock()
                )

    def act_at_stripe(self) -> None:
        """Something that only Stripe and its webhooks know of; what Stripe doesn't allow isn't done."""
        payment = self._draw_payment()
        if not payment or not payment.intent_id or "webhooks" not in self._world.on:
            return
        control, intent = self._world.stripe.control, payment.intent_id
        lot = self._dice.random()
        with suppress(ValueError):
            if lot < 0.4:
                control.refund(payment_intent=intent, amount=self._dice.choice((None, 100)))
                self._world.note("refunds at Stripe", intent)
            elif lot < 0.6:
                control.dispute(payment_intent=intent)
                self._world.note("disputes", intent)
            elif lot < 0.8:
                control.set_refunds(returns=self._dice.choice(("succeeded", "pending", "fails")))
            else:
                self.let_banks_decide()

    def carry_out(self) -> bool:
        """The worker's turn. Returns whether there was anything."""
        world, count = self._world, 0
        if not rows.find_waiting_refunds():
            return False
        with suppress(*DATABASE_ERRORS):
            try:
                due = refunds.find_due(now=world.clock(), limit=MOST)
                count += refunds.carry_out(refund_ids=due, gateway=world.gateway, clock=world.clock) if due else 0
                count += refunds.follow_up(gateway=world.gateway, clock=world.clock, limit=MOST)
            except* DATABASE_ERRORS:
                count += 1
        return count > 0

    def let_banks_decide(self) -> None:
        """What is pending ends; what has succeeded may fail after all."""
        ledger = self._world.stripe.ledger
        with ledger.lock:
            found = [(one.id, one.status) for one in ledger.refunds]
        for refund, status in found:
            outcome = self._dice.choice(("succeeded", "failed"))
            fails_later = status == "succeeded" and self._dice.random() < 0.1 and "webhooks" in self._world.on
            with suppress(ValueError):
                if status == "pending":
                    self._world.stripe.control.resolve_refund(refund=refund, outcome=outcome)
                elif fails_later:
                    self._world.stripe.control.resolve_refund(refund=refund, outcome="failed")
                    self._world.note("refunds that failed later", refund)

    def end(self) -> None:
        """The banks decide all that they haven't."""
        self._world.stripe.control.set_refunds(returns="succeeded")
        self.let_banks_decide()

    def _draw_payment(self) -> rows.Known | None:
        payments = rows.find_payments()
        paid = [payment for payment in payments if payment.status == "success"]
        chosen = paid if paid and self._dice.random() < 0.8 else payments
        return self._dice.choice(chosen) if chosen else None
