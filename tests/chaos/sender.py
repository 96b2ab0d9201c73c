"""Sends the load at an even rate, keeping what Kafka has acknowledged; and hears what is told, as a neighbour would."""

import hashlib
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.consumer.fetcher import ConsumerRecord
from kafka.errors import KafkaError

from tests.chaos.load import Event

# Kafka may be away for so long.
PATIENCE_MS = 300_000
# Seconds.
LATE = 1.0


class Sender:
    """An idempotent producer, so that what it sends twice it meant to send twice."""

    def __init__(self, *, broker: str, topic: str) -> None:
        self._topic = topic
        self._producer = KafkaProducer(
            bootstrap_servers=broker, acks="all", enable_idempotence=True, linger_ms=5, delivery_timeout_ms=PATIENCE_MS,
            request_timeout_ms=10_000, max_block_ms=PATIENCE_MS,
        )  # fmt: skip
        self.acknowledged: dict[tuple[int, int], bytes] = {}
        self.failed: list[str] = []
        self.sent = 0
        self._stop = threading.Event()
        self._allowed = 0

    def send(self, event: Event) -> None:
        """Hand it over; it is on its way for as long as it takes."""
        digest = hashlib.sha256(event.value).digest()
        future = self._producer.send(self._topic, value=event.value, key=event.key, headers=list(event.headers))
        future.add_callback(lambda where: self.acknowledged.__setitem__((where.partition, where.offset), digest))
        future.add_errback(lambda error: self.failed.append(f"{event.subscription}: {error!r}"))
        self.sent += 1

    def allow(self, upto: int) -> None:
        """Of what is poured so many may go, so that there is load until the last fault."""
        self._allowed = upto

    def pour(self, events: Sequence[Event], *, rate: float) -> threading.Thread:
        """Send what is allowed at an even rate, from a thread that ends after the last one."""
        thread = threading.Thread(target=self._pour, args=(events, rate), name="load", daemon=True)
        thread.start()
        return thread

    def _pour(self, events: Sequence[Event], rate: float) -> None:
        at = time.monotonic()
        for number, event in enumerate(events):
            while number >= self._allowed:
                if self._stop.wait(1 / rate):
                    return
                at = time.monotonic()
            # By the clock: what an event took is made up for, but not a Kafka that was away.
            at = max(at + 1 / rate, time.monotonic() - LATE)
            if self._stop.wait(max(0.0, at - time.monotonic())):
                return
            self.send(event)

    def flush(self) -> None:
        """Wait for what is on its way."""
        self._producer.flush(PATIENCE_MS / 1000)

    def end(self) -> None:
        """Send no more."""
        self._stop.set()
        self._producer.close(5)


class Listener:
    """Reads a topic from its start, in a thread, whatever happens to Kafka: each record, with the time when it came."""

    def __init__(self, *, broker: str, topic: str, heard: Callable[[ConsumerRecord], None] = lambda _: None) -> None:
        self._broker, self._topic, self._heard = broker, topic, heard
        self.records: list[ConsumerRecord] = []
        self._next: dict[TopicPartition, int] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="listener", daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Listen no more."""
        self._stop.set()
        self._thread.join(30)

    def _run(self) -> None:
        while not self._stop.is_set():
            with suppress(KafkaError, OSError, AssertionError):
                self._listen()
            self._stop.wait(0.5)

    def _listen(self) -> None:
        consumer = KafkaConsumer(
            bootstrap_servers=self._broker, isolation_level="read_committed", enable_auto_commit=False,
            auto_offset_reset="earliest", reconnect_backoff_max_ms=1000,
        )  # fmt: skip
        try:
            numbers = consumer.partitions_for_topic(self._topic) or ()
            partitions = [TopicPartition(self._topic, number) for number in numbers]
            consumer.assign(partitions)
            for one in partitions:
                consumer.seek(one, self._next.get(one, 0))
            while partitions and not self._stop.is_set():
                for partition, batch in consumer.poll(timeout_ms=200).items():
                    for record in batch:
                        self._next[partition] = record.offset + 1
                        self.records.append(record)
                        self._heard(record)
        finally:
            consumer.close()
