"""Staff ask for a refund: the row, under the payment's row lock, before anything is sent."""

import uuid
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

import structlog
from django.db import transaction
from django.db.models import Sum

from payments import money
from payments.models import Dispute, Payment, Refund, Transition
from payments.refunds.claim import key_of

log = structlog.get_logger(__name__)

# Refunds of these give nothing back, and leave what they asked for to others.
WITHOUT_EFFECT = (Refund.State.FAILED, Refund.State.CANCELED, Refund.State.REJECTED)

# While the bank holds the money, or keeps it, Stripe refunds nothing; an inquiry (`warning_…`) takes none yet, and a
# refund is its best end.
HELD_BY_BANK = ("needs_response", "under_review", "appeal_needs_response", "appeal_under_review", "lost")


@dataclass(frozen=True, kw_only=True)
class NotRefundable:
    """Why nothing is given back. `code` groups them, `text` is for a person."""

    code: str
    text: str


def request(
    *,
    payment_id: uuid.UUID,
    amount: int | None,
    who: str,
    reason: str,
    now: datetime,
    refund_id: uuid.UUID | None = None,
) -> Refund | NotRefundable:
    """Write down that `amount` minor units go back, or all that is left (None); it is due now.

    `refund_id`: of a wish that may come once more; the refund that is there already is returned then, as it stands.
    Raises `Payment.DoesNotExist`.
    """
    with transaction.atomic():
        payment = Payment.objects.select_for_update(of=("self",)).get(id=payment_id)
        there = payment.refunds.filter(id=refund_id).first() if refund_id else None
        if there and there.state in WITHOUT_EFFECT:
            return NotRefundable(code="without_effect", text=f"it was asked for before, and is {there.state}: ask anew")
        if there:
            return there
        left = left_to_refund(payment)
        refusal = find_refusal(payment, amount=amount, left=left)
        if refusal:
            return refusal
        refund = Refund(
            id=refund_id or uuid.uuid4(), payment=payment, amount=left if amount is None else amount, asked_by=who,
            reason=reason,
        )  # fmt: skip
        refund.idempotency_key, refund.key_made_at = key_of(refund.id, number=1), now
        refund.due_at = refund.created_at = now
        refund.save(force_insert=True)
        # Whoever asks again has seen how the last one ended.
        payment.refunds.filter(state__in=WITHOUT_EFFECT).exclude(attention="").update(attention="")
        Transition.objects.create(
            payment=payment, from_status=payment.status, to_status=payment.status, who=who, at=now,
            why=f"refund of {money.for_people(refund.amount, currency=payment.currency)} asked for: {reason}",
            evidence={"refund": str(refund.id), "amount": refund.amount, "intent": payment.intent_id},
        )  # fmt: skip
    log.info("refund requested", payment=str(payment_id), refund=str(refund.id), who=who)
    return refund


def left_to_refund(payment: Payment) -> int:
    """What no refund has taken or may still take, in minor units."""
    asked = payment.refunds.exclude(state__in=WITHOUT_EFFECT).aggregate(sum=Sum("amount"))["sum"] or 0
    return max(0, payment.amount - int(asked))


def find_refusal(payment: Payment, *, amount: int | None, left: int) -> NotRefundable | None:
    """Why this can't be given back now; None if it can."""
    if payment.status != Payment.Status.SUCCESS:
        return NotRefundable(code="not_paid", text=f"it isn't paid, it is {payment.status}")
    dispute = Dispute.objects.filter(payment=payment, status__in=HELD_BY_BANK).first()
    if dispute:
        text = f"it is disputed ({dispute.status}): its money is with the bank, and Stripe refunds nothing"
        return NotRefundable(code="disputed", text=text)
    if left == 0:
        return NotRefundable(code="nothing_left", text="all of it is refunded, or is about to be")
    if amount is not None:
        try:
            money.to_minor(Decimal(amount), currency=payment.currency, unit="minor")
        except money.PriceInvalid as invalid:
            return NotRefundable(code="amount", text=f"the amount {invalid}")
        if amount > left:
            rest = money.for_people(left, currency=payment.currency)
            return NotRefundable(code="more_than_left", text=f"only {rest} is left to refund")
    return None
