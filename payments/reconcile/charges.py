"""Both directions: each successful charge has its payment here, and each payment that is paid has its charge there."""

from collections.abc import Collection
from datetime import datetime, timedelta

from payments.answers import Charge, Page
from payments.limits import Endpoint
from payments.models import Payment
from payments.reconcile.course import Course
from payments.reconcile.examine import (
    examine,
    examine_ours,
    find_payments,
    read_uuid,
)

# A payment is settled at most so long after its charge was made, or it is asked about one by one.
SLACK = timedelta(minutes=1)


def compare_charges(course: Course) -> None:
    """Stripe's charges of the window, newest first; and beside them, as far as they reach, our successes."""
    run, seen = course.run, set[str]()
    done_from = course.done_from or run.until_at
    pages = course.books.pages(
        endpoint=Endpoint.CHARGE_LIST, call=lambda part: course.books.gateway.list_charges(part=part),
        from_at=run.from_at, until_at=run.until_at, after=course.after,
    )  # fmt: skip
    for page in pages:
        seen |= _compare_page(course, page)
        reached = page.items[-1].created_at + SLACK if page.last else run.from_at
        if reached < done_from:
            _compare_ours(course, from_at=reached, until_at=done_from, seen=seen)
            done_from = reached
        if page.last:
            course.note(after=page.last, done_from=done_from)


def _compare_page(course: Course, page: Page[Charge]) -> set[str]:
    """Returns the PaymentIntents of its successful charges."""
    successes = [charge for charge in page.items if charge.status == "succeeded"]
    payments = find_payments((charge.intent, charge.payment) for charge in successes)
    for charge in successes:
        payment = payments.get((charge.intent, charge.payment))
        if payment is None and read_uuid(charge.payment) is None:
            course.count("foreign")
            continue
        course.count("charges")
        examine(course, charge=charge, payment=payment)
    return {charge.intent for charge in successes}


def _compare_ours(course: Course, *, from_at: datetime, until_at: datetime, seen: Collection[str]) -> None:
    """Our successes that were settled in that time, and whose charges weren't in the list."""
    account = course.books.account()
    ours = Payment.objects.filter(status=Payment.Status.SUCCESS, settled_at__gte=from_at, settled_at__lt=until_at)
    if account:
        ours = ours.filter(account_id__in=("", account))
    for payment in ours.order_by("settled_at").iterator():
        course.count("payments")
        if payment.intent_id not in seen:
            examine_ours(course, payment=payment)
