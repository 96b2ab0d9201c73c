"""What is to be published, in the order in which it happened, and what became of it."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db import connection

from payments.models import OutboxMessage

# Of what is read at once, in bytes: letters are long, and there may be many.
MOST_AT_ONCE = 16 * 1024 * 1024


class Waiting(NamedTuple):
    """One record to publish. `headers` hold text or integers; how they look on the wire is the bridge's."""

    id: int
    channel: str
    key: bytes | None
    value: bytes | None
    headers: dict[str, str | int]


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
