"""A topic full of records that wait, and a consumer group's way through it: from outside, by its committed offsets."""

import json
import random
import time
import uuid
from collections.abc import Callable, Iterator

from confluent_kafka import Consumer, Producer, TopicPartition

# Their producers' clocks are ahead, so that each is as new as can be when it is taken, and is rung for: by so much, as
# Kafka refuses what is an hour ahead.
AHEAD = 50 * 60
PRICES = (100, 990, 1490, 99.9, 4990.5, 12_000)


def events(size: int) -> Iterator[bytes]:
    """As NestJS sends them: the README's example, of customers and subscriptions of their own."""
    dice = random.Random(1)  # noqa: S311 - not for secrets
    for number in range(size):
        customer = uuid.UUID(int=dice.getrandbits(128), version=4)
        event = {
            "subId": f"sub_{uuid.UUID(int=dice.getrandbits(128), version=4)}",
            "user": {"id": f"u_{customer}", "email": f"customer.{number}@example.kz",
                     "paymentMethod": f"pm_{customer.hex[:24]}"},
            "product": {"price": dice.choice(PRICES), "currency": "KZT"},
        }  # fmt: skip
        yield json.dumps(event, separators=(",", ":")).encode()


def fill(*, broker: str, topic: str, partitions: int, size: int) -> None:
    """Have so many wait, in all partitions alike."""
    producer = Producer({"bootstrap.servers": broker, "linger.ms": 20, "queue.buffering.max.messages": 1_000_000})
    at = int((time.time() + AHEAD) * 1000)
    for number, value in enumerate(events(size)):
        producer.produce(topic, value, partition=number % partitions, timestamp=at)
        if number % 1000 == 0:
            producer.poll(0)
    if left := producer.flush(60):
        raise RuntimeError(f"Kafka has not taken {left} records")


class Group:
    """How many records of a topic a group has committed."""

    def __init__(self, *, broker: str, topic: str, partitions: int, name: str) -> None:
        self._consumer = Consumer({"bootstrap.servers": broker, "group.id": name})
        self._places = [TopicPartition(topic, number) for number in range(partitions)]

    def committed(self) -> int:
        """Asks Kafka, a millisecond."""
        return sum(max(0, one.offset) for one in self._consumer.committed(self._places, timeout=10))

    def close(self) -> None:
        """It never was a member."""
        self._consumer.close()


def wait_for(*, progress: Callable[[], int], least: int, pause: float, is_alive: Callable[[], bool]) -> int:
    """Wait for so much progress. Returns how much there is then. Raises where it ends before, or stands still."""
    seen, moved_at = -1, time.monotonic()
    while (found := progress()) < least:
        if not is_alive():
            raise RuntimeError(f"it has ended after {found} records")
        if found != seen:
            seen, moved_at = found, time.monotonic()
        if time.monotonic() > moved_at + 60:
            raise RuntimeError(f"it stands still at {found} records")
        time.sleep(pause)
    return found
