"""What a payment's steps write between its calls, for many payments at once: one transaction for each kind.

Statements and commits cost more than the calls between them, and side by side many payments have something to write
at the same moment. Where one of them is to blame, each writes for itself: nobody's trouble touches its neighbours.
"""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, assert_never

import structlog
from django.db import connection
from django.db.models import F

from payments.answers import Answer, Intent
from payments.charging.claim import Claim, new_key
from payments.charging.settle import Settlement, settle_all
from payments.charging.together import is_lost, session, together
from payments.models import Attempt, Payment
from payments.retry_policy import KEY_LIFETIME

log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class Learn:
    """Remember the customer that the payment's method is attached to. Brings nothing."""

    payment: uuid.UUID
    payment_method: str
    customer: str


@dataclass(frozen=True, kw_only=True)
class Bind:
    """Tie this PaymentIntent to its payment. Brings the id that is bound then, or None: the payment is closed."""

    claim: Claim
    made: Intent
    account: str


@dataclass(frozen=True, kw_only=True)
class Send:
    """A confirm is about to leave. Brings its `Sending`, or None: somebody has settled the attempt meanwhile, or the
    database has forgotten that its payment is bound to this PaymentIntent."""

    attempt: int
    intent: str


@dataclass(frozen=True, kw_only=True)
class Settle:
    """An answer is there. Brings nothing."""

    attempt: int
    answer: Answer
    task: str = ""


@dataclass(frozen=True, kw_only=True)
class Sending:
    """What an attempt sends, as frozen in its row."""

    key: str
    request: Mapping[str, Any]


Write = Learn | Bind | Send | Settle
Wrote = str | Sending | None


def carry_out(writes: Sequence[Write], *, now: datetime) -> list[Wrote | Exception]:
    """Carry out writes of different payments. Returns what each brings, or what went wrong with it."""
    found: dict[int, Wrote | Exception] = {}
    for kind in (Learn, Bind, Send, Settle):
        places = [place for place, one in enumerate(writes) if isinstance(one, kind)]
        found |= zip(places, _carry_out([writes[place] for place in places], now), strict=True)
    return [found[place] for place in range(len(writes))]


def _carry_out(alike: Sequence[Write], now: datetime) -> list[Wrote | Exception]:
    if len(alike) > 1:
        before = None
        try:
            before = session()
            return _together(alike, now)
        except Exception as trouble:  # noqa: BLE001 - whose it is, is found out below
            if is_lost(before):
                # Perhaps the COMMIT was carried out: what counts looks would count this one twice.
                return [trouble] * len(alike)
            log.warning("written one by one", count=len(alike), error=type(trouble).__name__)
    return [_alone(one, now) for one in alike]


def _together(alike: Sequence[Write], now: datetime) -> list[Wrote | Exception]:
    match alike[0]:
        case Learn():
            learn_all([one for one in alike if isinstance(one, Learn)])
            return [None] * len(alike)
        case Bind():
            return [*bind_all([one for one in alike if isinstance(one, Bind)], now=now)]
        case Send():
            return [*send_all([one for one in alike if isinstance(one, Send)], now=now)]
        case Settle():
            settlements = [Settlement(one.attempt, one.answer, one.task) for one in alike if isinstance(one, Settle)]
            settle_all(settlements, now=now)
            return [None] * len(alike)
        case _:
            assert_never(alike[0])


def _alone(write: Write, now: datetime) -> Wrote | Exception:
    try:
        return _together([write], now)[0]
    except Exception as trouble:  # noqa: BLE001 - for the payment's own steps
        return trouble


# Of this method: another event may have brought another one meanwhile. In the order in which all lock payments.
_LEARN = """
    WITH learnt AS (SELECT * FROM unnest(%s::uuid[], %s::text[], %s::text[]) AS learnt (id, payment_method, customer)),
    theirs AS (
        SELECT payment.id FROM payments_payment AS payment JOIN learnt USING (id, payment_method)
        WHERE payment.customer IS NULL ORDER BY payment.id FOR UPDATE OF payment
    )
    UPDATE payments_payment AS payment SET customer = learnt.customer FROM learnt JOIN theirs USING (id)
    WHERE payment.id = learnt.id AND payment.customer IS NULL AND payment.payment_method = learnt.payment_method
"""


def learn_all(learnt: Sequence[Learn]) -> None:
    """Remember which customer each payment's method is attached to, so that Stripe is asked once."""
    columns = zip(*[(one.payment, one.payment_method, one.customer) for one in learnt], strict=True)
    with together(len(learnt)), connection.cursor() as cursor:
        cursor.execute(_LEARN, [list(column) for column in columns])


# Compare and set, in the order in which all others lock payments. The attempts are marked in the same commit, as
# their confirms follow.
_BIND = """
    WITH wish AS (
        SELECT * FROM unnest(%s::uuid[], %s::text[], %s::text[], %s::text[], %s::boolean[])
            AS wish (id, intent, customer, account, livemode)
    ), sent AS (
        UPDATE payments_attempt SET sent_at = %s WHERE id = ANY(%s) AND sent_at IS NULL
    ), free AS (
        SELECT payment.id FROM payments_payment AS payment JOIN wish USING (id)
        WHERE payment.intent_id IS NULL AND payment.closed_at IS NULL ORDER BY payment.id FOR UPDATE OF payment
    )
    UPDATE payments_payment AS payment
    SET intent_id = wish.intent, intent_customer = wish.customer, account_id = wish.account, livemode = wish.livemode
    FROM wish JOIN free USING (id)
    WHERE payment.id = wish.id AND payment.intent_id IS NULL AND payment.closed_at IS NULL
    RETURNING payment.id, payment.intent_id
"""


def bind_all(binds: Sequence[Bind], *, now: datetime) -> list[str | None]:
    """Tie PaymentIntents to their payments, once and for ever; committed before anything can be confirmed.

    Returns for each the id that is bound now: ours, another worker's, or None if the payment was closed. Of what it
    couldn't bind it reads again, as our own COMMIT may have been acknowledged late.
    """
    wishes = [
        (one.claim.payment, one.made.id, one.claim.customer or "", one.account, one.made.livemode) for one in binds
    ]
    with together(len(binds)), connection.cursor() as cursor:
        columns = [list(column) for column in zip(*wishes, strict=True)]
        cursor.execute(_BIND, [*columns, now, [one.claim.attempt for one in binds]])
        bound: dict[uuid.UUID, str | None] = dict(cursor.fetchall())
    if others := [one.claim.payment for one in binds if one.claim.payment not in bound]:
        bound |= Payment.objects.filter(id__in=others, closed_at__isnull=True).values_list("id", "intent_id")
    return [bound.get(one.claim.payment) for one in binds]


def send_all(sends: Sequence[Send], *, now: datetime) -> list[Sending | None]:
    """What these attempts send now, for the first time or again: each its frozen request under its own key.

    P1: nothing, where a failover has lost the binding: whoever comes next would bind and confirm another PaymentIntent.
    """
    intents = {one.attempt: one.intent for one in sends}
    found = Attempt.objects.annotate(bound=F("payment__intent_id")).in_bulk(list(intents))
    attempts = {one.id: one for one in found.values() if one.bound == intents[one.id]}
    for attempt in attempts.values():
        if attempt.state in Attempt.OPEN and (
            attempt.key_is_spent or now - (attempt.key_made_at or now) > KEY_LIFETIME
        ):
            _give_new_key(attempt, now, among=len(attempts))
    open_ones = {one.id: one for one in attempts.values() if one.state in Attempt.OPEN}
    if unsent := [one.id for one in open_ones.values() if one.sent_at is None]:
        with together(len(attempts)):
            Attempt.objects.filter(id__in=unsent, sent_at__isnull=True).update(sent_at=now)
    sendings = {one.id: Sending(key=one.idempotency_key, request=one.request) for one in open_ones.values()}
    return [sendings.get(one.attempt) for one in sends]


def _give_new_key(attempt: Attempt, now: datetime, *, among: int) -> None:
    # By compare and set: of two workers that see it spent, both must send the same new one, and an attempt that
    # somebody has settled meanwhile keeps the one that it ended with.
    as_seen = Attempt.objects.filter(id=attempt.id, idempotency_key=attempt.idempotency_key, state__in=Attempt.OPEN)
    with together(among):
        as_seen.update(idempotency_key=new_key(), key_made_at=now, key_is_spent=False)
    attempt.refresh_from_db()
