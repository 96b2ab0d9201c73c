"""Take over what the replaced service has charged: its subscriptions are paid here too, and an event about one of them
is a duplicate.

P1: all lines or none, so that nobody is charged whose line was left out. Nothing is told: that service has told it.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import structlog
from django.db import transaction

from payments import notifications
from payments.intake.known import IMPORT, latest_payments, lock_subscriptions
from payments.intake.paid_before import PaidBefore, Problem
from payments.models import Payment, Transition

log = structlog.get_logger(__name__)

AT_ONCE = 1_000


@dataclass(frozen=True, kw_only=True)
class Imported:
    """How many payments were made, and how many had been imported before."""

    made: int
    known: int


class NotImported(Exception):
    """Lines that contradict what is here. Nothing was changed."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("nothing was imported")
        self.problems = problems


def import_paid(
    *, paid: Sequence[PaidBefore], who: str, why: str, now: datetime, dry_run: bool,
    at: Callable[[int], None] = lambda _: None,
) -> Imported:  # fmt: skip
    """Write all of them, or raise `NotImported`. `dry_run`: judge them in the same way, and take it back.

    `at` is told how many have been judged.
    """
    problems: list[Problem] = []
    made = 0
    with transaction.atomic():
        # In sorted order, as the intake locks subscriptions.
        ordered = sorted(paid, key=lambda one: one.subscription)
        for begin in range(0, len(ordered), AT_ONCE):
            found = list(_judge(ordered[begin : begin + AT_ONCE], problems))
            made += len(found)
            if not problems:
                _write(found, who=who, why=why, now=now)
            at(min(begin + AT_ONCE, len(ordered)))
        if problems:
            raise NotImported(sorted(problems, key=lambda problem: problem.line))
        transaction.set_rollback(dry_run)
    if not dry_run:
        log.info("payments imported", count=made, known=len(paid) - made, who=who, why=why)
    return Imported(made=made, known=len(paid) - made)


def _judge(paid: Sequence[PaidBefore], problems: list[Problem]) -> Iterator[tuple[PaidBefore, int]]:
    """Those that are new, each with its number among its subscription's payments."""
    lock_subscriptions(dict.fromkeys(one.subscription for one in paid))
    here = latest_payments([one.subscription for one in paid])
    intents = {one.intent for one in paid}
    bound = {str(one.intent_id): one for one in Payment.objects.filter(intent_id__in=intents)}
    for one in paid:
        payment = here.get(one.subscription)
        holder = bound.get(one.intent)
        if holder and holder.subscription_id != one.subscription:
            text = f"transactionId: is that of subscription {holder.subscription_id}: an intent pays for one"
            problems.append(Problem(line=one.line, text=text))
        elif payment is None or (payment.closed_at and holder is None):
            yield one, payment.number + 1 if payment else 1
        elif problem := _differs(one, payment):
            problems.append(Problem(line=one.line, text=problem))


def _differs(one: PaidBefore, payment: Payment) -> str:
    """Why this isn't the payment that is here; empty where it is."""
    if payment.status != Payment.Status.SUCCESS:
        state = "closed" if payment.closed_at else payment.status
        return f"subId: has a payment here that is {state} ({payment.id}): close it, or take out the line"
    if payment.intent_id != one.intent:
        return f"transactionId: the subscription is paid here with {payment.intent_id}: refund one, take out the line"
    if (payment.amount, payment.currency, payment.user_id) != (one.amount, one.currency, one.user_id):
        return "price, currency, userId: are others than in the payment that is here: take out the line"
    return ""


def _write(found: Sequence[tuple[PaidBefore, int]], *, who: str, why: str, now: datetime) -> None:
    payments = Payment.objects.bulk_create(_payment(one, number, now) for one, number in found)
    Transition.objects.bulk_create(
        Transition(
            payment=payment, from_status="", to_status=payment.status, who=who, why="paid by the service before",
            evidence={"why": why, "line": one.line, "intent": one.intent}, at=now,
        )
        for payment, (one, _) in zip(payments, found, strict=True)
    )  # fmt: skip


def _payment(one: PaidBefore, number: int, now: datetime) -> Payment:
    return Payment(
        id=notifications.payment_id(subscription=one.subscription, number=number),
        subscription_id=one.subscription, number=number, subscription_as_sent=one.subscription_as_sent,
        user_as_sent=one.user_as_sent, user_id=one.user_id, email=one.email, price=one.price, amount=one.amount,
        currency=one.currency, payment_method="", customer=None, asked_by=IMPORT,
        status=Payment.Status.SUCCESS, intent_id=one.intent,
        created_at=one.paid_at, accepted_at=now, settled_at=one.paid_at,
    )  # fmt: skip
