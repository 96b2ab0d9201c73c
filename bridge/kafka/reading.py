"""The topic of events and the group as Kafka has them now, for whoever compares, without being a member of it."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, KafkaError, Message, TopicPartition
from confluent_kafka.admin import AdminClient
from django.conf import settings

from bridge.kafka.client import common_settings
from bridge.kafka.errors import KafkaAway, asked, raise_for
from bridge.kafka.start import METADATA_TIMEOUT, find_topic_id
from bridge.kafka.where import Where, find_offsets, watermarks

# Without a record and without the end of the partition for so long: Kafka doesn't answer.
PATIENCE = 10.0
# Up to here it is quicker to read on than to begin at another place.
FAR = 20_000

Isolation = Literal["read_committed", "read_uncommitted"]


@dataclass(frozen=True, kw_only=True)
class Partition:
    """`low`: the first offset that Kafka still has. `high`: the end. `committed`: the group's offset, if it has one."""

    low: int
    high: int
    committed: int | None


class Reader:
    """Reads the topic anywhere and changes nothing. Use from one thread."""

    def __init__(self, consumer: Consumer, *, cluster: str, topic_id: str, partitions: Sequence[int]) -> None:
        self._consumer, self._topic = consumer, settings.KAFKA_TOPIC_PAYMENTS
        self.cluster, self.topic_id, self.numbers = cluster, topic_id, partitions

    def partitions(self) -> dict[int, Partition]:
        """As they are now, by number. Raises `KafkaAway`, `KafkaRefuses`."""
        places = [TopicPartition(self._topic, number) for number in self.numbers]
        committed = asked(lambda: self._consumer.committed(places, timeout=METADATA_TIMEOUT))
        found = {}
        for one in committed:
            low, high = watermarks(consumer=self._consumer, topic=self._topic, partition=one.partition)
            found[one.partition] = Partition(low=low, high=high, committed=one.offset if one.offset >= 0 else None)
        return found

    def first_offset(self, partition: int) -> int:
        """Of the records that Kafka still has, as it is now. Raises `KafkaAway`, `KafkaRefuses`."""
        return watermarks(consumer=self._consumer, topic=self._topic, partition=partition)[0]

    def find(self, where: Where) -> dict[int, int]:
        """The offset of each partition at this place. Raises `KafkaAway`, `KafkaRefuses`."""
        return find_offsets(consumer=self._consumer, topic=self._topic, partitions=self.numbers, where=where)

    def find_records(self, *, partition: int, spans: Sequence[tuple[int, int]]) -> list[int]:
        """At which offsets within these spans (inclusive, in order) there is a record. Raises as above."""
        found: list[int] = []
        waiting = list(reversed(spans))
        position = -FAR
        while waiting:
            first = waiting[-1][0]
            if first >= position + FAR:
                position = first
                self._consumer.assign([TopicPartition(self._topic, partition, first)])
            for offset in self._next_offsets():
                if offset is None:  # the end of the partition
                    return found
                position = offset + 1
                while waiting and waiting[-1][1] < offset:
                    waiting.pop()
                if waiting and waiting[-1][0] <= offset:
                    found.append(offset)
                if waiting and waiting[-1][1] == offset:
                    waiting.pop()
        return found

    def _next_offsets(self) -> Iterator[int | None]:
        messages: list[Message] = self._consumer.consume(1, PATIENCE)
        if not messages:
            raise KafkaAway(f"Kafka at {settings.KAFKA_BROKER} does not answer")
        for message in [*messages, *self._consumer.consume(5_000, 0)]:
            if (error := message.error()) is None:
                yield message.offset()
            elif error.code() == KafkaError._PARTITION_EOF:
                yield None
            else:
                raise_for(error)


@contextmanager
def open_reader(*, isolation: Isolation) -> Iterator[Reader]:
    """A reader for as long as the block lasts. Raises `KafkaAway`, `KafkaRefuses`."""
    topic = settings.KAFKA_TOPIC_PAYMENTS
    topic_id = find_topic_id(admin=AdminClient(common_settings()), topic=topic)
    consumer = Consumer({
        **common_settings(),
        # Its offsets are asked for; nobody joins it here, and nothing is committed.
        "group.id": settings.KAFKA_GROUP_ID,
        "enable.auto.commit": False,
        "enable.partition.eof": True,
        "auto.offset.reset": "earliest",
        "isolation.level": isolation,
        "fetch.queue.backoff.ms": 5,
    })  # fmt: skip
    try:
        metadata = asked(lambda: consumer.list_topics(topic, timeout=METADATA_TIMEOUT))
        numbers = sorted(metadata.topics[topic].partitions)
        yield Reader(consumer, cluster=metadata.cluster_id or "", topic_id=topic_id, partitions=numbers)
    finally:
        consumer.close()


def count_members() -> int:
    """How many are in the group. Raises `KafkaAway`, `KafkaRefuses`."""
    admin = AdminClient(common_settings())
    [answer] = admin.describe_consumer_groups([settings.KAFKA_GROUP_ID], request_timeout=PATIENCE).values()
    return len(asked(lambda: answer.result(2 * PATIENCE)).members)


def set_offsets(offsets: Mapping[int, int]) -> None:
    """Set the group's offsets from outside; Kafka refuses while it has members. Raises `KafkaAway`, `KafkaRefuses`."""
    places = [TopicPartition(settings.KAFKA_TOPIC_PAYMENTS, number, offset) for number, offset in offsets.items()]
    group = ConsumerGroupTopicPartitions(settings.KAFKA_GROUP_ID, places)
    admin = AdminClient(common_settings())
    [answer] = admin.alter_consumer_group_offsets([group], request_timeout=PATIENCE).values()
    for place in asked(lambda: answer.result(2 * PATIENCE)).topic_partitions:
        if place.error is not None:
            raise_for(place.error)
