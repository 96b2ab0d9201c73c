"""After a restore: which PaymentIntents has Stripe made for our payments, that the database has forgotten?

P1: until all are bound again nothing may be charged, as a payment without its PaymentIntent would get another one; and
until forgotten refunds are noted none may be made, as Stripe forgets their keys after a day. So the pause ends here,
and only when nothing is left. Each step is repeatable; a run that was interrupted begins anew.
"""

import uuid
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta

import structlog
from django.db.models import Q

from payments import charging
from payments.answers import ListedIntent, Seen
from payments.limits import Endpoint
from payments.models import Attempt, Break, InboxMessage, Job, Pause, Payment
from payments.reconcile import breaks
from payments.reconcile.course import Course
from payments.reconcile.examine import read_uuid
from payments.reconcile.open_breaks import examine_intent

log = structlog.get_logger(__name__)

WHO = "adoption"
ADOPTING = "Stripe is asked what was charged since the database was restored: wait for reconcile --adopt to end well."

# Of several PaymentIntents of one payment, the one that has come the furthest; of equals, the one that was tried.
FURTHEST = ("succeeded", "processing", "requires_action")

# What was made just before what the database remembers last may have been bound just after; and clocks differ.
BEFORE = timedelta(hours=1)

# How many PaymentIntents are left that keep charging paused, by why.
LEFT = ("missing", charging.NOT_ADOPTED)


class TooLate(Exception):
    """The window begins after what the database has forgotten. The text says when it must begin."""


def check_from(*, from_at: datetime, now: datetime) -> None:
    """Raise `TooLate` where the database itself shows that more was forgotten than is asked for."""
    pause = Pause.objects.filter(cause=Pause.Cause.RESTORED, ended_at__isnull=True).first()
    until = pause.began_at if pause else now  # what was read since may be what was forgotten
    last = InboxMessage.objects.filter(received_at__lt=until).order_by("-id").first()
    if last and from_at > last.received_at:
        raise TooLate(
            f"the last record that the database remembers is of {last.received_at:%Y-%m-%dT%H:%M:%SZ}: "
            "begin before that, better an hour than a minute"
        )


def adopt_all(course: Course) -> None:
    """Bind, settle, cancel what lost."""
    run = course.run
    # Of the moment at which this run began, so that it is one of those that have asked since.
    charging.pause(cause=Pause.Cause.RESTORED, reason=ADOPTING, who=WHO, now=run.began_at)
    run.counts = {}
    _stop_jobs(course)
    candidates: dict[uuid.UUID, list[ListedIntent]] = {}
    missing: list[ListedIntent] = []
    for page in course.books.pages(
        endpoint=Endpoint.LIST, call=lambda part: course.books.gateway.list_intents(part=part),
        from_at=run.from_at - BEFORE, until_at=run.until_at,
    ):  # fmt: skip
        _sort(page.items, candidates, missing)
        course.count("intents", len(page.items))
        course.say(f"{course.run.counts['intents']} PaymentIntents listed")
    tries = _count_tries(course)
    for payment_id, intents in candidates.items():
        _adopt_one(course, payment_id, intents, tries)
    for one in missing:
        _tell_missing(course, one)
    _look_at_bound(course, known=candidates, tries=tries)


def resume(course: Course) -> None:
    """Let charging and refunds go on, if nothing is left: also of what a comparison has found before."""
    if not course.run.counts.get(charging.NOT_ADOPTED):
        open_ = Break.objects.filter(kind=Break.Kind.PAID_THERE, closed_at__isnull=True, payment__isnull=False)
        may_be_charged = open_.filter(payment__closed_at__isnull=True).exclude(payment__status=Payment.Status.SUCCESS)
        course.count(charging.NOT_ADOPTED, may_be_charged.count())
    if not any(course.run.counts.get(why) for why in LEFT):
        charging.resume(cause=Pause.Cause.RESTORED, who=WHO, now=course.clock())


def _stop_jobs(course: Course) -> None:
    """What they have done since is forgotten: whether the rest is still wanted is for who asked to say."""
    running = Job.objects.filter(state=Job.State.RUNNING)
    course.count("jobs stopped", running.update(state=Job.State.STOPPED, stopped_by=WHO, stopped_at=course.clock()))


def _sort(
    intents: Sequence[ListedIntent], candidates: dict[uuid.UUID, list[ListedIntent]], missing: list[ListedIntent]
) -> None:
    """By payment; those of payments that aren't here apart, and those of others nowhere."""
    ids = [read_uuid(one.intent.payment) for one in intents]
    payments = Payment.objects.in_bulk([one for one in ids if one])
    for found, payment_id in zip(intents, ids, strict=True):
        # What reconciliation has cancelled was never bound.
        if payment_id is None or found.canceled_as == "abandoned":
            continue
        payment = payments.get(payment_id)
        if payment is None:
            missing.append(found)
        elif payment.intent_id != found.intent.id or payment.status != Payment.Status.SUCCESS:
            candidates.setdefault(payment_id, []).append(found)


def _count_tries(course: Course) -> Counter[str]:
    """How often a card was tried with each PaymentIntent that no attempt knows of: each time has left a charge."""
    tries = Counter[str]()
    for page in course.books.pages(
        endpoint=Endpoint.CHARGE_LIST, call=lambda part: course.books.gateway.list_charges(part=part),
        from_at=course.run.from_at - BEFORE, until_at=course.run.until_at,
    ):  # fmt: skip
        ids = [one.id for one in page.items]
        known = set(Attempt.objects.filter(charge_id__in=ids).values_list("charge_id", flat=True))
        tries.update(one.intent for one in page.items if one.id not in known)
    return tries


def _adopt_one(course: Course, payment_id: uuid.UUID, intents: Sequence[ListedIntent], tries: Counter[str]) -> None:
    payment = Payment.objects.get(id=payment_id)
    best: ListedIntent | None = max(intents, key=_how_far)
    if payment.intent_id:
        best = next((one for one in intents if one.intent.id == payment.intent_id), None)
    if best:
        refusal = charging.adopt(
            payment_id=payment_id, found=best, account=course.books.account(), now=course.clock(),
            tries=tries[best.intent.id],
        )  # fmt: skip
        _note(course, payment, best, refusal)
    for one in intents:
        if one is not best:
            _give_up(course, payment, one)


def _note(course: Course, payment: Payment, found: ListedIntent, refusal: charging.NotAdopted | None) -> None:
    if refusal is None:
        course.count("adopted" if payment.intent_id is None else "bound already")
        return
    log.warning("not adopted", payment=str(payment.id), intent=found.intent.id, why=refusal.text)
    if refusal.passes:
        course.count(charging.NOT_ADOPTED)
    else:
        _give_up(course, payment, found)


def _give_up(course: Course, payment: Payment, found: ListedIntent) -> None:
    """It isn't the payment's own one: it must never take money, and where it has, a person must know."""
    match found.intent.status:
        case "canceled":
            return
        case "succeeded":
            taken = _is_taken(course, found, payment)
            payment.refresh_from_db()
            # It would be charged once more; or it was closed without a look at Stripe, and the next one would be.
            is_open = payment.closed_at is None or payment.intent_id is None
            if taken and is_open and payment.status != Payment.Status.SUCCESS:
                course.count(charging.NOT_ADOPTED)
        case _:
            course.count("abandoned" if _cancel(course, found) else charging.NOT_ADOPTED)


def _tell_missing(course: Course, found: ListedIntent) -> None:
    """Its payment isn't here: not read again yet, or of a re-issue, or of somebody else who uses this account."""
    match found.intent.status:
        case "canceled":
            return
        case "succeeded" if Break.Kind.PAID_THERE in examine_intent(course, intent=found.intent.id, payment=None):
            is_left = _is_unsettled(found)
        case "succeeded":  # and given back: if it were made anew, it would be charged once more
            is_left = not course.cancel_missing
        case _:
            is_left = not (course.cancel_missing and _cancel(course, found))
            course.count("abandoned", not is_left)
    if is_left:
        log.warning("its payment is not here", payment=found.intent.payment, intent=found.intent.id)
        course.count("missing")


def _is_taken(course: Course, found: ListedIntent, payment: Payment) -> bool:
    """Whether it has taken money that nobody has given back or accounted for; then there is a break."""
    return Break.Kind.PAID_THERE in examine_intent(course, intent=found.intent.id, payment=payment) and _is_unsettled(
        found
    )


def _is_unsettled(found: ListedIntent) -> bool:
    return breaks.is_open(kind=Break.Kind.PAID_THERE, intent=found.intent.id)


def _cancel(course: Course, found: ListedIntent) -> bool:
    reply = course.books.ask(
        endpoint=Endpoint.CANCEL, call=lambda: course.books.gateway.cancel(intent=found.intent.id, reason="abandoned")
    )
    return isinstance(reply, Seen)


def _look_at_bound(course: Course, *, known: dict[uuid.UUID, list[ListedIntent]], tries: Counter[str]) -> None:
    """Payments whose PaymentIntent is older than the window, and that are going to be tried, or were tried there: is
    there anything that isn't known of them?"""
    bound = Payment.objects.filter(intent_id__isnull=False, closed_at__isnull=True).filter(
        Q(status=Payment.Status.PENDING) | Q(status=Payment.Status.FAILED, intent_id__in=list(tries))
    )
    for payment in bound.exclude(id__in=list(known)).order_by("created_at").iterator():
        found = course.books.ask(
            endpoint=Endpoint.RETRIEVE,
            call=lambda payment=payment: course.books.gateway.inspect(intent=payment.intent_id or ""),  # type: ignore[misc]
        )
        if isinstance(found, ListedIntent):
            refusal = charging.adopt(
                payment_id=payment.id, found=found, account="", now=course.clock(), tries=tries[found.intent.id]
            )
            _note(course, payment, found, refusal)


def _how_far(found: ListedIntent) -> tuple[int, datetime]:
    intent = found.intent
    if intent.status in FURTHEST:
        return len(FURTHEST) + 2 - FURTHEST.index(intent.status), intent.created_at
    return (0 if intent.status == "canceled" else 2 if intent.charge else 1), intent.created_at
