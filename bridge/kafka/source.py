"""Records from Kafka, as one member of the consumer group.

A Consumer must be touched from its own thread alone; callbacks run in `poll` and `consume`, raise nothing and
do nothing but note what happened.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import structlog
from confluent_kafka import (
    OFFSET_INVALID,
    TIMESTAMP_NOT_AVAILABLE,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)
from django.conf import settings

from bridge.kafka.client import common_settings
from bridge.kafka.errors import KafkaAway, KafkaRefuses, explain, passes, raise_for

log = structlog.get_logger(__name__)

METADATA_TIMEOUT = 5.0
# Of a member: its group's coordinator may be busy with a rebalance.
COORDINATOR_TIMEOUT = 10.0
# An outage brings errors by the dozen, and nothing but a record says that it is over.
TELL_AGAIN_AFTER = 60.0


@dataclass(frozen=True, slots=True)
class Delivered:
    """One record as Kafka delivered it. `timestamp` in milliseconds, None where the record has none."""

    topic: str
    partition: int
    offset: int
    timestamp: int | None
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]


class Source:
    """The topic of events as one member of the consumer group. Use from one thread.

    `before_start` hears from which offset each partition is going to be read, before the group's start is set there.
    """

    def __init__(self, *, before_start: Callable[[Mapping[int, int]], None] = lambda _: None) -> None:
        self._topic = settings.KAFKA_TOPIC_PAYMENTS
        self._before_start = before_start
        self._owned: set[int] = set()
        self._assigned: set[int] = set()
        self._paused = False
        self._joined = False
        self._told_of_trouble_at: float | None = None
        self._refusal: KafkaError | None = None
        self._consumer = Consumer({
            **common_settings(),
            "group.id": settings.KAFKA_GROUP_ID,
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            # A position is set explicitly once (`start_from`); lost later, it is for a person to decide.
            "auto.offset.reset": "error",
            "partition.assignment.strategy": "cooperative-sticky",
            # Its default, a second, halves the throughput.
            "fetch.queue.backoff.ms": 5,
            # Bounds on memory: 64 MiB and 100,000 messages per partition by default.
            "queued.max.messages.kbytes": 16_384,
            "queued.min.messages": 10_000,
            "error_cb": self._on_error,
        })  # fmt: skip
        self.cluster = ""

    def open(self, *, start_from: str | None) -> None:
        """Find the topic, set the group's start where it has none, join. Raises `KafkaAway`, `KafkaRefuses`.

        `start_from`: earliest, latest or None, for a group that has no offsets at all. Partitions that were
        added since are always read from their beginning, whenever they come.
        """
        metadata = self._asked(lambda: self._consumer.list_topics(self._topic, timeout=METADATA_TIMEOUT))
        topic = metadata.topics[self._topic]
        if topic.error is not None and explain(topic.error) is not None:
            raise_for(topic.error)
        if topic.error is not None:
            raise KafkaAway(f"topic {self._topic} is not there: make it with manage.py topics")
        self.cluster = metadata.cluster_id or ""
        self._set_start([TopicPartition(self._topic, number) for number in topic.partitions], start_from)
        self._consumer.subscribe(
            [self._topic], on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_revoke
        )
        self._joined = True

    def take(self, *, limit: int, seconds: float) -> list[Delivered]:
        """Up to `limit` records, as soon as there is one; waits so long for the first. Raises as `open`."""
        first = self._consumer.poll(seconds)
        self._raise_refusal()
        if first is None:
            return []
        messages = [first, *self._consumer.consume(limit - 1, 0)]
        found = []
        for message in messages:
            if (error := message.error()) is not None:
                self._judge_error(error, partition=message.partition())
            elif message.partition() in self._owned:
                found.append(_delivered(message))
        if found and self._told_of_trouble_at is not None:
            log.info("kafka is back", topic=self._topic)
            self._told_of_trouble_at = None
        return found

    def take_assigned(self) -> dict[int, int]:
        """The group's offsets on the partitions that have become ours since the last call. Raises as `open`."""
        if not self._assigned:
            return {}
        places = [TopicPartition(self._topic, number) for number in self._assigned]
        committed = self._asked(lambda: self._consumer.committed(places, timeout=COORDINATOR_TIMEOUT))
        self._assigned.clear()
        return {one.partition: one.offset for one in committed if one.offset >= 0}

    def first_offsets(self, partitions: Iterable[int]) -> dict[int, int]:
        """The first record of each partition that Kafka still has. Raises as `open`."""
        return {number: self._watermarks(number)[0] for number in partitions}

    def begin_again(self, offsets: Mapping[int, int], *, why: str) -> NoReturn:
        """Set the group back to these offsets, by partition, for whoever joins next. Raises `KafkaAway`: join again."""
        places = [TopicPartition(self._topic, partition, offset) for partition, offset in offsets.items()]
        if places:
            # As a member, since nobody else may commit while there are members.
            self._asked(lambda: self._consumer.commit(offsets=places, asynchronous=False))
        raise KafkaAway(why)

    def still_owned(self, records: Iterable[Delivered]) -> list[Delivered]:
        """Those of partitions that are still ours; the others are another member's by now."""
        return [record for record in records if record.partition in self._owned]

    def commit(self, records: Sequence[Delivered]) -> None:
        """Commit exactly these, synchronously. A commit that fails only means that they are delivered again."""
        last: dict[int, int] = {}
        for record in self.still_owned(records):
            last[record.partition] = record.offset + 1
        offsets = [TopicPartition(self._topic, partition, offset) for partition, offset in last.items()]
        if not offsets:
            return
        try:
            self._consumer.commit(offsets=offsets, asynchronous=False)
        except KafkaException as error:
            log.warning("offsets not committed, records will come again", error=error.args[0].name())

    def wait_paused(self, *, seconds: float) -> None:
        """Stay a member of the group without taking records, while something else is away. Raises as `open`."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            # Derived anew each time, as an assignment in between arrives unpaused.
            self._consumer.pause(self._consumer.assignment())
            self._paused = True
            message = self._consumer.poll(min(left, 0.5))
            self._raise_refusal()
            if message is None:
                continue
            if (error := message.error()) is not None:
                self._judge_error(error, partition=message.partition())
            elif message.partition() in self._owned:
                # It slipped in before the pause took hold: go back to it.
                self._consumer.seek(TopicPartition(self._topic, message.partition(), message.offset()))

    def resume(self) -> None:
        """Take records again."""
        if self._paused:
            self._consumer.resume(self._consumer.assignment())
            self._paused = False

    def close(self) -> None:
        """Leave the group."""
        self._consumer.close()

    def _set_start(self, partitions: list[TopicPartition], start_from: str | None) -> None:
        committed = self._asked(lambda: self._consumer.committed(partitions, timeout=METADATA_TIMEOUT))
        if any(one.offset != OFFSET_INVALID for one in committed):
            return
        if start_from is None:
            raise KafkaRefuses(
                f"group {settings.KAFKA_GROUP_ID} has no offsets on {self._topic}: say where to start with "
                "--from earliest or --from latest (earliest charges whatever is in the topic)"
            )
        self._commit_start(partitions, latest=start_from == "latest")

    def _commit_start(self, partitions: list[TopicPartition], *, latest: bool) -> None:
        for one in partitions:
            low, high = self._watermarks(one.partition)
            one.offset = high if latest else low
        self._before_start({one.partition: one.offset for one in partitions})
        self._asked(lambda: self._consumer.commit(offsets=partitions, asynchronous=False))

    def _watermarks(self, partition: int) -> tuple[int, int]:
        place = TopicPartition(self._topic, partition)
        low, high = self._asked(lambda: self._consumer.get_watermark_offsets(place, timeout=METADATA_TIMEOUT))
        return low, high

    def _asked(self, question: Any) -> Any:
        try:
            return question()
        except KafkaException as error:
            raise_for(error.args[0])

    def _on_assign(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        self._owned |= {one.partition for one in partitions}
        self._assigned |= {one.partition for one in partitions}
        log.info("partitions assigned", count=len(partitions))

    def _on_revoke(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        self._owned -= {one.partition for one in partitions}
        self._assigned -= {one.partition for one in partitions}
        log.info("partitions revoked", count=len(partitions))

    def _on_error(self, error: KafkaError) -> None:
        # Before that, `open` raises what there is to say.
        if not self._joined:
            return
        if explain(error) is not None:
            self._refusal = error
            return
        now = time.monotonic()
        if self._told_of_trouble_at is None or now > self._told_of_trouble_at + TELL_AGAIN_AFTER:
            log.warning("kafka is in trouble, waiting for it", error=error.name(), setting="KAFKA_BROKER")
            self._told_of_trouble_at = now

    def _raise_refusal(self) -> None:
        """Our login or certificate is refused now: the check before the next session says which, and what to do."""
        if self._refusal is not None:
            raise KafkaAway(f"Kafka at {settings.KAFKA_BROKER} refuses a new connection ({self._refusal.name()})")

    def _judge_error(self, error: KafkaError, *, partition: int) -> None:
        if error.code() in (KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE):
            self._begin_or_refuse(error, partition)
        elif error.code() != KafkaError._PARTITION_EOF:
            if error.fatal() or not passes(error):
                raise_for(error)
            self._on_error(error)

    def _begin_or_refuse(self, error: KafkaError, partition: int) -> NoReturn:
        """A partition that was added while the group is running has no position; any other has lost it."""
        place = [TopicPartition(self._topic, partition)]
        [committed] = self._asked(lambda: self._consumer.committed(place, timeout=METADATA_TIMEOUT))
        if committed.offset != OFFSET_INVALID:
            raise KafkaRefuses(
                f"the position of group {settings.KAFKA_GROUP_ID} on {self._topic} is gone ({error.str()}): records "
                "may have been deleted unread; decide where to go on and commit that offset"
            )
        # As a member, since nobody else may commit while there are members; read by who joins next.
        self._commit_start(place, latest=False)
        raise KafkaAway(f"partition {partition} of {self._topic} is new: joining again to read it from its beginning")


def _delivered(message: Message) -> Delivered:
    kind, timestamp = message.timestamp()
    return Delivered(
        message.topic(), message.partition(), message.offset(),
        None if kind == TIMESTAMP_NOT_AVAILABLE else timestamp,
        message.key(), message.value(), tuple(message.headers() or ()),
    )  # fmt: skip
