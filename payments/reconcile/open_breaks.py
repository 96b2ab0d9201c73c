"""Open breaks once more, however old, also those outside the window: what agrees by now is closed."""

from collections.abc import Iterable

from payments.answers import Charge
from payments.limits import Endpoint
from payments.models import Break, Payment
from payments.reconcile import breaks
from payments.reconcile.course import Course
from payments.reconcile.examine import examine, examine_ours, find_payments

# What was paid twice is so no longer once the other one was given back: those come first.
ORDER = (
    Break.Kind.PAID_THERE, Break.Kind.PAID_HERE, Break.Kind.AMOUNT, Break.Kind.REFUNDED, Break.Kind.PAID_TWICE,
)  # fmt: skip


def compare_open_breaks(course: Course) -> None:
    """Those that this run hasn't met already. Repeats do no harm, so an interruption begins it again."""
    waiting = Break.objects.filter(closed_at__isnull=True, seen_at__lt=course.run.began_at)
    for broken in sorted(waiting, key=lambda one: (ORDER.index(Break.Kind(one.kind)), one.id)):
        if not _is_still_so(course, broken):
            breaks.close_agreeing(broken=broken, now=course.clock())
            course.count("closed")


def charge_of(course: Course, *, intent: str) -> Charge | None:
    """The successful charge of a PaymentIntent, if it has one."""
    page = course.books.page(endpoint=Endpoint.CHARGE_LIST, call=lambda: course.books.gateway.charges_of(intent=intent))
    return _success(page.items)


def examine_intent(course: Course, *, intent: str, payment: Payment | None = None) -> set[str]:
    """Examine the successful charge of a PaymentIntent, if it has one. Returns the kinds of break that were found."""
    charge = charge_of(course, intent=intent)
    if charge is None:
        return set()
    pair = (charge.intent, charge.payment)
    return examine(course, charge=charge, payment=find_payments([pair]).get(pair) or payment)


def _is_still_so(course: Course, broken: Break) -> bool:
    if broken.kind == Break.Kind.PAID_HERE and broken.payment:
        return not examine_ours(course, payment=broken.payment)
    return broken.kind in examine_intent(course, intent=broken.intent_id, payment=broken.payment)


def _success(charges: Iterable[Charge]) -> Charge | None:
    return next((charge for charge in charges if charge.status == "succeeded"), None)
