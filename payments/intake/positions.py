"""Positions: how far each partition has been taken in, and whether the database has forgotten some of that.

Offsets are committed only after their rows. So a committed offset ahead of the rows says that the database was
restored, or failed over and lost commits; what Stripe has charged since then isn't known here. P1: charging stops
at once, until `reconcile --adopt` has asked Stripe. P2: the records are read again from where the rows end.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import structlog
from django.db import connection, transaction
from django.db.models import Max

from payments.charging import pause
from payments.intake.requests import Record
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


def note(*, records: Sequence[Record], now: datetime) -> None:
    """Move the positions past these records, in the transaction that writes their rows; never backward."""
    ends: dict[tuple[str, str, int], int] = {}
    for record in records:
        place = (record.cluster, record.topic, record.partition)
        ends[place] = max(ends.get(place, 0), record.offset + 1)
    _move(ends, now)


def begin(*, cluster: str, topic: str, offsets: Mapping[int, int], now: datetime) -> None:
    """Note where a group begins to read, before it does: nothing before that was ever to be taken in."""
    _move({(cluster, topic, partition): offset for partition, offset in offsets.items()}, now)


def find_forgotten(*, cluster: str, topic: str, committed: Mapping[int, int], now: datetime) -> list[Forgotten]:
    """Compare the group's committed offsets, by partition, with the rows."""
    known = dict(
        Position.objects.filter(cluster=cluster, topic=topic, partition__in=committed)
        .values_list("partition", "next_offset")
    )  # fmt: skip
    unknown = [partition for partition in committed if partition not in known]
    if unknown:
        # A partition of which nothing was ever read has nothing to forget.
        nothing_read = {partition: 0 for partition in unknown if committed[partition] == 0}
        found = nothing_read | _ends_of_rows(cluster, topic, unknown)
        begin(cluster=cluster, topic=topic, offsets=found, now=now)
        known |= found
    return _behind(known, committed)


def check(*, records: Sequence[Record], floor: Mapping[int, int]) -> None:
    """Raise `Behind` if rows below `floor` (by partition) are gone. In the transaction that writes the records."""
    if not floor or not records:
        return
    cluster, topic = records[0].cluster, records[0].topic
    expected = {record.partition: floor[record.partition] for record in records if record.partition in floor}
    known = dict(
        Position.objects.filter(cluster=cluster, topic=topic, partition__in=expected)
        .values_list("partition", "next_offset")
    )  # fmt: skip
    if forgotten := _behind(known, expected):
        raise Behind(forgotten)


def stop_charging(
    *, cluster: str, topic: str, forgotten: Sequence[Forgotten], kept_from: Mapping[int, int], now: datetime
) -> dict[int, int]:
    """Stop charging, and say why. Returns from where to read each partition again, where there is something to read.

    `kept_from`: the first record that Kafka still has, by partition. Where no row says how far a partition was taken
    in, it is left where it is: its records may be history that another service has charged.
    """
    again = {
        one.partition: max(one.next_offset, kept_from.get(one.partition, 0))
        for one in forgotten if one.next_offset is not None
    }  # fmt: skip
    reason = " ".join(["The database has forgotten records that were taken in:", *_described(topic, forgotten, again)])
    log.error("the database has forgotten records", topic=topic, why=reason)
    with transaction.atomic():
        pause(cause=Pause.Cause.RESTORED, reason=f"{reason} {WHAT_TO_DO}", who="bridge", now=now)
        # What can't be read again, and what mustn't be, is told once.
        ends = {one.partition: one.committed for one in forgotten} | again
        begin(cluster=cluster, topic=topic, offsets=ends, now=now)
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


def _ends_of_rows(cluster: str, topic: str, partitions: Sequence[int]) -> dict[int, int]:
    """From the inbox, for partitions that were taken in before positions were kept."""
    found = InboxMessage.objects.filter(cluster=cluster, topic=topic, partition__in=partitions)
    ends = found.values_list("partition").annotate(Max("offset"))
    return {partition: offset + 1 for partition, offset in ends}


def _move(ends: Mapping[tuple[str, str, int], int], now: datetime) -> None:
    if not ends:
        return
    rows = [(*place, end, now) for place, end in sorted(ends.items())]
    values = ", ".join(["(%s, %s, %s, %s, %s)"] * len(rows))
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            INSERT INTO payments_position AS known (cluster, topic, partition, next_offset, updated_at) VALUES {values}
            ON CONFLICT (cluster, topic, partition) DO UPDATE
                SET next_offset = EXCLUDED.next_offset, updated_at = EXCLUDED.updated_at
                WHERE known.next_offset < EXCLUDED.next_offset
            """,  # noqa: S608 - placeholders only
            [value for row in rows for value in row],
        )
