"""Places in a topic as a person writes them: `earliest`, `latest`, a time, or an offset for each partition."""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Literal

from confluent_kafka import Consumer, TopicPartition

from bridge.kafka.errors import KafkaRefuses, asked

ANSWER_WITHIN = 5.0

# A time stands for the first record that isn't older.
Where = Literal["earliest", "latest"] | datetime | Mapping[int, int]


def read_where(text: str) -> Where:
    """Raises `ValueError` with what to write instead."""
    if text == "earliest":
        return "earliest"
    if text == "latest":
        return "latest"
    if re.fullmatch(r"\d+:\d+(,\d+:\d+)*", text):
        pairs = [pair.split(":") for pair in text.split(",")]
        if len({int(partition) for partition, _ in pairs}) < len(pairs):
            raise ValueError("names a partition twice")
        return {int(partition): int(offset) for partition, offset in pairs}
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(
            "must be earliest, latest, a time like 2026-01-31T12:00Z, or offsets by partition like 0:1234,1:99"
        ) from None
    if moment.tzinfo is None:
        raise ValueError(f"has no time zone: write {text}{'' if 'T' in text or ' ' in text else 'T00:00'}Z for UTC")
    return moment.astimezone(UTC)


def find_offsets(*, consumer: Consumer, topic: str, partitions: Iterable[int], where: Where) -> dict[int, int]:
    """The offset of each partition from which to read. Raises `KafkaAway`, `KafkaRefuses`."""
    bounds = {number: watermarks(consumer=consumer, topic=topic, partition=number) for number in partitions}
    if where == "earliest":
        return {number: low for number, (low, _) in bounds.items()}
    if where == "latest":
        return {number: high for number, (_, high) in bounds.items()}
    if isinstance(where, datetime):
        milliseconds = int(where.timestamp() * 1000)
        places = [TopicPartition(topic, number, milliseconds) for number in bounds]
        found = asked(lambda: consumer.offsets_for_times(places, timeout=ANSWER_WITHIN))
        # No record as new as that: from what comes next.
        return {one.partition: one.offset if one.offset >= 0 else bounds[one.partition][1] for one in found}
    return _insist(topic, bounds, dict(where))


def watermarks(*, consumer: Consumer, topic: str, partition: int) -> tuple[int, int]:
    """The first record that Kafka still has, and the end. Raises `KafkaAway`, `KafkaRefuses`."""
    place = TopicPartition(topic, partition)
    low, high = asked(lambda: consumer.get_watermark_offsets(place, timeout=ANSWER_WITHIN))
    return low, high


def _insist(topic: str, bounds: Mapping[int, tuple[int, int]], offsets: dict[int, int]) -> dict[int, int]:
    """All partitions, as one that isn't named would be read from its beginning; and no offset that isn't there."""
    if offsets.keys() != bounds.keys():
        named, there = ", ".join(map(str, sorted(offsets))), ", ".join(map(str, sorted(bounds)))
        raise KafkaRefuses(f"{topic} has the partitions {there}, and offsets are given for {named}: give one for each")
    for partition, offset in sorted(offsets.items()):
        low, high = bounds[partition]
        if not low <= offset <= high:
            raise KafkaRefuses(f"{topic}[{partition}] has the offsets {low} to {high}, not {offset}: nothing was set")
    return offsets
