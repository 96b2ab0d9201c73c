"""What is known of a payment at one moment, as far as its headline depends on it: read once, then judged purely."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Sum

from payments import money
from payments.charging.retry import not_replayable
from payments.models import Attempt, Break, Dispute, Pause, Payment, Refund, Webhook
from payments.words.attention import CLOSED_BUT_PAID, NO_SUCH_INTENT, NOT_THIS_PAYMENT

# Disputes that ask for an answer come first, then those that are open, then those that are over.
_URGENCY = ("needs_response", "warning_needs_response", "appeal_needs_response", "under_review",
            "warning_under_review", "appeal_under_review", "lost", "won")  # fmt: skip

# `asked_by` of what was taken over from the system before: see `intake.import_paid`.
IMPORTED = "import"

# Webhooks that say that money was taken.
SAY_PAID = ("payment_intent.succeeded", "charge.succeeded")


@dataclass(frozen=True, kw_only=True)
class Known:
    """All that a headline is made of. Amounts are texts for people; `attempt` is the latest one's state, if any."""

    now: datetime
    status: str
    fault: str
    kind: str
    code: str
    closed: bool
    attempt: str
    number: int  # of the latest attempt; 0: none
    may_be_sent: bool  # a confirm of the latest attempt may have left
    in_hand: bool
    due_at: datetime | None
    retry_at: datetime | None
    paused: tuple[str, ...]
    refusal: str  # why staff can't have it tried again; empty: they can
    intent: str
    amount: str
    refunded: str  # empty: nothing
    all_refunded: bool
    coming_back: str  # of refunds that are under way; empty: none
    refund_failed: bool
    dispute: str  # status of the most urgent one; empty: none
    dispute_reason: str
    dispute_amount: str
    respond_by: datetime | None
    was_failed: bool  # Stripe said later that it was paid after all
    was_confirmed: bool  # by the customer, with the bank
    imported: bool
    issued_again: bool
    differences: tuple[str, ...]
    mismatch: bool
    closed_but_paid: bool
    no_such_intent: bool
    paid_by_webhook: bool  # a webhook says so, and Stripe has not confirmed it
    attention: str


def know(payment: Payment, *, now: datetime) -> Known:
    """Read it: some ten statements, each by an index."""
    attempt = payment.attempts.order_by("-number").first()
    dispute = min(payment.disputes.all(), key=_urgency, default=None)
    refusal = not_replayable(payment, now=now)
    late = payment.history.filter(from_status="failed", to_status="success").order_by("-id").first()
    asked = late is not None and late.attempt is not None
    confirmed = asked and late.attempt.history.filter(attempt_state="action_required").exists()  # type: ignore[union-attr]
    open_breaks = Break.objects.filter(payment=payment, closed_at__isnull=True)
    failed_refunds = payment.refunds.filter(state__in=("failed", "rejected", "canceled")).exclude(attention="")
    later = Payment.objects.filter(subscription=payment.subscription_id, number__gt=payment.number)
    return Known(
        now=now,
        status=payment.status, fault=payment.fault, kind=payment.kind, code=payment.code,
        closed=payment.closed_at is not None,
        attempt=attempt.state if attempt else "",
        number=attempt.number if attempt else 0,
        may_be_sent=attempt is not None and (attempt.sent_at is not None or attempt.in_doubt),
        in_hand=payment.lease_until is not None and payment.lease_until > now,
        due_at=payment.due_at, retry_at=payment.retry_at,
        paused=tuple(Pause.objects.filter(ended_at__isnull=True).order_by("id").values_list("cause", flat=True)),
        refusal=refusal.code if refusal else "",
        intent=payment.intent_id or "",
        amount=_amount(payment, payment.amount),
        refunded=_amount(payment, payment.refunded),
        all_refunded=payment.refunded == payment.amount,
        coming_back=_amount(payment, _coming_back(payment)),
        refund_failed=failed_refunds.exists(),
        dispute=dispute.status if dispute else "",
        dispute_reason=dispute.reason if dispute else "",
        dispute_amount=money.for_people(dispute.amount, currency=dispute.currency) if dispute else "",
        respond_by=dispute.respond_by if dispute else None,
        was_failed=late is not None,
        was_confirmed=confirmed,
        imported=payment.asked_by == IMPORTED,
        issued_again=payment.closed_at is not None and later.exists(),
        differences=tuple(open_breaks.order_by("found_at").values_list("kind", flat=True)),
        mismatch=payment.attention.startswith(NOT_THIS_PAYMENT),
        closed_but_paid=payment.attention.startswith(CLOSED_BUT_PAID),
        paid_by_webhook=_is_paid_by_webhook(payment),
        no_such_intent=payment.attention.startswith(NO_SUCH_INTENT),
        attention=payment.attention,
    )  # fmt: skip


def is_open(attempt: str) -> bool:
    """Whether nobody knows yet how an attempt in this state ends."""
    return attempt in Attempt.OPEN


def _amount(payment: Payment, minor: int) -> str:
    return money.for_people(minor, currency=payment.currency) if minor else ""


def _coming_back(payment: Payment) -> int:
    return int(payment.refunds.filter(state__in=Refund.OPEN).aggregate(sum=Sum("amount"))["sum"] or 0)


def _is_paid_by_webhook(payment: Payment) -> bool:
    """A hint that came after the payment failed, and that no look has settled yet: until then it may be true."""
    if payment.status != Payment.Status.FAILED or not payment.intent_id:
        return False
    hints = Webhook.objects.filter(intent_id=payment.intent_id, type__in=SAY_PAID).exclude(verdict="foreign")
    return hints.filter(received_at__gte=payment.settled_at).exists()


def _urgency(dispute: Dispute) -> tuple[int, float]:
    rank = _URGENCY.index(dispute.status) if dispute.status in _URGENCY else len(_URGENCY)
    return rank, dispute.respond_by.timestamp() if dispute.respond_by else float("inf")
