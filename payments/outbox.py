"""The outbox: what must be published, written in the transaction whose outcome it tells; then claimed and marked.

P4: every settled outcome is told at least once, under one id, with the same bytes each time, and never before
it is committed. The relay is this room's only reader.
"""

import contextlib
import json
import select
import threading
import time
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple, cast

from django.conf import settings
from django.db import InterfaceError, OperationalError, connection

from payments import money, notifications
from payments.heartbeats import heart_of as heart_of  # for the relay, which enters payments by this door
from payments.models import InboxMessage, OutboxMessage, Payment

# PostgreSQL channel on which a waiting relay hears that there is something to do.
WAKE = "payments_outbox"

# At most one wake-up per this long and process, as each costs a statement. A relay that was woken looks once more
# after as long, for what was committed without one.
WAKE_INTERVAL = 0.005

# Session-level advisory lock: whoever holds it is the active relay. The number is arbitrary and fixed.
RELAY_LOCK = 7_243_001

CE_TYPE = "payment.settled"

# A letter is for reading, and must fit where its record did, headers included: in a megabyte. The inbox has more.
MAX_LETTER = 256 * 1024
MAX_LETTER_KEY = 4 * 1024
MAX_LETTER_REASON = 1_000
# Of what is read at once, in bytes: letters are long, and there may be many.
MOST_AT_ONCE = 16 * 1024 * 1024
CE_TYPE_BACK = "payment.refunded"


class Waiting(NamedTuple):
    """One record to publish. `headers` hold text or integers; how they look on the wire is the bridge's."""

    id: int
    channel: str
    key: bytes | None
    value: bytes | None
    headers: dict[str, str | int]


def tell(
    *, payment: Payment, attempt: int, transition: str, now: datetime, among: list[OutboxMessage] | None = None
) -> None:
    """Write the notification of an outcome, or put it among others that the caller writes. Call under the payment's
    row lock, in the settling transaction."""
    message = _message(
        payment=payment, transition=transition, metadata=_as_it_stands(payment, attempt=attempt), now=now,
        channel=OutboxMessage.Channel.NOTIFICATIONS, kind=CE_TYPE,
    )  # fmt: skip
    if among is None:
        message.save()
    else:
        among.append(message)


def last_told(payment: Payment) -> OutboxMessage | None:
    """The last notification of this payment that nobody had to ask for; None: nothing was told yet."""
    told = payment.notifications.filter(channel=OutboxMessage.Channel.NOTIFICATIONS)
    again = told.filter(message_id__in=[_again_id(payment, number) for number in range(1, told.count() + 1)])
    return told.exclude(id__in=again).order_by("-id").first()


def tell_again(*, payment: Payment, now: datetime) -> str:
    """Staff have it told once more, as it stands, under an id of its own. Call under the payment's row lock.

    Returns the id, derived from how often it was told. Raises `ValueError` where nothing was told yet.
    """
    first = last_told(payment)
    if first is None:
        raise ValueError("nothing was told yet")
    attempt = payment.attempts.order_by("-number").values_list("number", flat=True).first() or 1
    number = payment.notifications.filter(channel=OutboxMessage.Channel.NOTIFICATIONS).count()
    return _write(
        payment=payment, transition=f"again/{number}", now=now,
        metadata=_as_it_stands(payment, attempt=attempt) | {"resendOf": first.message_id},
        channel=OutboxMessage.Channel.NOTIFICATIONS, kind=CE_TYPE,
    )  # fmt: skip


def _again_id(payment: Payment, number: int) -> str:
    return notifications.notification_id(payment=payment.id, transition=f"again/{number}")


def _as_it_stands(payment: Payment, *, attempt: int) -> dict[str, Any]:
    """What an e-mail needs."""
    if payment.status != Payment.Status.FAILED:
        return {"attempt": attempt}
    return {
        "attempt": attempt,
        "reason": payment.reason,
        "actionRequired": payment.kind == "action",
        "willRetryAt": notifications.iso(payment.retry_at) if payment.retry_at else None,
    }


def tell_back(*, payment: Payment, transition: str, metadata: dict[str, Any], now: datetime) -> None:
    """Write that money went back, or is disputed, for those who keep accounts: on a topic of its own, if there is one,
    as whoever reads `notification.paying` would thank again. Call as `tell`, with `payment.refunded` up to date."""
    if not settings.KAFKA_TOPIC_REFUNDS:
        return
    metadata = {"refunded": in_price_unit(payment, payment.refunded)} | metadata
    _write(
        payment=payment, transition=transition, metadata=metadata, now=now,
        channel=OutboxMessage.Channel.REFUNDS, kind=CE_TYPE_BACK,
    )  # fmt: skip


def in_price_unit(payment: Payment, amount: int) -> int | float:
    """Minor units as the JSON number that this payment's price is told in, whatever PRICE_UNIT is now."""
    unit: money.PriceUnit = "minor" if payment.price == payment.amount else "major"
    return money.as_json_number(money.to_price(amount, currency=payment.currency, unit=unit))


def _write(**what: Any) -> str:
    message = _message(**what)
    message.save()
    return message.message_id


def _message(
    *, payment: Payment, transition: str, metadata: dict[str, Any], channel: str, kind: str, now: datetime
) -> OutboxMessage:
    message_id = notifications.notification_id(payment=payment.id, transition=transition)
    told = notifications.Told(
        payment=payment.id,
        subscription=payment.subscription_as_sent,
        user=payment.user_as_sent,
        price=payment.price,
        currency=payment.currency,
        status=cast("notifications.NotificationStatus", payment.status),
        transaction=payment.intent_id,
        created_at=payment.created_at,
        metadata=metadata,
    )
    return OutboxMessage(
        message_id=message_id,
        channel=channel,
        key=str(payment.id).encode(),
        value=notifications.body(told),
        headers=notifications.headers(notification=message_id, kind=kind, at=now, traceparent=payment.traceparent),
        payment=payment,
        created_at=now,
    )


def park(*, records: Sequence[InboxMessage], group: str, now: datetime) -> None:
    """Write parked records to the dead-letter channel, in the transaction that parks them. What is longer is cut."""
    OutboxMessage.objects.bulk_create(
        OutboxMessage(
            message_id=str(uuid.uuid5(notifications.NAMESPACE, f"parked/{record.id}")),
            channel=OutboxMessage.Channel.DEAD_LETTERS,
            key=record.key and bytes(record.key)[:MAX_LETTER_KEY],
            value=record.value and bytes(record.value)[:MAX_LETTER],
            headers={
                "original-topic": record.topic,
                "original-partition": record.partition,
                "original-offset": record.offset,
                "original-timestamp": int(record.recorded_at.timestamp() * 1000),
                "original-consumer-group": group,
                "exception-fqcn": record.verdict,
                "exception-message": record.reason[:MAX_LETTER_REASON],
            },
            record=record,
            created_at=now,
        )
        for record in records
    )


_last_wake = threading.local()


def wake() -> None:
    """Tell a waiting relay, after the commit. Best effort: it also looks by itself every now and then."""
    if time.monotonic() - getattr(_last_wake, "at", 0.0) < WAKE_INTERVAL:
        return
    _last_wake.at = time.monotonic()
    with connection.cursor() as cursor:
        # Not durable, so that it doesn't wait for the disk: NOTIFY commits one at a time.
        cursor.execute(f"SET LOCAL synchronous_commit = off; NOTIFY {WAKE}")


def try_relay_lock() -> bool:
    """Try to become the one active relay; the lock lives and dies with this thread's connection."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [RELAY_LOCK])
        row = cursor.fetchone()
    return bool(row and row[0])


def release_relay_lock() -> None:
    """Let a standby take over at once. Where the connection is gone, so is the lock."""
    with contextlib.suppress(OperationalError, InterfaceError), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_unlock_all()")


def listen() -> None:
    """Hear `wake` on this thread's connection from now on."""
    with connection.cursor() as cursor:
        cursor.execute(f"LISTEN {WAKE}")


def wait_for_wake(*, seconds: float) -> bool:
    """Wait until somebody wakes us, for so many seconds at most; returns whether somebody did. Needs `listen` before.

    Raises Django's `OperationalError` where the connection has died, and our lock with it.
    """
    raw = connection.connection
    with connection.wrap_database_errors:
        if not raw.notifies:
            select.select([raw], [], [], seconds)
            raw.poll()
        woken = bool(raw.notifies)
        raw.notifies.clear()
    return woken


# The oldest rows, as far as their values fit. Not those that are `on_their_way`, by their ids: what has a lower id may
# have been committed later, and for one payment must not come after what has a higher one.
_OLDEST = """SELECT id, channel, key, value, headers
FROM (
    SELECT *, sum(octet_length(value)) OVER (ORDER BY id ROWS UNBOUNDED PRECEDING) AS with_this_one
    FROM (
        SELECT id, channel, key, value, headers FROM payments_outboxmessage
        WHERE published_at IS NULL AND refused_at IS NULL AND id <> ALL (%(on_their_way)s::bigint[])
        ORDER BY id LIMIT %(limit)s
    ) AS oldest
) AS oldest
WHERE coalesce(with_this_one, 0) - coalesce(octet_length(value), 0) <= %(size)s
ORDER BY id
"""


def waiting(*, limit: int, size: int = MOST_AT_ONCE, on_their_way: Iterable[int] = ()) -> list[Waiting]:
    """The oldest unpublished records, in order of id: per payment the order in which things happened. About `size`
    bytes of values at most, but one at least."""
    with connection.cursor() as cursor:
        cursor.execute(_OLDEST, {"limit": limit, "size": size, "on_their_way": _array(on_their_way)})
        rows = cursor.fetchall()
    return [
        Waiting(
            number, channel, None if key is None else bytes(key), None if value is None else bytes(value),
            json.loads(headers),
        )
        for number, channel, key, value, headers in rows
    ]  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Backlog:
    """How many records wait, and the age of the oldest; none are no time old."""

    rows: int
    oldest: timedelta


def count_waiting(*, now: datetime) -> Backlog:
    """All that is to be published and isn't."""
    waiting = OutboxMessage.objects.filter(published_at__isnull=True, refused_at__isnull=True)
    first = waiting.order_by("id").values_list("created_at", flat=True).first()
    return Backlog(rows=waiting.count() if first else 0, oldest=max(now - (first or now), timedelta()))


def mark_published(*, ids: Sequence[int], now: datetime) -> None:
    """Kafka has acknowledged these."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE payments_outboxmessage SET published_at = %s "
            "WHERE id = ANY (%s::bigint[]) AND published_at IS NULL",
            [now, _array(ids)],
        )


def set_aside(*, outbox_id: int, error: str, now: datetime) -> None:
    """Kafka will never take this one: show it to a person, and let the others pass."""
    OutboxMessage.objects.filter(id=outbox_id, published_at__isnull=True).update(refused_at=now, error=error)


def _array(ids: Iterable[int]) -> str:
    """As PostgreSQL reads it: one constant, where `id__in` would be as many as there are rows."""
    return "{" + ",".join(map(str, ids)) + "}"
