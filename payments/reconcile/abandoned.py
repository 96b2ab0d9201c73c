"""PaymentIntents that nobody will ever confirm: made by a worker that lost a race, or whose answer was lost.

They take no money, and cancelled they never can. Must never happen: one is cancelled that is bound to its payment,
or that a restored database has forgotten and that is going to be bound again.
"""

import uuid
from datetime import timedelta

import structlog

from payments.answers import ListedIntent, Seen
from payments.charging.adoption import NOT_PAID
from payments.limits import Endpoint
from payments.models import Pause, Payment
from payments.reconcile.course import Course
from payments.reconcile.examine import read_uuid

log = structlog.get_logger(__name__)

# Nobody is between create and bind for that long: calls end within half a minute, a lease within two.
OLD = timedelta(hours=1)


def cancel_abandoned(course: Course) -> None:
    """Cancel those of the window that are old enough, and of the hour before, which were too young for the last run."""
    until_at = min(course.run.until_at, course.clock() - OLD)
    from_at = course.run.from_at - OLD
    if from_at >= until_at:
        return
    for page in course.books.pages(
        endpoint=Endpoint.LIST, call=lambda part: course.books.gateway.list_intents(part=part),
        from_at=from_at, until_at=until_at, after=course.after,
    ):  # fmt: skip
        for one in page.items:
            payment_id = read_uuid(one.intent.payment)
            # Stripe's windows are of whole seconds.
            if payment_id and one.intent.status in NOT_PAID and one.intent.created_at < until_at:
                _judge(course, one, payment_id)
        if page.last:
            course.note(after=page.last)


def _judge(course: Course, one: ListedIntent, payment_id: uuid.UUID) -> None:
    """By the payment as it is now, right before the call."""
    payment = Payment.objects.filter(id=payment_id).first()
    if payment and payment.intent_id == one.intent.id:
        return
    if payment is None or not _is_abandoned(course, payment):
        course.count("unbound")
        return
    reply = course.books.ask(
        endpoint=Endpoint.CANCEL, call=lambda: course.books.gateway.cancel(intent=one.intent.id, reason="abandoned")
    )
    if isinstance(reply, Seen):
        course.count("abandoned")
        log.info("abandoned intent cancelled", intent=one.intent.id, payment=str(payment.id))


def _is_abandoned(course: Course, payment: Payment) -> bool:
    """Whether a PaymentIntent that isn't bound to this payment never can be."""
    if payment.intent_id or payment.closed_at:
        return True
    if payment.lease_until and payment.lease_until > course.clock():
        return False
    return not Pause.objects.filter(cause=Pause.Cause.RESTORED, ended_at__isnull=True).exists()
