"""What there is outside of the database, as a neighbour sees it: records, what was told, rows as they can be read."""

import hashlib
import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cached_property
from urllib.parse import urlsplit

from django.db import connection
from kafka import KafkaConsumer, TopicPartition
from kafka.consumer.fetcher import ConsumerRecord

from billing_project.dev.simulator import Simulator
from bridge.kafka import Outgoing
from tests.e2e.deployment import Deployment

Place = tuple[int, int]
# How many attempts there were can't be learned from Stripe where one of them has left no charge there; nor which of two
# records on two partitions was read first.
NUMBER = re.compile(rb'"attempt":\d+')
TIME = re.compile(rb'"createdAt":"[^"]+"')
ADOPTED = "SELECT DISTINCT payment_id FROM payments_transition WHERE who = 'adoption'"
SENT_TWICE = "SELECT payment_id FROM payments_inboxmessage GROUP BY 1 HAVING count(DISTINCT partition) > 1"


class Seen:
    """What there is outside of the database. `has_forgotten`: it was put back to an earlier time."""

    # Stripe's faults have it charge after it has said no.
    effects_may_be_late = True

    def __init__(self, system: Deployment, *, has_forgotten: bool = False) -> None:
        self.system, self.has_forgotten = system, has_forgotten
        self.topic: dict[Place, ConsumerRecord] = {
            (one.partition, one.offset): one for one in system.records("KAFKA_TOPIC_PAYMENTS")
        }
        self.told = system.records("KAFKA_TOPIC_NOTIFICATIONS")
        self.letters = system.records("KAFKA_TOPIC_DEAD_LETTERS")
        rows = system.rows('SELECT partition, "offset", value_hash, verdict FROM payments_inboxmessage')
        self.rows: dict[Place, list[bytes]] = defaultdict(list)
        self.verdicts = Counter(str(verdict) for *_, verdict in rows)
        self.judged = [(bytes(digest), str(verdict)) for *_, digest, verdict in rows]
        for partition, offset, digest, _ in rows:
            self.rows[partition, offset].append(bytes(digest))
        self._adopted, self._sent_twice = (
            {str(payment).encode() for (payment,) in system.rows(sql)} for sql in (ADOPTED, SENT_TWICE)
        )
        # What staff had told again is not due.
        self.published = [self._outgoing(one) for one in self.told if b'"resendOf"' not in one.value]
        self.published += [self._outgoing(one) for one in self.letters]

    @property
    def stripe(self) -> Simulator:
        """The ledger."""
        return self.system.stripe

    def clock(self) -> datetime:
        """Now."""
        return datetime.now(UTC)

    def value_of(self, record: ConsumerRecord) -> bytes:
        """What has to be the same each time."""
        value: bytes = record.value
        if record.key in self._adopted:
            value = NUMBER.sub(b'"attempt":0', value)
        if record.key in self._adopted & self._sent_twice:
            value = TIME.sub(b'"createdAt":""', value)
        return value

    def _outgoing(self, record: ConsumerRecord) -> Outgoing:
        value = self.value_of(record)
        return Outgoing(topic=record.topic, key=record.key, value=value, headers=list(record.headers))

    def find_ahead(self) -> list[Place]:
        """Offsets that are committed and have no row."""
        read = self.committed
        return [place for place in self.topic if place[1] < read[place[0]] and place not in self.rows]

    @cached_property
    def committed(self) -> dict[int, int]:
        """How far the group has come, by partition."""
        return committed(self.system, {partition for partition, _ in self.topic})

    def find_unjudged(self) -> list[Place]:
        """Records that haven't exactly one row, with the bytes that Kafka has; rows without a record."""
        wanted = {place: [hashlib.sha256(one.value).digest()] for place, one in self.topic.items()}
        return [place for place in {*wanted, *self.rows} if self.rows.get(place) != wanted.get(place)]


@contextmanager
def looking_at(database: str) -> Iterator[None]:
    """Django's models are read from this database."""
    url = urlsplit(database)
    connection.close()
    before = connection.settings_dict.copy()
    connection.settings_dict |= {
        "NAME": url.path[1:], "HOST": url.hostname, "PORT": str(url.port), "USER": url.username, "PASSWORD": "",
    }  # fmt: skip
    try:
        yield
    finally:
        connection.close()
        connection.settings_dict |= before


def committed(system: Deployment, partitions: set[int]) -> dict[int, int]:
    group = system.env["KAFKA_GROUP_ID"]
    consumer = KafkaConsumer(bootstrap_servers=system.broker, group_id=group, enable_auto_commit=False)
    try:
        name = system.topics["KAFKA_TOPIC_PAYMENTS"]
        return {one: consumer.committed(TopicPartition(name, one)) or 0 for one in partitions}
    finally:
        consumer.close()


def count_repeats(seen: Seen) -> int:
    """How often a consumer that deduplicates dropped a notification."""
    return len(seen.told) - len({dict(one.headers)["ce_id"] for one in seen.told})


def as_lines(records: list[ConsumerRecord]) -> Iterator[str]:
    """For the evidence."""
    for one in records:
        yield json.dumps(
            {
                "partition": one.partition, "offset": one.offset, "timestamp": one.timestamp, "key": repr(one.key),
                "value": repr(one.value), "headers": [[name, repr(value)] for name, value in one.headers],
            }
        )  # fmt: skip
