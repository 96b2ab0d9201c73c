"""Records from Kafka, as one member of the consumer group.

A Consumer must be touched from its own thread alone; callbacks run in `poll` and `consume`, raise nothing and
do nothing but note what happened.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from django.conf import settings

from bridge.deadline import ended_within
from bridge.kafka.client import consumer_settings
from bridge.kafka.delivered import Delivered, Early, read
from bridge.kafka.errors import KafkaAway, asked, explain, passes, raise_for
from bridge.kafka.lag import Lag
from bridge.kafka.membership import Membership
from bridge.kafka.start import METADATA_TIMEOUT, Ledger, NoLedger, Start
from bridge.kafka.where import Where

log = structlog.get_logger(__name__)

NOT_COMMITTED = "offsets not committed, records will come again"

# Of a member: its group's coordinator may be busy with a rebalance.
COORDINATOR_TIMEOUT = 10.0
# How long to wait for Kafka's word on a commit; in an outage the client's own call waits for minutes.
COMMIT_TIMEOUT = 5.0
# To leave takes milliseconds, and 46 s in an outage that has a commit under way. A Kafka that hangs may take for ever.
CLOSE_TIMEOUT = 60.0
# To join takes milliseconds, and longer where the group waits for somebody.
JOIN_TIMEOUT = 3.0
# An outage brings errors by the dozen, and nothing but a record says that it is over.
TELL_AGAIN_AFTER = 60.0


class Source:
    """The topic of events as one member of the consumer group. Use from one thread."""

    def __init__(
        self, *, ledger: Ledger | None = None, each_round: Callable[["Source"], None] = lambda _: None
    ) -> None:
        """`each_round` is called before each `take`, and while `wait_paused` waits; what it raises ends the session."""
        self._each_round = each_round
        self._topic = settings.KAFKA_TOPIC_PAYMENTS
        self._members = Membership()
        self._early = Early(room=settings.BRIDGE_BATCH_BYTES)
        self._errors: list[tuple[KafkaError, int]] = []
        self._commits_under_way = 0
        self._has_more = False
        self._paused = False
        self._joined = False
        self._told_of_trouble_at: float | None = None
        self._refusal: KafkaError | None = None
        self._consumer = Consumer(consumer_settings() | {"error_cb": self._on_error, "on_commit": self._on_commit})
        self.start = Start(consumer=self._consumer, topic=self._topic, ledger=ledger or NoLedger())

    @property
    def lag(self) -> Lag:
        """Where we are on our partitions."""
        return self._members.lag

    @property
    def is_paused(self) -> bool:
        """Whether no records are taken now."""
        return self._paused

    @property
    def has_more(self) -> bool:
        """Whether the last batch was full: a partition that has brought nothing may wait for its turn."""
        return self._has_more

    @property
    def cluster(self) -> str:
        """Kafka's id of the cluster, once open."""
        return self.start.cluster

    @property
    def topic_id(self) -> str:
        """Kafka's id of the topic, once open; empty where Kafka gives none."""
        return self.start.topic_id

    def open(self, *, start_from: Where | None) -> None:
        """Find the topic, set the group's start where it has none, join. Raises `KafkaAway`, `KafkaRefuses`.

        `start_from`: for a group that has no offsets at all. Partitions that were added since are always read from
        their beginning, whenever they come, and so is a topic that was made anew.
        """
        metadata = asked(lambda: self._consumer.list_topics(self._topic, timeout=METADATA_TIMEOUT))
        topic = metadata.topics[self._topic]
        if topic.error is not None and explain(topic.error) is not None:
            raise_for(topic.error)
        if topic.error is not None:
            raise KafkaAway(f"topic {self._topic} is not there: make it with manage.py topics")
        self.start.set(cluster=metadata.cluster_id or "", partitions=topic.partitions, start_from=start_from)
        self._consumer.subscribe(
            [self._topic], on_assign=self._members.on_assign, on_revoke=self._members.on_revoke,
            on_lost=self._members.on_lost,
        )  # fmt: skip
        self._joined = True

    def take(self, *, limit: int, seconds: float) -> list[Delivered]:
        """Up to `limit` records, and no more after BRIDGE_BATCH_BYTES of them, in their order. Raises as `open`.

        Waits so long for the first, and for no other. One by one, as many at once may be of any size together.
        """
        if not self._early:
            self.lag.turn()
        self._each_round(self)
        found: list[Delivered] = []
        room = settings.BRIDGE_BATCH_BYTES
        while len(found) < limit and room > 0 and (self._early or self._receive(seconds)):
            seconds = 0.0
            self._raise_errors()
            if self._early and self._is_ours(record := self._early.take()):
                found.append(record)
                room -= record.size
        self._raise_errors()
        self._has_more = len(found) >= limit or room <= 0
        self.lag.took(found)
        if found and self._told_of_trouble_at is not None:
            log.info("kafka is back", topic=self._topic)
            self._told_of_trouble_at = None
        return found

    def take_assigned(self) -> dict[int, int]:
        """The group's offsets on the partitions that have become ours since the last call. Raises as `open`."""
        if not self._members.new:
            return {}
        places = [TopicPartition(self._topic, number) for number in self._members.new]
        committed = asked(lambda: self._consumer.committed(places, timeout=COORDINATOR_TIMEOUT))
        self._members.new.clear()
        offsets = {one.partition: one.offset for one in committed if one.offset >= 0}
        self.lag.begin(offsets)
        return offsets

    def still_owned(self, records: Iterable[Delivered]) -> list[Delivered]:
        """Those of partitions that have been ours ever since they came; Kafka brings the others again."""
        return [record for record in records if self._is_ours(record)]

    def commit(self, records: Sequence[Delivered], *, meanwhile: Callable[[], None] = lambda: None) -> None:
        """Commit exactly these, and wait for Kafka's word, but not longer than for a batch of other records.

        A commit that fails only means that they are delivered again. `meanwhile` is done once Kafka is asked.
        """
        is_asked = self._ask_to_commit(self.still_owned(records))
        meanwhile()
        if not is_asked:
            return
        until = time.monotonic() + COMMIT_TIMEOUT
        while self._commits_under_way and self._early.has_room:
            if time.monotonic() > until:
                log.warning(NOT_COMMITTED, error="no answer")
                return
            # In short steps: the answer comes in a callback, which ends no wait.
            self._receive(0.002)

    def wait_paused(self, *, seconds: float) -> None:
        """Stay a member of the group without taking records, while something else is away. Raises as `open`."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            # Derived anew each time, as an assignment in between arrives unpaused.
            self._consumer.pause(self._consumer.assignment())
            self._paused = True
            self._each_round(self)
            self._receive(min(left, 0.5))
            self._raise_errors()

    def resume(self) -> None:
        """Take records again."""
        if self._paused:
            self._consumer.resume(self._consumer.assignment())
            self._paused = False

    def close(self) -> None:
        """Leave the group. Ends the process if that takes too long."""
        with ended_within(seconds=CLOSE_TIMEOUT, what="leaving the consumer group"):
            self._end_joining()
            self._consumer.close()

    def _ask_to_commit(self, records: Sequence[Delivered]) -> bool:
        self.lag.done(records)
        last = {record.partition: record.offset + 1 for record in records}
        if not last:
            return False
        offsets = [TopicPartition(self._topic, partition, offset) for partition, offset in last.items()]
        try:
            self._consumer.commit(offsets=offsets, asynchronous=True)
        except KafkaException as error:
            log.warning(NOT_COMMITTED, error=error.args[0].name())
            return False
        self._commits_under_way += 1
        return True

    def _end_joining(self) -> None:
        """Who leaves between the two questions by which a member joins a classic group is waited for by it: nobody gets
        a partition until that session has ended, in 45 s."""
        is_joining = self._joined and settings.KAFKA_GROUP_PROTOCOL == "classic"
        until = time.monotonic() + JOIN_TIMEOUT
        while is_joining and not self.lag.assignments and time.monotonic() < until:
            with suppress(KafkaException):
                self._consumer.poll(0.05)

    def _receive(self, seconds: float) -> bool:
        """Wait so long for something of Kafka, and keep it until somebody asks. False: nothing came."""
        message = asked(lambda: self._consumer.poll(seconds))
        if message is None:
            return False
        if (error := message.error()) is not None and error.code() == KafkaError._PARTITION_EOF:
            self.lag.reached_end(message.partition(), message.offset())
        elif error is not None:
            self._errors.append((error, message.partition()))
        elif (epoch := self._members.epoch_of(message.partition())) is not None:
            self._early.put(read(message, epoch=epoch))
        return True

    def _is_ours(self, record: Delivered) -> bool:
        return record.epoch == self._members.epoch_of(record.partition)

    def _on_commit(self, error: KafkaError | None, _: list[TopicPartition]) -> None:
        self._commits_under_way = max(0, self._commits_under_way - 1)
        if error is not None:
            log.warning(NOT_COMMITTED, error=error.name())

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

    def _raise_errors(self) -> None:
        if self._refusal is not None:
            # Our login or certificate: the check before the next session says which, and what to do.
            raise KafkaAway(f"Kafka at {settings.KAFKA_BROKER} refuses a new connection ({self._refusal.name()})")
        while self._errors:
            error, partition = self._errors.pop(0)
            self._judge_error(error, partition=partition)

    def _judge_error(self, error: KafkaError, *, partition: int) -> None:
        if error.code() in (KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE):
            self.start.begin_or_refuse(error, partition)
        elif error.fatal() or not passes(error):
            raise_for(error)
        else:
            self._on_error(error)
