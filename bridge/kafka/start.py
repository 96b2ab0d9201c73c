"""Where the group reads from: set once before it has offsets, and never by itself where a position was lost.

Kafka's client goes on at the old offset where a topic was deleted and made again, past the first records of the new
one, and says nothing. So a session is of one topic, by Kafka's id of it, and ends when it is another one.
"""

from collections.abc import Iterable, Mapping
from typing import NoReturn, Protocol

import structlog
from confluent_kafka import OFFSET_INVALID, Consumer, KafkaError, KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient
from django.conf import settings

from bridge.kafka.client import common_settings
from bridge.kafka.errors import KafkaAway, KafkaRefuses, answered, asked, raise_for
from bridge.kafka.where import Where, find_offsets, watermarks

log = structlog.get_logger(__name__)

METADATA_TIMEOUT = 5.0
# Older than Kafka 2.8, or made by one: its topics have no ids.
_NO_IDS = frozenset({KafkaError.UNSUPPORTED_VERSION, KafkaError._UNSUPPORTED_FEATURE})
_NO_ID = "AAAAAAAAAAAAAAAAAAAAAA"


class Ledger(Protocol):
    """Who keeps what the group has read."""

    def is_made_anew(self, *, cluster: str, topic_id: str) -> bool:
        """Whether another topic of its name was read before it."""

    def begin(self, *, cluster: str, topic_id: str, offsets: Mapping[int, int]) -> None:
        """Hear from which offset each partition is going to be read, before the group's start is set there."""


class NoLedger:
    """Nobody asks."""

    def is_made_anew(self, *, cluster: str, topic_id: str) -> bool:
        """Never."""
        return False

    def begin(self, *, cluster: str, topic_id: str, offsets: Mapping[int, int]) -> None:
        """Not kept."""


class Start:
    """The group's offsets on one topic, as one member of it sets them. Use from the member's own thread."""

    def __init__(self, *, consumer: Consumer, topic: str, ledger: Ledger) -> None:
        self._consumer, self._topic, self._ledger = consumer, topic, ledger
        self._admin: AdminClient | None = None
        self.cluster = ""
        self.topic_id = ""

    def set(self, *, cluster: str, partitions: Iterable[int], start_from: Where | None) -> None:
        """Set the group's start where it has no offsets at all. Raises `KafkaAway`, `KafkaRefuses`."""
        self.cluster, self.topic_id = cluster, self._look()
        places = [TopicPartition(self._topic, number) for number in partitions]
        committed = asked(lambda: self._consumer.committed(places, timeout=METADATA_TIMEOUT))
        if any(one.offset != OFFSET_INVALID for one in committed):
            return
        # Kafka deletes a group's offsets together with the topic.
        if self._ledger.is_made_anew(cluster=cluster, topic_id=self.topic_id):
            log.warning("topic was made anew, it is read from its beginning", topic=self._topic)
            start_from = "earliest"
        if start_from is None:
            raise KafkaRefuses(
                f"group {settings.KAFKA_GROUP_ID} has no offsets on {self._topic}: say where to start with "
                "--from earliest, latest, a time or offsets (earliest charges whatever is in the topic)"
            )
        self._commit([one.partition for one in places], start_from)

    def insist_on_topic(self) -> None:
        """Raise `KafkaAway` where the topic isn't the one that this session began with any more.

        What was delivered before a call that returns is of that topic: an id never comes back.
        """
        if self._look() != self.topic_id:
            raise KafkaAway(f"topic {self._topic} was made anew: joining again to read it from its beginning")

    def begin_or_refuse(self, error: KafkaError, partition: int) -> NoReturn:
        """A partition that was added while the group is running has no position; any other has lost it."""
        self.insist_on_topic()
        place = [TopicPartition(self._topic, partition)]
        [committed] = asked(lambda: self._consumer.committed(place, timeout=METADATA_TIMEOUT))
        if committed.offset != OFFSET_INVALID:
            raise KafkaRefuses(
                f"the position of group {settings.KAFKA_GROUP_ID} on {self._topic} is gone ({error.str()}): records "
                "may have been deleted unread; decide where to go on and commit that offset"
            )
        # As a member, since nobody else may commit while there are members; read by who joins next.
        self._commit([partition], "earliest")
        raise KafkaAway(f"partition {partition} of {self._topic} is new: joining again to read it from its beginning")

    def first_offsets(self, partitions: Iterable[int]) -> dict[int, int]:
        """The first record of each partition that Kafka still has. Raises as `set`."""
        return {
            number: watermarks(consumer=self._consumer, topic=self._topic, partition=number)[0] for number in partitions
        }

    def begin_again(self, offsets: Mapping[int, int], *, why: str) -> NoReturn:
        """Set the group back to these offsets, by partition, for whoever joins next. Raises `KafkaAway`: join again."""
        places = [TopicPartition(self._topic, partition, offset) for partition, offset in offsets.items()]
        if places:
            # As a member, since nobody else may commit while there are members.
            asked(lambda: self._consumer.commit(offsets=places, asynchronous=False))
        raise KafkaAway(why)

    def _commit(self, partitions: list[int], where: Where) -> None:
        offsets = find_offsets(consumer=self._consumer, topic=self._topic, partitions=partitions, where=where)
        self._ledger.begin(cluster=self.cluster, topic_id=self.topic_id, offsets=offsets)
        places = [TopicPartition(self._topic, partition, offset) for partition, offset in offsets.items()]
        asked(lambda: self._consumer.commit(offsets=places, asynchronous=False))

    def _look(self) -> str:
        """Kafka's id of the topic as it is now; empty where Kafka gives none."""
        self._admin = self._admin or AdminClient(common_settings())
        return find_topic_id(admin=self._admin, topic=self._topic)


def find_topic_id(*, admin: AdminClient, topic: str) -> str:
    """Kafka's id of a topic; empty where Kafka gives none. Raises `KafkaAway`, `KafkaRefuses`."""
    asked_for = admin.describe_topics(TopicCollection([topic]), request_timeout=METADATA_TIMEOUT)[topic]
    try:
        found = str(answered(asked_for, within=2 * METADATA_TIMEOUT).topic_id)
    except KafkaException as error:
        match error.args[0].code():
            case KafkaError.UNKNOWN_TOPIC_OR_PART:
                raise KafkaAway(f"topic {topic} is not there: make it with manage.py topics") from None
            case code if code in _NO_IDS:
                return ""
            case _:
                raise_for(error.args[0])
    return "" if found == _NO_ID else found
