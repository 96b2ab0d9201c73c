"""Disputes: the customer's bank takes a charge back, or asks about it. We keep what Stripe says, show it, and tell it.

Nothing is decided here: evidence is given in Stripe's dashboard, until `respond_by`.
"""

from datetime import datetime

import structlog
from django.db import transaction

from payments import money, outbox
from payments.answers import StripeDispute
from payments.models import Dispute, Payment, Transition

log = structlog.get_logger(__name__)

# Stripe's words for a dispute that is over, and what is told of it. An appeal may open one that was lost again.
ENDED = {"won": "won", "lost": "lost", "warning_closed": "closed", "prevented": "closed"}
OPEN = "open"

ATTENTION = "disputed"


def note_dispute(*, payment: Payment, seen: StripeDispute, now: datetime) -> bool:
    """Record a dispute as Stripe was seen to have it. Returns whether it was news.

    `now` is when Stripe was asked: of two looks that are under way at once the later one counts.
    """
    with transaction.atomic():
        locked = Payment.objects.select_for_update(of=("self",)).get(id=payment.id)
        if locked.status != Payment.Status.SUCCESS or locked.intent_id != seen.intent:
            log.error("a dispute of another payment", payment=str(payment.id), intent=seen.intent, dispute=seen.id)
            return False
        known = Dispute.objects.filter(dispute_id=seen.id).first()
        if known and (now < known.seen_at or (now == known.seen_at and known.ended_at)):
            return False
        dispute = known or Dispute(dispute_id=seen.id, payment=locked, opened_at=seen.created_at)
        before = known and (known.status, known.amount, known.respond_by)
        was_told = ENDED.get(known.status, OPEN) if known else ""
        _write(dispute, seen, now)
        is_news = before != (dispute.status, dispute.amount, dispute.respond_by)
        if is_news:
            _show(locked, dispute)
            _add_to_history(locked, dispute, was_told, now)
    if is_news:
        log.info("dispute noted", payment=str(payment.id), status=dispute.status, dispute=dispute.dispute_id)
        outbox.wake()
    return is_news


def _write(dispute: Dispute, seen: StripeDispute, now: datetime) -> None:
    dispute.charge_id, dispute.amount, dispute.currency = seen.charge, seen.amount, seen.currency
    dispute.reason, dispute.status, dispute.respond_by = seen.reason, seen.status, seen.respond_by
    dispute.seen_at = now
    dispute.ended_at = (dispute.ended_at or now) if seen.status in ENDED else None
    dispute.save()


def _show(payment: Payment, dispute: Dispute) -> None:
    """What a person sees: since when, and until when to answer."""
    payment.disputed_at = min(payment.disputed_at or dispute.opened_at, dispute.opened_at)
    # Nobody else's reason for a look is overwritten.
    if not payment.attention or payment.attention.startswith(ATTENTION):
        payment.attention = _attention(payment)
    payment.save(update_fields=["disputed_at", "attention"])


def _add_to_history(payment: Payment, dispute: Dispute, was_told: str, now: datetime) -> None:
    """Every step; and what others are told of, as they needn't know each."""
    status = ENDED.get(dispute.status, OPEN)
    amount = money.for_people(dispute.amount, currency=payment.currency)
    about = {"dispute": dispute.dispute_id, "told": status}
    Transition.objects.create(
        payment=payment, from_status=payment.status, to_status=payment.status, who="stripe", at=now,
        why=f"dispute of {amount} ({dispute.reason}): {dispute.status}",
        evidence=(about if status != was_told else {"dispute": dispute.dispute_id})
        | {"charge": dispute.charge_id, "amount": dispute.amount},
    )  # fmt: skip
    if status == was_told:
        return
    # An appeal may open and lose it once more: each time is told under an id of its own.
    times = payment.history.filter(evidence__contains=about).count()
    told = {"id": dispute.dispute_id, "amount": outbox.in_price_unit(payment, dispute.amount), "status": status}
    outbox.tell_back(
        payment=payment, metadata={"dispute": told}, now=now,
        transition=f"dispute/{dispute.dispute_id}/{status}" + (f"/{times}" if times > 1 else ""),
    )  # fmt: skip


def _attention(payment: Payment) -> str:
    """What must be answered first, if anything must."""
    unanswered = payment.disputes.filter(status__endswith="needs_response").order_by("respond_by").first()
    if unanswered is None:
        return ""
    until = f" by {unanswered.respond_by:%Y-%m-%d %H:%M} UTC" if unanswered.respond_by else ""
    return f"{ATTENTION} ({unanswered.reason}): answer in Stripe's dashboard{until}"
