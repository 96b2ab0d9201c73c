"""What must hold after every step: rows against the simulator's ledger, and rows against what they were before."""

from dataclasses import dataclass, field

from django.db.models import Q

from billing_project.dev.simulator import Simulator
from payments import notifications
from payments.charging.arrows import ARROWS, STATUS_ARROWS
from payments.models import Attempt, OutboxMessage, Payment

SUBSCRIPTION = "sub_1"
# Of these somebody waits for an answer; a payment that is closed before its first attempt is told as closed.
TOLD_FAILURES = ("declined", "action_required", "rejected", "refused")


# A second refusal, after one whose answer was lost, proves nothing about the first: pending for ever, and shown.
UNKNOWABLE = Q(status="pending", payment_method="pm_missing") & ~Q(attention="")


@dataclass
class Truth:
    """Remembers the last look, as arrows are between two of them."""

    stripe: Simulator
    payments: dict[str, Payment] = field(default_factory=dict)
    attempts: dict[int, Attempt] = field(default_factory=dict)

    def check(self) -> None:
        """P1, P3, P4 and the arrows, whatever is under way."""
        charged = self.stripe.ledger.successes(SUBSCRIPTION)
        assert len(charged) <= 1, f"P1: {len(charged)} successful charges"
        on = {charge.payment_intent for charge in charged}
        payments = {str(payment.id): payment for payment in Payment.objects.order_by("number")}
        assert on <= {payment.intent_id for payment in payments.values()}, f"P1: a charge on {on}, which nobody knows"
        assert len([one for one in payments.values() if one.closed_at is None]) <= 1, "P1: two open payments"
        for name, payment in payments.items():
            self._check_payment(payment, self.payments.get(name), paid=payment.intent_id in on)
        attempts = {attempt.id: attempt for attempt in Attempt.objects.select_related("payment")}
        for number, attempt in attempts.items():
            self._check_attempt(attempt, self.attempts.get(number))
        self._check_told(list(payments.values()), list(attempts.values()))
        self.payments, self.attempts = payments, attempts

    def check_at_rest(self) -> None:
        """P3 and P5, when nothing is left to do: the row says what the ledger says."""
        self.check()
        on = {charge.payment_intent for charge in self.stripe.ledger.successes(SUBSCRIPTION)}
        shown = set(Payment.objects.filter(UNKNOWABLE).values_list("id", flat=True))
        for payment in self.payments.values():
            paid = payment.intent_id in on
            if payment.id in shown and not paid:
                continue
            assert payment.status == ("success" if paid else "failed"), f"P3: rests as {payment.status}, paid is {paid}"
            assert not payment.due_at

    def _check_payment(self, now: Payment, before: Payment | None, *, paid: bool) -> None:
        was = before.status if before else "pending"
        if now.status == "success":
            assert paid, "P3: success without a charge"
        if now.status == "failed" != was:
            assert not paid, "P3: failed, and money was taken"
        assert now.status == was or now.status in STATUS_ARROWS.get(was, ()), f"no arrow from {was} to {now.status}"
        if now.closed_at:
            assert (now.status, now.due_at, paid) == ("failed", None, False), "P1: a closed payment doesn't rest"
        if before and before.closed_at:
            assert now.closed_at == before.closed_at, "P1: a closed payment was opened"
        if before and before.intent_id:
            assert now.intent_id == before.intent_id, "P1: bound anew"

    def _check_attempt(self, now: Attempt, before: Attempt | None) -> None:
        was = before.state if before else "sending"
        born = before is None and now.state in ("sending", "refused")
        assert born or now.state == was or now.state in ARROWS.get(was, ()), f"no arrow from {was} to {now.state}"
        if now.payment.status != "pending":
            assert now.state not in Attempt.OPEN, f"the payment is {now.payment.status}, its attempt {now.state}"

    def _check_told(self, payments: list[Payment], attempts: list[Attempt]) -> None:
        """P4: each outcome has its message from the moment at which it is committed, and nothing else has."""
        failed = [one for one in attempts if one.state in TOLD_FAILURES and one.code != "closed"]
        due = {_told(one.payment, f"failed/{one.number}") for one in failed}
        due |= {_told(one, "success") for one in payments if one.status == "success"}
        told = set(OutboxMessage.objects.filter(channel="notifications").values_list("message_id", flat=True))
        may = due | {_told(one, "closed") for one in payments if one.closed_at}
        assert due <= told <= may, f"P4: {len(due - told)} not told, {len(told - may)} told and not so"


def _told(payment: Payment, transition: str) -> str:
    return notifications.notification_id(payment=payment.id, transition=transition)
