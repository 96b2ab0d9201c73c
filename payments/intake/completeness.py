"""Which offsets of a partition have rows and which have none: our half of the question whether anything was lost.

What stands at an offset without a row, Kafka alone can tell; the bridge asks it.
"""

from dataclasses import dataclass
from typing import Any

from django.db import connection
from django.db.models import Count, Min, QuerySet

from payments.intake.positions import heirs
from payments.intake.requests import Topic
from payments.models import InboxMessage, Position

# First and last, both inclusive.
Span = tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class Taken:
    """What is here of one partition from `first` up to `end`, exclusive: rows by verdict, how many rows were removed as
    nobody needed them any more, and the spans of offsets that never had a row, in order."""

    partition: int
    first: int
    end: int
    verdicts: dict[str, int]
    pruned: int
    gaps: list[Span]


def find_start(*, topic: Topic, partition: int) -> int | None:
    """Where reading began; where an older version has not noted that, the first row; None: nothing was read."""
    noted = Position.objects.filter(
        cluster=topic.cluster, topic=topic.name, topic_id=topic.id, partition=partition
    ).values_list("first_offset", flat=True)
    if (first := noted.first()) is not None:
        return first
    found: int | None = _rows(topic, partition).aggregate(first=Min("offset"))["first"]
    return found


def look_at_rows(*, topic: Topic, partition: int, first: int, end: int) -> Taken:
    """Compare a partition's rows with the offsets from `first` up to `end`, exclusive."""
    within = _rows(topic, partition).filter(offset__gte=first, offset__lt=end)
    counts = within.values_list("verdict").annotate(Count("id")).order_by()
    return Taken(
        partition=partition, first=first, end=end, verdicts=dict(counts),
        pruned=_count_pruned(topic, partition, first, end), gaps=_gaps(topic, partition, first, end),
    )  # fmt: skip


def _ids(topic: Topic, partition: int) -> list[str]:
    """Rows without a topic's id count as well, where they are this topic's."""
    place = (topic.cluster, topic.name, partition)
    return [topic.id, ""] if heirs({place}).get(place) == topic.id else [topic.id]


def _rows(topic: Topic, partition: int) -> QuerySet[InboxMessage]:
    return InboxMessage.objects.filter(
        cluster=topic.cluster, topic=topic.name, topic_id__in=_ids(topic, partition), partition=partition
    )


_PRUNED = """
    coalesce((
        SELECT pruned FROM payments_position
        WHERE cluster = %(cluster)s AND topic = %(topic)s AND topic_id = %(topic_id)s AND partition = %(partition)s
    ), '{}')
"""


def _count_pruned(topic: Topic, partition: int, first: int, end: int) -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT coalesce(sum(upper(span) - lower(span)), 0)
                FROM unnest(({_PRUNED}) * int8multirange(int8range(%(first)s, %(end)s))) AS span
            """,  # noqa: S608 - a constant
            _place(topic, partition) | {"first": first, "end": end},
        )
        return int(cursor.fetchone()[0])


def _gaps(topic: Topic, partition: int, first: int, end: int) -> list[Span]:
    """From the index of places alone: a million rows take about a second."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH pairs AS (
                SELECT following, LAG(following, 1, %(first)s - 1) OVER (ORDER BY following) AS previous FROM (
                    SELECT "offset" AS following FROM payments_inboxmessage
                        WHERE cluster = %(cluster)s AND topic = %(topic)s AND topic_id = ANY(%(ids)s)
                            AND partition = %(partition)s AND "offset" >= %(first)s AND "offset" < %(end)s
                    UNION ALL SELECT %(end)s
                ) AS here
            )
            SELECT lower(span), upper(span) - 1 FROM unnest(
                (SELECT coalesce(range_agg(int8range(previous + 1, following)), '{{}}') FROM pairs
                    WHERE following > previous + 1) - ({_PRUNED})
            ) AS span ORDER BY 1
            """,  # noqa: S608 - a constant
            _place(topic, partition) | {"ids": _ids(topic, partition), "first": first, "end": end},
        )
        return [(int(one), int(other)) for one, other in cursor.fetchall()]


def _place(topic: Topic, partition: int) -> dict[str, Any]:
    return {"cluster": topic.cluster, "topic": topic.name, "topic_id": topic.id, "partition": partition}
