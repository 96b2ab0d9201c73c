"""What one answer makes of one refund: the arrows, and all that hangs on them. The caller holds the payment's lock."""

from datetime import datetime, timedelta

import structlog
from django.db.models import Sum

from payments import money, outbox, retry_policy
from payments.answers import Misconfigured, StripeRefund
from payments.charging import pause
from payments.models import Pause, Payment, Refund, Transition
from payments.refunds.arrows import REFUND_ARROWS, STATE_BY_STATUS, WAITING

log = structlog.get_logger(__name__)

# Our key is refused: nothing about this refund will change that, so look again at leisure.
PAUSE_MISCONFIGURED = timedelta(seconds=30)

STILL_UNKNOWN = "its outcome is still unknown"

# Who asked for a refund that was made in Stripe's dashboard, or by anybody but us.
STRIPE = "stripe"

# The reason of a refund with our id in it that isn't the one we know under that id.
MADE_ONCE_MORE = "made at Stripe in addition to another one: compare with Stripe"


class Outcome:
    """One settling under way: the locked rows, and when."""

    def __init__(self, *, payment: Payment, refund: Refund, now: datetime, request: str = "") -> None:
        self.payment, self.refund, self.now = payment, refund, now
        self.refund.lease_until = None
        self.refund.request_id = request or refund.request_id
        self._before = refund.state

    def seen(self, seen: StripeRefund) -> bool:
        """Stripe has it. Returns, as all of these do, whether the refund has moved."""
        refund = self.refund
        mismatch = self._find_mismatch(seen)
        if mismatch:
            refund.attention = f"Stripe's refund is not this one: {mismatch}"
            log.error("integrity check failed", refund=str(refund.id), why=mismatch)
            return self.unknown("integrity")
        state = STATE_BY_STATUS.get(seen.status, WAITING)
        is_late = state not in REFUND_ARROWS.get(refund.state, ())
        if state == WAITING:
            self._wait_for_bank()
        if is_late:  # or the same again: what we have is as new, or newer
            self._save()
            return False
        refund.refund_id, refund.code = seen.id, seen.failure
        refund.attention = MADE_ONCE_MORE if refund.reason == MADE_ONCE_MORE else ""
        if state == Refund.State.FAILED:
            refund.attention = f"the customer did not get it, the money is ours again: {seen.failure or 'failed'}"
        elif state == Refund.State.CANCELED and refund.asked_by != STRIPE:
            refund.attention = "it was canceled at Stripe"
        return self._to(state, why=f"Stripe says {seen.status}")

    def refused(self, code: str, *, in_doubt: bool) -> bool:
        """Stripe doesn't make it. While an earlier send may still be on its way, that proves nothing."""
        refund = self.refund
        if refund.state not in (Refund.State.SENDING, Refund.State.UNKNOWN):
            return self.unknown(code)
        if in_doubt and refund.tries < retry_policy.TRIES_IN_DOUBT:
            return self.unknown(code)
        refund.code, refund.attention = code, f"Stripe refused it: {code}"
        return self._to(Refund.State.REJECTED, why=f"Stripe refused it: {code}")

    def misconfigured(self, answer: Misconfigured) -> bool:
        """Our fault, perhaps everybody's trouble: nothing is settled."""
        log.error("stripe refuses our key", http_status=answer.http_status, code=answer.code)
        reason = f"Stripe refuses our key ({answer.http_status}): check STRIPE_SECRET_KEY"
        if answer.everyones:
            pause(cause=Pause.Cause.KEY, reason=reason, who="stripe", now=self.now)
        if self.refund.state in Refund.OPEN:
            self.refund.attention = reason
            self.refund.due_at = self.now + PAUSE_MISCONFIGURED
        self._save()
        return False

    def unknown(self, why: str, *, key_is_spent: bool = False) -> bool:
        """Proves nothing; Stripe is asked again, for as long as it takes."""
        refund = self.refund
        if refund.state == WAITING:
            refund.due_at = self.now + retry_policy.pause_after_pending_refund(0)
        if refund.state not in (Refund.State.SENDING, Refund.State.UNKNOWN):
            self._save()
            return False
        refund.tries += 1
        refund.key_is_spent |= key_is_spent
        refund.due_at = self.now + retry_policy.pause_after_unknown(refund.tries)
        if refund.due_at > refund.created_at + retry_policy.UNKNOWN_BEFORE_A_LOOK and not refund.attention:
            refund.attention = STILL_UNKNOWN
        if refund.state == Refund.State.UNKNOWN:
            self._save()
            return False
        return self._to(Refund.State.UNKNOWN, why="outcome unknown: " + why)

    def _wait_for_bank(self) -> None:
        """Looked at again by its schedule, of which no other look takes any away."""
        refund = self.refund
        if refund.state in (Refund.State.SENDING, Refund.State.UNKNOWN):
            refund.tries = 0
        elif refund.state == WAITING and refund.due_at and refund.due_at <= self.now:
            refund.tries += 1
        else:
            return
        refund.due_at = self.now + retry_policy.pause_after_pending_refund(refund.tries)

    def _find_mismatch(self, seen: StripeRefund) -> str:
        ours = {
            "id": (seen.id, self.refund.refund_id or seen.id),
            "amount": (seen.amount, self.refund.amount),
            "currency": (seen.currency, self.payment.currency),
            "intent": (seen.intent, self.payment.intent_id),
        }
        return ", ".join(f"{name} is {told}, not {own}" for name, (told, own) in ours.items() if told != own)

    def _to(self, state: str, *, why: str) -> bool:
        refund, payment = self.refund, self.payment
        if state not in REFUND_ARROWS.get(refund.state, ()):
            raise AssertionError(f"no arrow from {refund.state} to {state}")
        was = refund.state
        refund.state = state
        if state not in Refund.OPEN:
            refund.due_at, refund.ended_at = None, self.now
        self._save()
        if Refund.State.SUCCEEDED in (was, state):
            self._add_up()
        amount = money.for_people(refund.amount, currency=payment.currency)
        Transition.objects.create(
            payment=payment, from_status=payment.status, to_status=payment.status, who="stripe", at=self.now,
            why=f"refund of {amount} {state}: {why}",
            evidence={
                "refund": str(refund.id), "stripe_refund": refund.refund_id, "amount": refund.amount,
                "request": refund.request_id, "code": refund.code, "refunded": payment.refunded,
            },
        )  # fmt: skip
        # What failed before anybody was told that it succeeded is told to nobody.
        if Refund.State.SUCCEEDED in (was, state):
            self._tell(state)
        return True

    def _save(self) -> None:
        """By compare and set, though the lock covers it: a state is never overwritten that wasn't read."""
        refund = self.refund
        fields = (
            "state", "refund_id", "key_is_spent", "tries", "code", "attention", "request_id", "due_at", "lease_until",
            "ended_at",
        )  # fmt: skip
        saved = Refund.objects.filter(id=refund.id, state=self._before)
        if not saved.update(**{name: getattr(refund, name) for name in fields}):
            raise AssertionError(f"refund {refund.id} is not {self._before} any more")
        self._before = refund.state

    def _add_up(self) -> None:
        """The payment's sum: of what Stripe says has succeeded, never more than was charged."""
        payment = self.payment
        succeeded = payment.refunds.filter(state=Refund.State.SUCCEEDED).aggregate(sum=Sum("amount"))["sum"] or 0
        payment.refunded = min(int(succeeded), payment.amount)
        payment.save(update_fields=["refunded"])
        if succeeded > payment.amount:
            log.error("more is refunded than was charged", payment=str(payment.id), count=succeeded)
            self.refund.attention = "with it, more is refunded than was charged: compare with Stripe"
            self._save()

    def _tell(self, state: str) -> None:
        refund, payment = self.refund, self.payment
        told = {"id": refund.refund_id, "amount": outbox.in_price_unit(payment, refund.amount), "status": state}
        outbox.tell_back(
            payment=payment, transition=f"refund/{refund.id}/{state}", metadata={"refund": told}, now=self.now
        )
