"""Close a payment: make sure at Stripe that nothing more can be taken with it; then it may be re-issued.

P1 rests on the order: cancel, see `canceled`, then `closed_at`. A payment that has no PaymentIntent is closed
under its row lock, by which a binding has to pass: a worker that is just making one finds out and cancels it.
"""

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import structlog
from django.db import transaction

from payments import limits, notifications, outbox
from payments.answers import Reply, Seen
from payments.charging.pause import heed, may_have_forgotten
from payments.charging.settle import close_unbound, settle
from payments.gateway import Gateway
from payments.limits import Endpoint
from payments.models import Attempt, Payment, Subscription, Transition

log = structlog.get_logger(__name__)

FINAL = ("canceled", "succeeded")
FORGOTTEN = "the database was restored, and Stripe may have charged it since: run manage.py reconcile --adopt first"


@dataclass(frozen=True, kw_only=True)
class NotClosed:
    """Why a payment is still open, or can't be re-issued; for a person."""

    text: str


def close(*, payment_id: uuid.UUID, who: str, reason: str, gateway: Gateway, now: datetime) -> NotClosed | None:
    """Cancel at Stripe, look, and close. Returns why not, or None. Raises `Payment.DoesNotExist`."""
    payment = Payment.objects.get(id=payment_id)
    if payment.closed_at:
        return NotClosed(text="it is closed already")
    if payment.intent_id is None:
        return _close_unbound(payment_id=payment_id, who=who, reason=reason, gateway=gateway, now=now)
    if payment.status == Payment.Status.SUCCESS:
        return NotClosed(text="it is paid: refund it instead")
    intent = payment.intent_id
    _ask(endpoint=Endpoint.CANCEL, call=lambda: gateway.cancel(intent=intent), now=now)  # the look decides
    seen = _ask(endpoint=Endpoint.RETRIEVE, call=lambda: gateway.retrieve(intent=intent), now=now)
    if not isinstance(seen, Seen):
        return NotClosed(text="Stripe gave no answer: try again")
    if seen.intent.status not in FINAL:
        return NotClosed(text=f"Stripe did not cancel it, it is {seen.intent.status}: try again")
    settle(attempt_id=_last_attempt(payment_id, who, now).id, answer=seen, now=now, who=who, reason=reason)
    payment.refresh_from_db()
    return None if payment.closed_at else NotClosed(text="Stripe says that it is paid")


def reissue(*, payment_id: uuid.UUID, who: str, reason: str, now: datetime) -> Payment | NotClosed:
    """Make a new payment of the same subscription out of a closed one; it is due now."""
    with transaction.atomic():
        closed = Payment.objects.get(id=payment_id)
        Subscription.objects.select_for_update().get(id=closed.subscription_id)
        latest = Payment.objects.filter(subscription=closed.subscription_id).latest("number")
        if latest.closed_at is None:
            return NotClosed(text="its subscription has an open payment: close that first")
        number = latest.number + 1
        made = Payment.objects.create(
            id=notifications.payment_id(subscription=closed.subscription_id, number=number),
            subscription_id=closed.subscription_id, number=number, subscription_as_sent=closed.subscription_as_sent,
            user_as_sent=closed.user_as_sent, user_id=closed.user_id, email=closed.email,
            price=closed.price, amount=closed.amount, currency=closed.currency, payment_method=closed.payment_method,
            customer=closed.customer, asked_by=who, traceparent=closed.traceparent,
            due_at=now, created_at=now, accepted_at=now,
        )  # fmt: skip
        Transition.objects.create(
            payment=made, from_status="", to_status=made.status, who=who, why=reason,
            evidence={"reissued": str(closed.id)}, at=now,
        )  # fmt: skip
    log.info("reissued", payment=str(made.id), who=who)
    return made


def _ask(*, endpoint: Endpoint, call: Callable[[], Reply], now: datetime) -> Reply:
    """One call, when the rate limit lets it; what its answer means for all others is heeded."""
    time.sleep(limits.reserve(endpoint=endpoint))
    reply = call()
    heed(endpoint=endpoint, reply=reply, now=now)
    return reply


def _close_unbound(
    *, payment_id: uuid.UUID, who: str, reason: str, gateway: Gateway, now: datetime
) -> NotClosed | None:
    with transaction.atomic():
        payment = Payment.objects.select_for_update().get(id=payment_id)
        bound = payment.intent_id is not None
        if not bound and may_have_forgotten(accepted_at=payment.accepted_at):
            return NotClosed(text=FORGOTTEN)
        if not bound:
            attempt = _last_attempt(payment_id, who, now)
            close_unbound(payment=payment, attempt=attempt, now=now, who=who, reason=reason)
    if bound:  # while we looked
        return close(payment_id=payment_id, who=who, reason=reason, gateway=gateway, now=now)
    outbox.wake()
    return None


def _last_attempt(payment_id: uuid.UUID, who: str, now: datetime) -> Attempt:
    """What was never tried gets one that says so."""
    with transaction.atomic():
        payment = Payment.objects.select_for_update().get(id=payment_id)
        return payment.attempts.order_by("-number").first() or Attempt.objects.create(
            payment=payment, number=1, asked_by=who, state=Attempt.State.REFUSED, code="closed",
            payment_method=payment.payment_method, created_at=now, ended_at=now,
        )  # fmt: skip
