"""Try a failed payment again: asked for by a new event, by staff, or by a method that had been kept.

The same PaymentIntent serves again, so another attempt can never add a second charge. What is pending, paid or
closed is refused, and so is what the issuer declined for good, unless it comes with another method.
"""

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog
from django.db import transaction
from django.db.models import Max

from payments import outbox, retry_policy
from payments.models import Attempt, Payment, Transition

log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class NotReplayable:
    """Why a payment is left as it is. `code` groups them, `text` is for a person."""

    code: str
    text: str


def request_attempt(
    *,
    payment: Payment,
    asked_by: str,
    payment_method: str,
    customer: str | None,
    now: datetime,
    why: str,
    evidence: dict[str, Any] | None = None,
) -> None:
    """Make a failed payment pending and due. The caller holds its row lock, has asked the policy, and saves it."""
    Transition.objects.create(
        payment=payment, from_status=payment.status, to_status=Payment.Status.PENDING,
        who=asked_by, why=why, evidence=evidence or {}, at=now,
    )  # fmt: skip
    if payment_method != payment.payment_method or customer is not None:
        payment.payment_method, payment.customer = payment_method, customer
    payment.asked_by = asked_by
    payment.status, payment.settled_at, payment.due_at = Payment.Status.PENDING, None, now
    payment.fault = payment.kind = payment.code = payment.reason = payment.attention = ""


def refuse_attempt(
    *, payment: Payment, asked_by: str, payment_method: str, refusal: retry_policy.Refusal, now: datetime
) -> None:
    """Record that another attempt was asked for and is out of the question, and tell who waits for an answer."""
    last = payment.attempts.aggregate(last=Max("number"))["last"] or 0
    attempt = Attempt.objects.create(
        payment=payment, number=last + 1, asked_by=asked_by, state=Attempt.State.REFUSED,
        payment_method=payment_method, code=refusal.code, created_at=now, ended_at=now,
    )  # fmt: skip
    Transition.objects.create(
        payment=payment, attempt=attempt, from_status=payment.status, to_status=payment.status,
        attempt_state=attempt.state, who=asked_by, why=refusal.text, at=now,
    )  # fmt: skip
    outbox.tell(payment=payment, attempt=attempt.number, transition=f"failed/{attempt.number}", now=now)


def replay(*, payment_id: uuid.UUID, who: str, reason: str, now: datetime) -> NotReplayable | None:
    """Staff try one failed payment again with the method it has. Returns why not, or None: it is due now."""
    with transaction.atomic():
        payment = Payment.objects.select_for_update().get(id=payment_id)
        refusal = not_replayable(payment)
        if refusal is None:
            request_attempt(
                payment=payment, asked_by=who, payment_method=payment.payment_method, customer=None,
                now=now, why=reason,
            )  # fmt: skip
            payment.save()
            log.info("replay requested", payment=str(payment_id), who=who)
    return refusal


def not_replayable(payment: Payment) -> NotReplayable | None:
    """Why staff can't have this payment tried again now; None if they can."""
    if payment.closed_at:
        return NotReplayable(code="closed", text="it is closed: nothing more can be taken with it")
    if payment.status == Payment.Status.SUCCESS:
        return NotReplayable(code="paid", text="it is paid")
    if payment.status == Payment.Status.PENDING:
        unsure = payment.attempts.filter(state=Attempt.State.UNKNOWN).exists()
        if unsure:
            return NotReplayable(code="unknown", text="its outcome is unknown: Stripe is being asked")
        return NotReplayable(code="pending", text="it is under way")
    refusal = retry_policy.refusal_to_retry(kind=payment.kind, same_method=True, asked_by="staff")
    return NotReplayable(code=refusal.code, text=refusal.text) if refusal else None
