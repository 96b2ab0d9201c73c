"""Positions: how far each partition has been taken in, and whether the database has forgotten some of that.

Offsets are committed only after their rows. So a committed offset ahead of the rows says that the database was
restored, or failed over and lost commits; what Stripe has charged since then isn't known here. P1: charging stops
at once, until `reconcile --adopt` has asked Stripe. P2: the records are read again from where the rows end.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import structlog
from django.db import connection, transaction
from django.db.models import Max, QuerySet

from payments.charging import pause
from payments.intake.requests import Record, Topic
from payments.models import InboxMessage, Pause, Position

log = structlog.get_logger(__name__)

WHAT_TO_DO = (
    "Nothing is charged meanwhile. When they have been read, run manage.py reconcile --adopt --from <a time before "
    "the last moment that the database remembers>: it asks Stripe what was charged since then, and resumes charging."
)


@dataclass(frozen=True, kw_only=True)
class Forgotten:
    """A partition taken in up to `committed`, whose rows end before `next_offset`; None: it has no rows at all."""

    partition: int
    committed: int
    next_offset: int | None


class Behind(Exception):
    """Rows that this process has seen committed are gone. Nothing of the batch was written."""

    def __init__(self, forgotten: Sequence[Forgotten]) -> None:
        super().__init__("the database has forgotten rows")
        self.forgotten = forgotten


def is_made_anew(*, topic: Topic) -> bool:
    """Whether another topic of its name was taken in before it, under an id of its own."""
    return bool(topic.id) and _positions(topic).exclude(topic_id__in=[topic.id, ""]).exists()


def heirs(partitions: Collection[tuple[str, str, int]]) -> dict[tuple[str, str, int], str]:
    """Which topic's id the rows without one belong to, by cluster, topic and partition: the first one met."""
    first = (
        Position.objects.filter(
            cluster__in={cluster for cluster, _, _ in partitions},
            topic__in={topic for _, topic, _ in partitions},
            partition__in={partition for _, _, partition in partitions},
        )
        .order_by("cluster", "topic", "partition", "id")
        .distinct("cluster", "topic", "partition")
        .values_list("cluster", "topic", "partition", "topic_id")
    )
    return {(cluster, topic, partition): topic_id for cluster, topic, partition, topic_id in first if topic_id}


def note(*, records: Sequence[Record], now: datetime) -> None:
    """Move the positions past these records, in the transaction that writes their rows; never backward."""
    reached: dict[tuple[Topic, int], tuple[int, int]] = {}
    for record in records:
        place = (_topic_of(record), record.partition)
        first, end = reached.get(place, (record.offset, 0))
        reached[place] = (min(first, record.offset), max(end, record.offset + 1))
    _move(reached, now)


def begin(*, topic: Topic, offsets: Mapping[int, int], now: datetime) -> None:
    """Note where a group begins to read, before it does: nothing before that was ever to be taken in."""
    _move({(topic, partition): (offset, offset) for partition, offset in offsets.items()}, now)


def find_forgotten(*, topic: Topic, committed: Mapping[int, int], now: datetime) -> list[Forgotten]:
    """Compare the group's committed offsets, by partition, with the rows.

    Rows from before topics' ids were kept become this topic's, if it is the first one that we meet since: a topic
    that is deleted takes the group's offsets along, and here they are. Where they are not, nobody can tell; those
    rows stay without an id, and a record of theirs that comes again is known by its subscription.
    """
    _inherit(topic, committed)
    known = _reached(topic, committed)
    unknown = [partition for partition in committed if partition not in known]
    if unknown:
        # A partition of which nothing was ever read has nothing to forget.
        found = {partition: 0 for partition in unknown if committed[partition] == 0}
        if is_made_anew(topic=topic):
            # No history of another service: the topic of this name before it was ours, and this one is read whole.
            found |= dict.fromkeys(unknown, 0)
        else:
            found |= _ends_of_rows(topic, unknown)
        begin(topic=topic, offsets=found, now=now)
        known |= found
    return _behind(known, committed)


def check(*, records: Sequence[Record], floor: Mapping[int, int]) -> None:
    """Raise `Behind` if rows below `floor` (by partition) are gone. In the transaction that writes the records."""
    if not floor or not records:
        return
    expected = {record.partition: floor[record.partition] for record in records if record.partition in floor}
    if forgotten := _behind(_reached(_topic_of(records[0]), expected), expected):
        raise Behind(forgotten)


def stop_charging(
    *, topic: Topic, forgotten: Sequence[Forgotten], kept_from: Mapping[int, int], now: datetime
) -> dict[int, int]:
    """Stop charging, and say why. Returns from where to read each partition again, where there is something to read.

    `kept_from`: the first record that Kafka still has, by partition. Where no row says how far a partition was taken
    in, it is left where it is: its records may be history that another service has charged.
    """
    again = {
        one.partition: max(one.next_offset, kept_from.get(one.partition, 0))
        for one in forgotten if one.next_offset is not None
    }  # fmt: skip
    reason = " ".join(
        ["The database has forgotten records that were taken in:", *_described(topic.name, forgotten, again)]
    )
    log.error("the database has forgotten records", topic=topic.name, why=reason)
    with transaction.atomic():
        pause(cause=Pause.Cause.RESTORED, reason=f"{reason} {WHAT_TO_DO}", who="bridge", now=now)
        # What can't be read again, and what mustn't be, is told once.
        ends = {one.partition: one.committed for one in forgotten} | again
        begin(topic=topic, offsets=ends, now=now)
    return again


def _described(topic: str, forgotten: Sequence[Forgotten], again: Mapping[int, int]) -> list[str]:
    lines = []
    for one in forgotten:
        place = f"{topic}[{one.partition}]"
        if one.next_offset is None:
            lines.append(
                f"{place} was read up to {one.committed} and has no row here: is this the right database? It is not "
                "read again by itself; set the group's offset back for what is missing."
            )
            continue
        lines.append(f"{place} was read up to {one.committed}, its rows end at {one.next_offset}: it is read again.")
        if again[one.partition] > one.next_offset:
            lines.append(f"Kafka has deleted its records before {again[one.partition]}: they are lost here.")
    return lines


def _behind(known: Mapping[int, int], expected: Mapping[int, int]) -> list[Forgotten]:
    return [
        Forgotten(partition=partition, committed=offset, next_offset=known.get(partition))
        for partition, offset in sorted(expected.items())
        if known.get(partition, 0) < offset
    ]


def _reached(topic: Topic, partitions: Collection[int]) -> dict[int, int]:
    """The next offset of each of these partitions that has a position."""
    found = _positions(topic).filter(topic_id=topic.id, partition__in=list(partitions))
    return dict(found.values_list("partition", "next_offset"))


def _ends_of_rows(topic: Topic, partitions: Sequence[int]) -> dict[int, int]:
    """From the inbox, for partitions that were taken in before positions were kept."""
    found = InboxMessage.objects.filter(
        cluster=topic.cluster, topic=topic.name, topic_id__in={topic.id, ""}, partition__in=partitions
    )
    ends = found.values_list("partition").annotate(Max("offset"))
    return {partition: offset + 1 for partition, offset in ends}


def _positions(topic: Topic) -> QuerySet[Position]:
    """Of all topics of its name, whenever they were made."""
    return Position.objects.filter(cluster=topic.cluster, topic=topic.name)


def _inherit(topic: Topic, partitions: Collection[int]) -> None:
    if topic.id and not is_made_anew(topic=topic):
        mine = _positions(topic).filter(topic_id=topic.id).values("partition")
        theirs = _positions(topic).filter(topic_id="", partition__in=list(partitions))
        theirs.exclude(partition__in=mine).update(topic_id=topic.id)


def _topic_of(record: Record) -> Topic:
    return Topic(record.cluster, record.topic, record.topic_id)


def _move(reached: Mapping[tuple[Topic, int], tuple[int, int]], now: datetime) -> None:
    """Widen what is known: first and next offset by topic and partition. A first offset that isn't known stays so."""
    if not reached:
        return
    rows = [(*topic, partition, first, end, now) for (topic, partition), (first, end) in sorted(reached.items())]
    values = ", ".join(["(%s, %s, %s, %s, %s, %s, %s)"] * len(rows))
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            INSERT INTO payments_position AS known
                (cluster, topic, topic_id, partition, first_offset, next_offset, updated_at) VALUES {values}
            ON CONFLICT (cluster, topic, topic_id, partition) DO UPDATE
                SET next_offset = GREATEST(known.next_offset, EXCLUDED.next_offset),
                    first_offset = CASE WHEN known.first_offset > EXCLUDED.first_offset
                        THEN EXCLUDED.first_offset ELSE known.first_offset END,
                    updated_at = EXCLUDED.updated_at
                WHERE known.next_offset < EXCLUDED.next_offset OR known.first_offset > EXCLUDED.first_offset
            """,  # noqa: S608 - placeholders only
            [value for row in rows for value in row],
        )
