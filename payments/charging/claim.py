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

from django.db import connection

from payments import retry_policy
from payments.charging.retry import SCHEDULE, request_attempt
from payments.charging.together import together
from payments.gateway import WITH_CHARGE
from payments.models import Attempt, Payment, Transition
from payments.models.changes import save_new

# Longer than the task's time limit (90 s), which is longer than the calls of one payment; shorter than the
# broker's visibility time-out (600 s), so that a lost claim is found by the sweep before Redis delivers again.
LEASE = timedelta(seconds=120)

ATTENTION_DELIVERIES = "its worker died each time it was tried"


# As SQL, since Django takes longer to write these statements than PostgreSQL to carry them out. Nothing is due while
# charging is paused.
_DUE = """
    SELECT * FROM payments_payment
    WHERE id = ANY(%s) AND (lease_until IS NULL OR lease_until <= %s) AND due_at <= %s AND closed_at IS NULL
        AND NOT EXISTS (SELECT FROM payments_pause WHERE ended_at IS NULL)
    ORDER BY due_at, id FOR UPDATE SKIP LOCKED
"""
_LATEST = """
    SELECT DISTINCT ON (payment_id) payment_id, id FROM payments_attempt WHERE payment_id = ANY(%s)
    ORDER BY payment_id, number DESC
"""
_FREE = "SELECT * FROM payments_attempt WHERE id = ANY(%s) ORDER BY id FOR UPDATE SKIP LOCKED"
_LEASE = """
    UPDATE payments_payment SET lease_until = %s, deliveries = deliveries + 1,
        attention = CASE WHEN deliveries + 1 >= %s THEN %s ELSE attention END
    WHERE id = ANY(%s)
"""


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
    with together(len(payment_ids)):
        payments, latest = _free(list(Payment.objects.raw(_DUE, [list(payment_ids), now, now])))
        if not payments:
            return []
        _ask_by_schedule(payments, now=now)
        ids = [payment.id for payment in payments]
        attempts = {one.id: latest[one.id] for one in payments if _goes_on(one, latest.get(one.id))}
        attempts |= _started([one for one in payments if one.id not in attempts], latest, now=now)
        with connection.cursor() as cursor:
            looked_at = retry_policy.DELIVERIES_BEFORE_A_LOOK
            cursor.execute(_LEASE, [now + LEASE, looked_at, ATTENTION_DELIVERIES, ids])
        return [
            _claimed(one, attempts[one.id], lease_until=now + LEASE, task=(tasks or {}).get(one.id, ""))
            for one in payments
        ]


def _free(payments: Sequence[Payment]) -> tuple[list[Payment], dict[uuid.UUID, Attempt]]:
    """Those whose latest attempt nobody holds, and these attempts: locked, as what is claimed writes into it. Whoever
    holds one at a psql prompt has one payment wait for its next doorbell, and no other."""
    if not payments:
        return [], {}
    with connection.cursor() as cursor:
        cursor.execute(_LATEST, [[payment.id for payment in payments]])
        latest: dict[uuid.UUID, int] = dict(cursor.fetchall())
    if not latest:
        return [*payments], {}
    free = {attempt.payment_id: attempt for attempt in Attempt.objects.raw(_FREE, [list(latest.values())])}
    return [one for one in payments if one.id in free or one.id not in latest], free


def _ask_by_schedule(payments: Sequence[Payment], *, now: datetime) -> None:
    """Failed payments whose scheduled retry has come become pending; the others are only looked at."""
    for payment in payments:
        if payment.retry_at and payment.retry_at <= now:
            request_attempt(
                payment=payment, asked_by=SCHEDULE, payment_method=payment.payment_method,
                customer=payment.customer, now=now, why="tried again by schedule",
            )  # fmt: skip
            payment.save()


def _goes_on(payment: Payment, attempt: Attempt | None) -> bool:
    """Whether its next step is about the latest attempt; else it needs a new one."""
    if attempt is None or (payment.status == Payment.Status.PENDING and attempt.state not in Attempt.OPEN):
        return False
    if attempt.sent_at and attempt.state == Attempt.State.SENDING:
        # Its worker is gone, and nobody can tell whether the confirm left.
        attempt.in_doubt = True
        attempt.save(update_fields=["in_doubt"])
    return True


def _started(
    payments: Sequence[Payment], latest: Mapping[uuid.UUID, Attempt], *, now: datetime
) -> dict[uuid.UUID, Attempt]:
    """New attempts, their requests frozen, with the first line of their history."""
    attempts = [
        Attempt(
            payment=payment,
            number=latest[payment.id].number + 1 if payment.id in latest else 1,
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
