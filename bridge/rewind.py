"""Let the group read again what it has read. Rows stay, so that nobody is charged or told twice.

P2: it never goes forward, past records that nobody has taken in. P1: it doesn't go back before the place where the
group began, as another service has charged what is there, unless somebody says so.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import structlog
from django.conf import settings

from bridge.kafka import KafkaRefuses, Where
from bridge.kafka.reading import Partition, Reader, count_members, open_reader, set_offsets
from payments import intake

log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class Step:
    """What one partition would read again: from `offset` up to `committed`, exclusive. `known` records have rows,
    or had them before they were pruned,
    `new` ones have none."""

    partition: int
    offset: int
    committed: int
    known: int
    new: int


def plan(*, to: Where, before_start: bool) -> list[Step]:
    """What a rewind would do, by partition. Raises `KafkaAway`, `KafkaRefuses`.

    A partition for which `to` is further on stays where it is, and is not in the plan.
    """
    with open_reader(isolation="read_committed") as reader:
        targets = reader.find(to)
        found = [
            _step(reader, number, partition, to=to, target=targets[number], before_start=before_start)
            for number, partition in reader.partitions().items()
        ]
    return [step for step in found if step is not None]


def rewind(*, steps: Sequence[Step], who: str, why: str) -> None:
    """Set the group's offsets. Raises `KafkaRefuses` while anybody is in the group."""
    insist_on_nobody()
    set_offsets({step.partition: step.offset for step in steps})
    for step in steps:
        log.warning(
            "group rewound", topic=settings.KAFKA_TOPIC_PAYMENTS, group=settings.KAFKA_GROUP_ID,
            partition=step.partition, offset=step.offset, count=step.known + step.new, who=who, why=why,
        )  # fmt: skip


def insist_on_nobody() -> None:
    """Raise `KafkaRefuses` while the group has members: they would go on where they are."""
    if members := count_members():
        raise KafkaRefuses(
            f"group {settings.KAFKA_GROUP_ID} has {members} members: stop every bridge (SIGTERM), and try again when "
            "they have left; one that was killed is gone after its session time-out, 45 s"
        )


def _step(
    reader: Reader, number: int, partition: Partition, *, to: Where, target: int, before_start: bool
) -> Step | None:
    place = f"{settings.KAFKA_TOPIC_PAYMENTS}[{number}]"
    committed = partition.committed
    if committed is None:
        raise KafkaRefuses(f"group {settings.KAFKA_GROUP_ID} has read nothing of {place}: begin with bridge --from")
    if committed < partition.low == target:
        # Behind what Kafka has deleted: there is nothing between that could be lost any more.
        return Step(partition=number, offset=target, committed=committed, known=0, new=0)
    if target > committed and isinstance(to, Mapping):
        raise KafkaRefuses(f"{place} has been read up to {committed}: going on to {target} would lose what is between")
    if target >= committed:
        return None
    topic = intake.Topic(reader.cluster, settings.KAFKA_TOPIC_PAYMENTS, reader.topic_id)
    start = intake.find_start(topic=topic, partition=number)
    if start is not None and target < start and not before_start:
        raise KafkaRefuses(
            f"{place} was begun at {start}, and this goes back to {target}: what is before the start may have been "
            "charged by another service; add --before-start if none of it was, or if that was imported"
        )
    taken = intake.look_at_rows(topic=topic, partition=number, first=target, end=committed)
    new = len(reader.find_records(partition=number, spans=taken.gaps))
    known = sum(taken.verdicts.values()) + taken.pruned
    return Step(partition=number, offset=target, committed=committed, known=known, new=new)
