"""Examine one charge or one payment: what Stripe can put right it is asked, and what is left becomes a break."""

import uuid
from collections.abc import Collection, Iterable, Sequence

from django.db.models import F

from payments import refunds
from payments.answers import Charge, Page, Seen
from payments.charging import pause_for_lost_commits, settle
from payments.limits import Endpoint
from payments.models import Break, Payment, Refund
from payments.reconcile import breaks
from payments.reconcile.breaks import RECONCILIATION
from payments.reconcile.compare import Difference, differences, not_paid_there
from payments.reconcile.course import Course


def examine(course: Course, *, charge: Charge, payment: Payment | None) -> set[str]:
    """Compare one successful charge with its payment. What Stripe can put right, it is asked; the rest are breaks.

    Returns the kinds of break that were found.
    """
    others: set[str] = set()
    if payment is None or payment.intent_id != charge.intent or payment.status != Payment.Status.SUCCESS:
        others = _find_others(charge, payment.subscription_id if payment else charge.subscription)
    found = _differences(charge, payment, others)
    if payment and payment.intent_id == charge.intent:
        kinds = {one.kind for one in found}
        if Break.Kind.PAID_THERE in kinds:
            _look(course, payment)
        if Break.Kind.REFUNDED in kinds:
            note_refunds_of(course, payment)
        if kinds & {Break.Kind.PAID_THERE, Break.Kind.REFUNDED}:
            payment.refresh_from_db()
            found = _differences(charge, payment, others)
    for one in found:
        course.count("breaks", breaks.note(found=one, now=course.clock()))
    if payment and _may_be_charged_again(charge, payment) and _is_unsettled(charge, found):
        pause_for_lost_commits(who=RECONCILIATION, now=course.clock())
    return {one.kind for one in found}


def examine_ours(course: Course, *, payment: Payment) -> bool:
    """Ask Stripe about one of our successes. Returns whether the books agree."""
    intent = payment.intent_id or ""
    reply = course.books.ask(endpoint=Endpoint.RETRIEVE, call=lambda: course.books.gateway.retrieve(intent=intent))
    status = reply.intent.status if isinstance(reply, Seen) else ""
    if status == "succeeded":
        return True
    course.count("breaks", breaks.note(found=not_paid_there(payment=payment, status=status), now=course.clock()))
    return False


def find_payments(pairs: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Payment]:
    """The payment of each (PaymentIntent, payment id in its metadata): by the intent, else by the id."""
    pairs = list(pairs)
    by_intent = {
        payment.intent_id: payment for payment in Payment.objects.filter(intent_id__in=[intent for intent, _ in pairs])
    }
    ids = {told: one for _, told in pairs if (one := read_uuid(told))}
    by_id = Payment.objects.in_bulk(list(ids.values()))
    found = {}
    for intent, told in pairs:
        payment = by_intent.get(intent) or (by_id.get(ids[told]) if told in ids else None)
        if payment:
            found[intent, told] = payment
    return found


def read_uuid(text: str) -> uuid.UUID | None:
    """A payment's id, if it is one."""
    try:
        return uuid.UUID(text)
    except ValueError:
        return None


def _look(course: Course, payment: Payment) -> None:
    """As a look by staff: what Stripe says of the PaymentIntent is settled."""
    latest = payment.attempts.order_by("-number").first()
    reply = course.books.ask(
        endpoint=Endpoint.RETRIEVE, call=lambda: course.books.gateway.retrieve(intent=payment.intent_id or "")
    )
    if latest and isinstance(reply, Seen):
        course.count("settled")
        settle(attempt_id=latest.id, answer=reply, now=course.clock(), who=RECONCILIATION)


def note_refunds_of(course: Course, payment: Payment) -> None:
    """Refunds that were made at Stripe, or whose answers we haven't had."""
    after, intent = "", payment.intent_id or ""
    while True:
        call = lambda after=after: course.books.gateway.list_refunds(intent=intent, after=after)  # noqa: E731
        reply = course.books.ask(endpoint=Endpoint.REFUND_LIST, call=call)
        if not isinstance(reply, Page):
            return
        for seen in reply.items:
            course.count("refunds", refunds.note_refund(payment=payment, seen=seen, now=course.clock()))
        after = reply.last
        if not after:
            return


def _differences(charge: Charge, payment: Payment | None, others: Collection[str]) -> Sequence[Difference]:
    refunded = payment.refunded if payment else 0
    if payment and charge.refunded != refunded:
        # Stripe counts those that the bank hasn't carried out yet.
        pending = payment.refunds.filter(state=Refund.State.PENDING).values_list("amount", flat=True)
        refunded += sum(pending)
    return differences(charge=charge, payment=payment, refunded=refunded, others=others)


def _may_be_charged_again(charge: Charge, payment: Payment) -> bool:
    open_here = payment.closed_at is None and payment.status != Payment.Status.SUCCESS
    return open_here and payment.intent_id != charge.intent


def _is_unsettled(charge: Charge, found: Iterable[Difference]) -> bool:
    """Whether it was taken, and no person has said why that needn't agree."""
    paid_there = any(one.kind == Break.Kind.PAID_THERE for one in found)
    return paid_there and breaks.is_open(kind=Break.Kind.PAID_THERE, intent=charge.intent)


def _find_others(charge: Charge, subscription: str) -> set[str]:
    """Other PaymentIntents that have taken money for the same obligation and kept it, as far as is known here.

    Of all payments of the subscription, whenever they were paid. (Our own rows can't hold two that are paid.)
    """
    paid = Payment.objects.filter(
        subscription=subscription, status=Payment.Status.SUCCESS, refunded__lt=F("amount")
    ).values_list("intent_id", flat=True)
    strays = Break.objects.filter(
        kind=Break.Kind.PAID_THERE, closed_at__isnull=True, details__subscription=subscription
    ).values_list("intent_id", flat=True)
    return {str(intent) for intent in (*paid, *strays)} - {charge.intent}
