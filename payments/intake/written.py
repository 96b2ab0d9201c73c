"""What is written of a batch: payments with the first line of their history, and a row for each record."""

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import connection

from payments.intake.known import named
from payments.intake.requests import PaymentRequest, Record
from payments.models import InboxMessage, Payment, Transition
from payments.models.copied import Copy, as_array, as_bytea

PAYMENTS = Copy(
    Payment,
    given=(
        "id", "subscription_id", "number", "subscription_as_sent", "user_as_sent", "user_id", "email", "price",
        "amount", "currency", "payment_method", "customer", "next_payment_method", "next_customer", "traceparent",
        "created_at", "due_at", "accepted_at",
    ),
)  # fmt: skip
TRANSITIONS = Copy(Transition, given=("payment_id", "to_status", "who", "why", "evidence", "at"))
RECORDS = Copy(
    InboxMessage,
    given=(
        "cluster", "topic", "topic_id", "partition", "offset", "value_hash", "key", "value", "headers",
        "recorded_at", "received_at", "event_id", "subscription_id", "payment_id", "verdict", "reason",
    ),
)  # fmt: skip


@dataclass(slots=True, kw_only=True)
class Made:
    """A payment that is made by its batch."""

    id: UUID
    number: int
    record: Record
    wish: PaymentRequest
    next_payment_method: str = ""
    next_customer: str | None = None


@dataclass(slots=True)
class Judged:
    """A record with its verdict, and the payment that it is about."""

    record: Record
    hashed: bytes
    verdict: str
    reason: str
    payment: UUID | None


def make(made: Sequence[Made], *, who: str, evidence: Mapping[str, str], now: datetime) -> None:
    """Payments that are due now, and what asked for them."""
    if not made:
        return
    at = str(now)
    PAYMENTS.write(_payment(one, at) for one in made)
    TRANSITIONS.write(
        (one.id, "pending", who, "accepted", json.dumps({"record": named(one.record), **evidence}), at) for one in made
    )


def move(judged_until: Mapping[str, datetime | None]) -> None:
    """Subscriptions' times of their newest judged records."""
    if judged_until:
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE payments_subscription AS known SET judged_until = judged.until"
                " FROM unnest(%s::text[], %s::timestamptz[]) AS judged (id, until) WHERE known.id = judged.id",
                [as_array(judged_until), as_array(judged_until.values())],
            )


def keep(judged: Sequence[Judged], *, now: datetime) -> list[InboxMessage]:
    """A row for each, in their order. Returns those that wait for a person."""
    if not judged:
        return []
    at = str(now)
    RECORDS.write(_row(one, at) for one in judged)
    parked = {(*one.record.place, one.hashed) for one in judged if one.verdict in InboxMessage.PARKED}
    if not parked:
        return []
    # The driver says no ids of what is copied.
    places = [one.record for one in judged if one.verdict in InboxMessage.PARKED]
    rows = InboxMessage.objects.filter(
        topic__in={one.topic for one in places}, partition__in={one.partition for one in places},
        offset__in={one.offset for one in places}, received_at=now,
    ).order_by("id")  # fmt: skip
    return [row for row in rows if _identity(row) in parked]


def _identity(row: InboxMessage) -> tuple[str, str, str, int, int, bytes]:
    return (row.cluster, row.topic, row.topic_id, row.partition, row.offset, bytes(row.value_hash))


def _payment(made: Made, now: str) -> tuple[object, ...]:
    wish = made.wish
    return (
        made.id, wish.subscription, made.number, json.dumps(wish.subscription_as_sent), json.dumps(wish.user_as_sent),
        wish.user_id, wish.email, wish.price, wish.amount, wish.currency, wish.payment_method, wish.customer,
        made.next_payment_method, made.next_customer, wish.traceparent, made.record.at, now, now,
    )  # fmt: skip


def _row(judged: Judged, now: str) -> tuple[object, ...]:
    record = judged.record
    wish = record.wish if isinstance(record.wish, PaymentRequest) else None
    return (
        record.cluster, record.topic, record.topic_id, record.partition, record.offset,
        as_bytea(judged.hashed), as_bytea(record.key), as_bytea(record.value),
        json.dumps([[_storable(name), _as_text(value)] for name, value in record.headers]) if record.headers else "[]",
        record.at, now, wish.event_id if wish else "", wish.subscription if wish else None, judged.payment,
        judged.verdict, judged.reason,
    )  # fmt: skip


def _as_text(value: bytes | None) -> str | None:
    """A header's value as jsonb can hold it; an empty one is not one that is missing."""
    return None if value is None else base64.b64encode(value).decode()


def _storable(name: str) -> str:
    """A header's name as jsonb can hold it: whatever a record is like, it must be possible to park it."""
    return name.encode("utf-8", "backslashreplace").decode().replace("\x00", "\\x00")
