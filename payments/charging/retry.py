"""Try a failed payment again: asked for by a new event, by staff, or by a method that had been kept.

The same PaymentIntent serves again, so another attempt can never add a second charge. What is pending, paid or
closed is refused, and so is what the issuer declined for good, unless it comes with another method.
"""

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import Max

from payments import outbox, retry_policy
from payments.models import Attempt, Payment, Transition

log = structlog.get_logger(__name__)

# Who asks for the attempts that a schedule makes by itself; their failures are not told, as nobody waits for them.
SCHEDULE = "schedule"


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
    payment.asked_by, payment.retry_at = asked_by, None
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


def card_declines(*, card: str, now: datetime) -> int:
    """How often a card, by its fingerprint, was declined lately, over all payments."""
    if not card:
        return 0
    return Attempt.objects.filter(card=card, ended_at__gt=now - retry_policy.NETWORK_WINDOW).count()


def last_card(payment: Payment) -> str:
    """The fingerprint of the card that this payment was last declined with; empty if it never was."""
    return payment.attempts.exclude(card="").order_by("-number").values_list("card", flat=True).first() or ""


def find_retry(*, payment: Payment, card: str, beside: int, now: datetime) -> datetime | None:
    """When a payment that has just failed is tried again by itself; None by default. `beside`: so many declines of the
    same card are written with this one."""
    if not settings.RETRY_SOFT_AFTER or payment.closed_at or not payment.intent_id or payment.next_payment_method:
        return None
    if card_declines(card=card, now=now) + beside + 1 >= retry_policy.NETWORK_CAP:
        return None
    failures = payment.attempts.filter(state=Attempt.State.DECLINED).count() + 1
    pause = retry_policy.pause_before_retry(kind=payment.kind, failures=failures, schedule=settings.RETRY_SOFT_AFTER)
    return now + pause if pause else None


def replay(
    *, payment_id: uuid.UUID, who: str, reason: str, now: datetime, payment_method: str = ""
) -> NotReplayable | None:
    """Staff try one failed payment again, with the method it has or another. Returns why not, or None: it is due."""
    with transaction.atomic():
        payment = Payment.objects.select_for_update().get(id=payment_id)
        refusal = not_replayable(payment, now=now, payment_method=payment_method)
        if refusal is None:
            request_attempt(
                payment=payment, asked_by=who, payment_method=payment_method or payment.payment_method, customer=None,
                now=now, why=reason, evidence={"payment_method": payment_method} if payment_method else None,
            )  # fmt: skip
            payment.save()
            log.info("replay requested", payment=str(payment_id), who=who)
    return refusal


def not_replayable(payment: Payment, *, now: datetime, payment_method: str = "") -> NotReplayable | None:
    """Why staff can't have this payment tried again now, with the method it has or another; None if they can."""
    if payment.closed_at:
        return NotReplayable(code="closed", text="it is closed: nothing more can be taken with it")
    if payment.status == Payment.Status.SUCCESS:
        return NotReplayable(code="paid", text="it is paid")
    if payment.status == Payment.Status.PENDING:
        unsure = payment.attempts.filter(state=Attempt.State.UNKNOWN).exists()
        if unsure:
            return NotReplayable(code="unknown", text="its outcome is unknown: Stripe is being asked")
        return NotReplayable(code="pending", text="it is under way")
    same_method = payment_method in ("", payment.payment_method)
    declines = card_declines(card=last_card(payment), now=now) if same_method else 0
    refusal = retry_policy.refusal_to_retry(
        kind=payment.kind, same_method=same_method, asked_by="staff", card_declines=declines
    )
    return NotReplayable(code=refusal.code, text=refusal.text) if refusal else None
