"""What went back since: refunds and disputes that Stripe has and we may not, made in its dashboard or by banks."""

from collections.abc import Callable, Iterable

from payments import refunds
from payments.answers import Answer, Page, StripeDispute, StripeRefund
from payments.gateway import Part
from payments.limits import Endpoint
from payments.models import Dispute, Payment, Refund
from payments.reconcile.course import Course


def note_refunds(course: Course) -> None:
    """Refunds that were made in the window, of payments of ours."""
    call: Callable[[Part], Page[StripeRefund] | Answer] = lambda part: course.books.gateway.list_refunds_made(part=part)  # noqa: E731
    for page in course.books.pages(
        endpoint=Endpoint.REFUND_LIST, call=call,
        from_at=course.run.from_at, until_at=course.run.until_at, after=course.after,
    ):  # fmt: skip
        payments = _paid(one.intent for one in page.items)
        known = dict(
            Refund.objects.filter(refund_id__in=[one.id for one in page.items]).values_list("refund_id", "state")
        )
        for one in page.items:
            if one.intent in payments and known.get(one.id) != one.status:
                noted = refunds.note_refund(payment=payments[one.intent], seen=one, now=course.clock())
                course.count("refunds", noted)
        if page.last:
            course.note(after=page.last)


def note_disputes(course: Course) -> None:
    """Disputes that began in the window, of payments of ours."""
    call: Callable[[Part], Page[StripeDispute] | Answer] = lambda part: course.books.gateway.list_disputes(part=part)  # noqa: E731
    for page in course.books.pages(
        endpoint=Endpoint.DISPUTE_LIST, call=call,
        from_at=course.run.from_at, until_at=course.run.until_at, after=course.after,
    ):  # fmt: skip
        payments = _paid(one.intent for one in page.items)
        known = dict(
            Dispute.objects.filter(dispute_id__in=[one.id for one in page.items]).values_list("dispute_id", "status")
        )
        for one in page.items:
            if one.intent in payments and known.get(one.id) != one.status:
                noted = refunds.note_dispute(payment=payments[one.intent], seen=one, now=course.clock())
                course.count("disputes", noted)
        if page.last:
            course.note(after=page.last)


def _paid(intents: Iterable[str]) -> dict[str, Payment]:
    found = Payment.objects.filter(intent_id__in=list(intents), status=Payment.Status.SUCCESS)
    return {str(payment.intent_id): payment for payment in found}
