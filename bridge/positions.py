"""Positions: does the database still know what it was given?

It is restored from a backup, or fails over and loses commits, while Kafka's offsets stay where they were. Then the
records between would never be read again, and their payments could be charged twice. So each member compares what
the group has read with the rows when a partition becomes its own, and keeps watch while it goes on.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import NoReturn

from django.conf import settings

from bridge.kafka import Delivered, Source
from payments import intake


class Positions:
    """Up to where each partition's rows were committed, as one member knows."""

    def __init__(self) -> None:
        self.floor: dict[int, int] = {}
        self._unchecked: dict[int, int] = {}

    def is_made_anew(self, *, cluster: str, topic_id: str) -> bool:
        """Whether another topic of its name was taken in before it."""
        return intake.is_made_anew(topic=_topic(cluster, topic_id))

    def begin(self, *, cluster: str, topic_id: str, offsets: Mapping[int, int]) -> None:
        """Note where the group begins, before it does."""
        intake.begin(topic=_topic(cluster, topic_id), offsets=offsets, now=datetime.now(UTC))

    def check_assigned(self, source: Source) -> None:
        """Compare partitions that have just become ours. Raises `KafkaAway` after the group was set back.

        Where the database doesn't answer, they are compared by the next call.
        """
        self._unchecked |= source.take_assigned()
        if not self._unchecked:
            return
        forgotten = intake.find_forgotten(
            topic=_topic(source.cluster, source.topic_id), committed=self._unchecked, now=datetime.now(UTC)
        )
        if forgotten:
            go_back(source=source, forgotten=forgotten)
        self.floor |= self._unchecked
        self._unchecked = {}

    def raise_floor(self, delivered: Iterable[Delivered]) -> None:
        """The rows of these are committed."""
        for record in delivered:
            self.floor[record.partition] = max(self.floor.get(record.partition, 0), record.offset + 1)


def go_back(*, source: Source, forgotten: Sequence[intake.Forgotten]) -> NoReturn:
    """Stop charging, then set the group back to where the rows end, and join again."""
    kept_from = source.start.first_offsets([one.partition for one in forgotten])
    again = intake.stop_charging(
        topic=_topic(source.cluster, source.topic_id), forgotten=forgotten, kept_from=kept_from, now=datetime.now(UTC)
    )
    source.start.begin_again(again, why="the database has forgotten records: charging is paused, they are read again")


def _topic(cluster: str, topic_id: str) -> intake.Topic:
    return intake.Topic(cluster, settings.KAFKA_TOPIC_PAYMENTS, topic_id)
