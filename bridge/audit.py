"""Was anything lost? Each offset that the group has passed has a row, or it is known why it has none.

P2, asked of the real topic and the real tables. Kafka leaves out offsets of its own: markers of transactions, records
of transactions that were aborted, and records that compaction or retention has deleted. So an offset without a row is
looked up: where a record stands, one is missing here.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from django.conf import settings

from bridge.kafka.reading import Partition, Reader, open_reader
from payments import intake

Span = tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class Audited:
    """One partition from `first` up to `committed`, exclusive; None: the group has read nothing of it.

    Numbers of offsets: `verdicts` have rows; `pruned` had rows, removed by their age; `aborted` belong to transactions
    that were given up; `unused` have no record (markers, or deleted by compaction); `deleted` are before the first
    record that Kafka still has, so that nobody can tell what stood there. `missing`: spans at which a record stands
    that has no row.
    """

    partition: int
    first: int
    committed: int | None
    verdicts: dict[str, int]
    pruned: int = 0
    aborted: int = 0
    unused: int = 0
    deleted: int = 0
    missing: tuple[Span, ...] = ()


def audit() -> list[Audited]:
    """All partitions of the topic of events. Raises `KafkaAway`, `KafkaRefuses`."""
    with open_reader(isolation="read_committed") as reader, open_reader(isolation="read_uncommitted") as beside:
        # Offsets before rows, as rows are written first: a bridge may go on meanwhile.
        return [_audit(reader, beside, number, partition) for number, partition in reader.partitions().items()]


def _audit(reader: Reader, beside: Reader, number: int, partition: Partition) -> Audited:
    if partition.committed is None:
        return Audited(partition=number, first=partition.low, committed=None, verdicts={})
    topic = intake.Topic(reader.cluster, settings.KAFKA_TOPIC_PAYMENTS, reader.topic_id)
    start = intake.find_start(topic=topic, partition=number)
    first = min(partition.committed, partition.low if start is None else start)
    taken = intake.look_at_rows(topic=topic, partition=number, first=first, end=partition.committed)
    gaps = [(max(first, partition.low), last) for first, last in taken.gaps if last >= partition.low]
    missing = reader.find_records(partition=number, spans=gaps)
    there = beside.find_records(partition=number, spans=gaps)
    # What was deleted while we looked is not called unused.
    low = reader.first_offset(number) if gaps else partition.low
    without = sum(last - first + 1 for first, last in taken.gaps)
    deleted = sum(min(last + 1, low) - first for first, last in taken.gaps if first < low)
    deleted -= sum(offset < low for offset in there)
    return Audited(
        partition=number, first=taken.first, committed=partition.committed, verdicts=taken.verdicts,
        pruned=taken.pruned, aborted=len(there) - len(missing), unused=without - len(there) - deleted, deleted=deleted,
        missing=_spans(missing),
    )  # fmt: skip


def _spans(offsets: Sequence[int]) -> tuple[Span, ...]:
    spans: list[Span] = []
    for offset in offsets:
        if spans and spans[-1][1] == offset - 1:
            spans[-1] = (spans[-1][0], offset)
        else:
            spans.append((offset, offset))
    return tuple(spans)
