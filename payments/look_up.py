"""Somebody opens a payment whose outcome nobody knows: Stripe is asked at once, and the page waits for the answer.

Must never happen: that opening a page starts an attempt, or changes money state by itself. Like a webhook it makes
the payment due, and a worker does the rest; so it waits for its tokens, its turn and its lease as all others do.
"""

import time
import uuid
from datetime import datetime

import structlog

from payments import charging, tasks
from payments.models import Attempt, Payment

log = structlog.get_logger(__name__)

# As long as a person doesn't mind; Stripe answers within half a second.
PATIENCE = 2.0
POLL_EVERY = 0.05


def look_up(*, payment_id: uuid.UUID, now: datetime, patience: float = PATIENCE) -> bool:
    """Ask Stripe about this payment, if its outcome is unknown or waits for the customer. Returns whether it was asked.

    Blocks for at most `patience` seconds; what takes longer shows when the page is opened again.
    """
    payment = Payment.objects.filter(id=payment_id).first()
    if payment is None or not _is_open(payment) or charging.is_paused():
        return False
    taken = payment.lease_until is not None and payment.lease_until > now
    if not taken and not charging.make_due(payment=payment, now=now):
        return False
    seen = _answers(payment_id)
    if not taken and not tasks.ring(payment_ids=[payment_id]):
        return False
    until = time.monotonic() + patience
    while time.monotonic() < until:
        if _answers(payment_id) != seen:
            return True
        time.sleep(POLL_EVERY)
    log.info("no answer yet for who looks", payment=str(payment_id))
    return False


def _is_open(payment: Payment) -> bool:
    """Whether only Stripe knows what has become of it."""
    if payment.closed_at:
        return False
    if payment.status == Payment.Status.FAILED:
        return payment.kind == "action"
    attempt = payment.attempts.order_by("-number").first()
    return payment.status == Payment.Status.PENDING and attempt is not None and charging.only_asks(attempt)


def _answers(payment_id: uuid.UUID) -> object:
    """What changes when an answer was settled: a claim by itself changes none of these."""
    last = Attempt.objects.filter(payment_id=payment_id).order_by("-number").values("state", "tries", "request_id")
    row = Payment.objects.filter(id=payment_id).values("status", "due_at", "looks").get()
    return row, last.first()
