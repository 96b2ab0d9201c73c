"""Claim: take the payments that are due, so that no other worker works on them meanwhile.

A claim saves work and nothing else: money stays right when two workers hold the same payment. It ends with an
answer that is settled, or with its lease.
"""

import secrets
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Any

from django.db import transaction
from django.db.models import F, Max, Q

from payments import retry_policy
from payments.charging.pause import is_paused
from payments.charging.retry import SCHEDULE, request_attempt
from payments.gateway import WITH_CHARGE
from payments.models import Attempt, Payment, Transition
from payments.models.changes import save_new

# Longer than the task's time limit (90 s), which is longer than the calls of one payment; shorter than the
# broker's visibility time-out (600 s), so that a lost claim is found by the sweep before Redis delivers again.
LEASE = timedelta(seconds=120)

ATTENTION_DELIVERIES = "its worker died each time it was tried"


class Step(Enum):
    """What a due payment needs next."""

    CHARGE = "charge"  # a new attempt, or one that can't have reached Stripe's confirm
    RESOLVE = "resolve"  # an attempt may have been sent: ask what became of it
    LOOK = "look"  # it has failed: has Stripe changed its mind?


@dataclass(frozen=True, kw_only=True)
class Claim:
    """One payment in our hands until `lease_until`, with all that the steps need. `amount` in minor units,
    `attempt` its row's id, `number` which one of the payment's it is."""

    payment: uuid.UUID
    attempt: int
    number: int
    step: Step
    lease_until: datetime
    subscription: str
    amount: int
    currency: str
    payment_method: str
    customer: str | None
    intent: str | None
    intent_customer: str
    account: str
    was_processing: bool
    traceparent: str = ""
    task: str = ""
    """Celery's id of the task that it is charged in."""


def claim(
    *, payment_ids: Sequence[uuid.UUID], now: datetime, tasks: Mapping[uuid.UUID, str] | None = None
) -> list[Claim]:
    """Claim those of the payments that are due and free; attempts are in the database before this returns.

    `tasks`: in which of Celery's tasks each is charged, to be told in the log.
    """
    with transaction.atomic():
        payments = list(
            Payment.objects.select_for_update(skip_locked=True)
            .filter(Q(lease_until__isnull=True) | Q(lease_until__lte=now), id__in=payment_ids)
            .filter(due_at__lte=now, closed_at__isnull=True)
            .order_by("due_at", "id")
        )
        if not payments or is_paused():
            return []
        _ask_by_schedule(payments, now=now)
        attempts = _under_way(payments)
        attempts |= _started([payment for payment in payments if payment.id not in attempts], now=now)
        ids = [payment.id for payment in payments]
        Payment.objects.filter(id__in=ids).update(lease_until=now + LEASE, deliveries=F("deliveries") + 1)
        Payment.objects.filter(id__in=ids, deliveries__gte=retry_policy.DELIVERIES_BEFORE_A_LOOK).update(
            attention=ATTENTION_DELIVERIES
        )
        return [
            _claimed(one, attempts[one.id], lease_until=now + LEASE, task=(tasks or {}).get(one.id, ""))
            for one in payments
        ]


def _ask_by_schedule(payments: Sequence[Payment], *, now: datetime) -> None:
    """Failed payments whose scheduled retry has come become pending; the others are only looked at."""
    for payment in payments:
        if payment.retry_at and payment.retry_at <= now:
            request_attempt(
                payment=payment, asked_by=SCHEDULE, payment_method=payment.payment_method,
                customer=payment.customer, now=now, why="tried again by schedule",
            )  # fmt: skip
            payment.save()


def _under_way(payments: Sequence[Payment]) -> dict[uuid.UUID, Attempt]:
    """The attempt that each payment's next step is about; a payment that needs a new one isn't in it."""
    latest = Attempt.objects.filter(payment__in=payments).order_by("payment_id", "-number").distinct("payment_id")
    found = {attempt.payment_id: attempt for attempt in latest}
    for payment in payments:
        attempt = found.get(payment.id)
        if attempt is None:
            continue
        if payment.status == Payment.Status.PENDING and attempt.state not in Attempt.OPEN:
            del found[payment.id]
        elif attempt.sent_at and attempt.state == Attempt.State.SENDING:
            # Its worker is gone, and nobody can tell whether the confirm left.
            attempt.in_doubt = True
            attempt.save(update_fields=["in_doubt"])
    return found


def _started(payments: Sequence[Payment], *, now: datetime) -> dict[uuid.UUID, Attempt]:
    """New attempts, their requests frozen, with the first line of their history."""
    last = Attempt.objects.filter(payment__in=payments).values_list("payment_id").annotate(Max("number"))
    numbers: dict[uuid.UUID, int] = dict(last)
    attempts = [
        Attempt(
            payment=payment,
            number=numbers.get(payment.id, 0) + 1,
            asked_by=payment.asked_by,
            payment_method=payment.payment_method,
            request=confirm_request(payment_method=payment.payment_method),
            idempotency_key=new_key(),
            key_made_at=now,
            created_at=now,
        )
        for payment in payments
    ]
    save_new(attempts)
    transitions = [
        Transition(
            payment_id=attempt.payment_id,
            attempt_id=attempt.id,
            from_status=Payment.Status.PENDING,
            to_status=Payment.Status.PENDING,
            attempt_state=Attempt.State.SENDING,
            who=attempt.asked_by,
            why="attempt started",
            at=now,
        )
        for attempt in attempts
    ]
    save_new(transitions)
    return {attempt.payment_id: attempt for attempt in attempts}


def confirm_request(*, payment_method: str) -> dict[str, Any]:
    """The parameters of the confirm call: the customer isn't there to type anything.

    They are frozen in the attempt, the wish to see the charge too: a key stands for all of a request's parameters, so
    an attempt that was frozen by another version is sent again as that version froze it.
    """
    return {"payment_method": payment_method, "off_session": True, "expand": [WITH_CHARGE]}


def new_key() -> str:
    """An idempotency key: random, as Stripe wants no personal data in it."""
    return f"confirm-{secrets.token_hex(16)}"


def _claimed(payment: Payment, attempt: Attempt, *, lease_until: datetime, task: str) -> Claim:
    if payment.status == Payment.Status.FAILED:
        step = Step.LOOK
    elif payment.intent_id and (attempt.in_doubt or attempt.state != Attempt.State.SENDING):
        step = Step.RESOLVE
    else:
        step = Step.CHARGE
    return Claim(
        payment=payment.id,
        attempt=attempt.id,
        number=attempt.number,
        step=step,
        lease_until=lease_until,
        subscription=payment.subscription_id,
        amount=payment.amount,
        currency=payment.currency,
        payment_method=attempt.payment_method,
        customer=payment.customer,
        intent=payment.intent_id,
        intent_customer=payment.intent_customer,
        account=payment.account_id,
        was_processing=attempt.state == Attempt.State.PROCESSING,
        traceparent=payment.traceparent,
        task=task,
    )
