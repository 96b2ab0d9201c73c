"""The other side of Kafka for tests of the bridge: a client that isn't ours, and loops that run as processes do.

kafka-python shares no code with the client that we use: a misunderstanding would have to be made twice.
"""

import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from typing import Any

import pytest
from django.db import connections
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import ConfigResource
from kafka.consumer.fetcher import ConsumerRecord
from kafka.errors import KafkaError

from bridge.kafka import KafkaAway, make_topics
from bridge.loop import Stop, keep_running
from payments import limits

Line = dict[str, Any]


class Neighbour:
    """Who else uses the topics of one test: sends events, reads what is told, looks at the group."""

    def __init__(self, *, broker: str, payments: str, notifications: str, dead_letters: str, group: str) -> None:
        self.broker, self.group = broker, group
        self.payments, self.notifications, self.dead_letters = payments, notifications, dead_letters

    def send(
        self,
        values: Iterable[bytes | None],
        *,
        partition: int | None = None,
        timestamp: int | None = None,
        headers: list[tuple[str, bytes]] | None = None,
    ) -> None:
        """Produce events, without keys, as NestJS does; None is a tombstone. `timestamp` in milliseconds."""
        with closing(KafkaProducer(bootstrap_servers=self.broker)) as producer:
            for value in values:
                sent = producer.send(
                    self.payments, value=value, key=b"deleted" if value is None else None, headers=headers or [],
                    partition=partition, timestamp_ms=timestamp,
                )  # fmt: skip
            sent.get(30)

    def records(self, topic: str) -> list[ConsumerRecord]:
        """Everything that a reader of committed transactions gets to see, by partition and offset."""
        with closing(self.reader(topic)) as consumer:
            ends = consumer.end_offsets(list(consumer.assignment()))
            found: list[ConsumerRecord] = []

            def read_to_the_ends() -> bool:
                for batch in consumer.poll(timeout_ms=100).values():
                    found.extend(batch)
                return all(consumer.position(one) >= end for one, end in ends.items())

            wait_until(read_to_the_ends, what=f"{topic} is read to its end")
        return sorted(found, key=lambda record: (record.partition, record.offset))

    def reader(self, topic: str) -> KafkaConsumer:
        """A reader of committed transactions, at the beginning of all partitions."""
        consumer = self.consumer()
        consumer.assign([TopicPartition(topic, number) for number in sorted(consumer.partitions_for_topic(topic))])
        consumer.seek_to_beginning()
        return consumer

    def committed(self) -> dict[int, int]:
        """The group's offsets by partition of the topic of events."""
        with closing(self.admin()) as admin:
            found = admin.list_group_offsets({self.group: None})[self.group]
        return {place.partition: at.offset for place, at in found.items() if place.topic == self.payments}

    def members(self) -> int:
        """How many are in the group."""
        with closing(self.admin()) as admin:
            return len(admin.describe_groups([self.group])[self.group]["members"])

    def is_rebalancing(self) -> bool:
        """Whether the group waits for its members to say that they are there."""
        with closing(self.admin()) as admin:
            return bool(admin.describe_groups([self.group])[self.group]["group_state"] == "PreparingRebalance")

    def add_partition(self, number: int) -> None:
        """Give the topic of events one more, with that number, and return when it can be written to."""
        with closing(self.admin()) as admin:
            admin.create_partitions({self.payments: number + 1})
        self.wait_for_leaders([TopicPartition(self.payments, number)])

    def delete_records(self, *, partition: int, before: int) -> None:
        """As retention does."""
        with closing(self.admin()) as admin:
            admin.delete_records({TopicPartition(self.payments, partition): before})

    def limit_message_size(self, topic: str, limit: int) -> None:
        """Let the broker refuse larger batches."""
        with closing(self.admin()) as admin:
            admin.alter_configs([ConfigResource("TOPIC", topic, {"max.message.bytes": str(limit)})])

    def wait_for_leaders(self, places: list[TopicPartition]) -> None:
        """A partition that was made a moment ago may have nobody to answer for it yet."""

        def have_leaders() -> bool:
            with suppress(KafkaError), closing(self.consumer()) as consumer:
                return len(consumer.end_offsets(places, timeout_ms=2000)) == len(places)
            return False

        wait_until(have_leaders, what=f"{places} have leaders")

    def consumer(self) -> KafkaConsumer:
        """To be closed."""
        return KafkaConsumer(bootstrap_servers=self.broker, isolation_level="read_committed", enable_auto_commit=False)

    def admin(self) -> KafkaAdminClient:
        """To be closed."""
        return KafkaAdminClient(bootstrap_servers=self.broker)


def name_topics(settings: Any, *, broker: str | None = None) -> Neighbour:
    """Topics and a group for one test alone, in the settings, but not made yet; and no doorbell of another test."""
    suffix = uuid.uuid4().hex[:8]
    settings.KAFKA_BROKER = broker or settings.KAFKA_BROKER
    settings.KAFKA_TOPIC_PAYMENTS = f"payment.createInitial.{suffix}"
    settings.KAFKA_TOPIC_NOTIFICATIONS = f"notification.paying.{suffix}"
    settings.KAFKA_TOPIC_DEAD_LETTERS = f"payment.createInitial.dlt.{suffix}"
    settings.KAFKA_GROUP_ID = f"group-{suffix}"
    limits.connect_redis().flushdb()
    return Neighbour(
        broker=settings.KAFKA_BROKER,
        payments=settings.KAFKA_TOPIC_PAYMENTS,
        notifications=settings.KAFKA_TOPIC_NOTIFICATIONS,
        dead_letters=settings.KAFKA_TOPIC_DEAD_LETTERS,
        group=settings.KAFKA_GROUP_ID,
    )


def make_all_topics(neighbour: Neighbour, *, partitions: int) -> Neighbour:
    """Make the topics that the settings name, and wait until they can be used."""

    def are_made() -> bool:
        with suppress(KafkaAway):
            return bool(make_topics(partitions=partitions, replication=1))
        return False

    wait_until(are_made, what="topics can be made")
    topics = (neighbour.payments, neighbour.notifications, neighbour.dead_letters)
    neighbour.wait_for_leaders([TopicPartition(topic, number) for topic in topics for number in range(partitions)])
    return neighbour


@contextmanager
def running(*, process: str, session: Callable[[Stop], None]) -> Iterator[Stop]:
    """A loop of ours for as long as the block lasts, in a thread with a database connection of its own.

    What ends it early is raised at the end of the block.
    """
    stop = Stop()

    def run() -> None:
        try:
            keep_running(process=process, session=session, stop=stop)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as threads:
        ended = threads.submit(run)
        try:
            yield stop
        finally:
            stop.set()
            ended.result(60)


def wait_until(
    condition: Callable[[], bool], *, what: str, within: float = 30, moves: Callable[[], object] = int
) -> None:
    """Wait for a condition. The time counts anew whenever `moves` answers something else."""
    deadline, moved = time.monotonic() + within, moves()
    while not condition():
        if (now_at := moves()) != moved:
            deadline, moved = time.monotonic() + within, now_at
        assert time.monotonic() < deadline, f"not within {within} s: {what}, {moved}"
        time.sleep(0.01)


def all_lines(caplog: pytest.LogCaptureFixture) -> list[Line]:
    """What our own log says so far, oldest first."""
    return [record.msg for record in caplog.records if isinstance(record.msg, dict)]


def lines(caplog: pytest.LogCaptureFixture, event: str) -> list[Line]:
    """What it says about one kind of step."""
    return [line for line in all_lines(caplog) if line["event"] == event]
