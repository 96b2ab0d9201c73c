"""Settle: record what became of a refund. The only place where the state of a refund changes.

P3: given back only when Stripe says succeeded; refused only when Stripe refuses and no earlier send is in doubt. It
is total: every answer and every status has its arrow below, and what proves nothing stays `unknown`. The refund, the
payment's sum, the history and what is told are one transaction, under the payment's row lock.
"""

import uuid
from datetime import datetime
from typing import assert_never

import structlog
from django.db import transaction

from payments import notifications, outbox, tracing
from payments.answers import (
    Account,
    Declined,
    DisputeSeen,
    Misconfigured,
    Owner,
    Page,
    RefundSeen,
    Rejected,
    Reply,
    Seen,
    StripeRefund,
    Unknown,
)
from payments.models import Payment, Refund
from payments.refunds.outcome import MADE_ONCE_MORE, STRIPE, Outcome

log = structlog.get_logger(__name__)


def settle(*, refund_id: uuid.UUID, answer: Reply, now: datetime, in_doubt: bool) -> None:
    """Record what `answer`, to a call made for this refund, proves. Late and repeated answers do no harm.

    `in_doubt`: an earlier send than this one may have reached Stripe.
    """
    with transaction.atomic():
        payment = Payment.objects.select_for_update(of=("self",)).get(refunds=refund_id)
        refund = Refund.objects.get(id=refund_id)  # read after the lock, which covers it
        Refund.objects.filter(id=refund_id).update(lease_until=None)
        if isinstance(answer, RefundSeen):
            refund = _find(payment, answer.refund, asked=refund, now=now)
        outcome = Outcome(payment=payment, refund=refund, now=now, request=getattr(answer, "request", ""))
        moved = _apply(outcome, answer, in_doubt=in_doubt)
    log.info(
        "refund settled" if moved else "nothing new of a refund",
        payment=str(payment.id), refund=str(refund.id), state=refund.state, code=refund.code,
        outcome=type(answer).__name__, request=refund.request_id, trace=tracing.id_of(payment.traceparent),
    )  # fmt: skip
    if moved:
        outbox.wake()


def note_refund(*, payment: Payment, seen: StripeRefund, now: datetime) -> bool:
    """Record a refund that Stripe was seen to have: ours, or one that was made there. Returns whether it was news.

    Only for what Stripe itself has answered, never for what a webhook says. A payment that isn't settled as paid
    must be looked at first: nothing is noted, and False is returned.
    """
    with transaction.atomic():
        locked = Payment.objects.select_for_update(of=("self",)).get(id=payment.id)
        if locked.status != Payment.Status.SUCCESS or locked.intent_id != seen.intent:
            log.error("a refund of another payment", payment=str(payment.id), intent=seen.intent, refund=seen.id)
            return False
        refund = _find(locked, seen, asked=None, now=now)
        moved = Outcome(payment=locked, refund=refund, now=now).seen(seen)
    if moved:
        log.info("refund noted", payment=str(payment.id), refund=str(refund.id), state=refund.state)
        outbox.wake()
    return moved


def _apply(outcome: Outcome, answer: Reply, *, in_doubt: bool) -> bool:
    """One arrow for every answer. Returns whether the refund has moved."""
    match answer:
        case RefundSeen(refund=seen):
            return outcome.seen(seen)
        case Rejected(code=code):
            return outcome.refused(code, in_doubt=in_doubt)
        case Declined():
            return outcome.refused(answer.decline_code or answer.code, in_doubt=in_doubt)
        case Misconfigured():
            return outcome.misconfigured(answer)
        case Unknown():
            # A stored answer that came back, or a key that holds another request: no send of it makes a refund now.
            clashes = answer.key_is_spent and answer.http_status == 400
            return outcome.unknown(answer.why, key_is_spent=answer.replayed or clashes)
        case Seen() | DisputeSeen() | Page() | Owner() | Account() | bool():
            return outcome.unknown("unreadable_answer")
        case _:
            assert_never(answer)


def _find(payment: Payment, seen: StripeRefund, *, asked: Refund | None, now: datetime) -> Refund:
    """The row of this refund of Stripe's: by Stripe's id, by ours in its metadata, or a new one."""
    known = payment.refunds.filter(refund_id=seen.id).first()
    if known:
        return known
    wish = _uuid(seen.wish)
    ours = payment.refunds.filter(id=wish).first() if wish else None
    if ours is None and asked and not seen.wish:
        ours = asked
    free = ours and ours.refund_id is None and ours.state in Refund.OPEN
    if ours and free:
        return ours
    # The same id as before where the row was lost with the database; else one derived from Stripe's.
    forgotten = wish if wish and ours is None and seen.payment == str(payment.id) else None
    return Refund.objects.create(
        id=forgotten or uuid.uuid5(notifications.NAMESPACE, f"refund/{seen.id}"),
        payment=payment, amount=seen.amount, asked_by=STRIPE, refund_id=seen.id, created_at=seen.created_at, due_at=now,
        reason="made at Stripe" if ours is None else MADE_ONCE_MORE,
    )  # fmt: skip


def _uuid(text: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(text)
    except ValueError:
        return None
