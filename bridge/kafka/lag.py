"""Where the partitions of one member are, and where Kafka's ends are, asked for without waiting for the answer.

The end is asked with a client of its own: what the consumer knows of it comes with the records, so a partition that
stands still looks like one that is read to its end.
"""

import math
from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from confluent_kafka import IsolationLevel, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, OffsetSpec

from bridge.kafka.client import common_settings
from bridge.kafka.delivered import Delivered

ANSWER_WITHIN = 5.0


@dataclass(slots=True)
class Place:
    """One partition of ours.

    `next`: the first offset whose record has no row yet; None until it is known. `since`: what is unread is not
    older than this (UNIX time); None until it is known. `taken`: the first offset that nobody has in hand.
    """

    next: int | None = None
    since: float | None = None
    taken: int = 0


class Lag:
    """Where one member is on each of its partitions. Use from the member's own thread, also within callbacks."""

    def __init__(self) -> None:
        self.places: dict[int, Place] = {}
        self.assignments = 0
        self.revocations = 0
        self._ends: dict[int, int] = {}

    def assigned(self, partitions: Iterable[int]) -> None:
        """These have become ours."""
        self.assignments += 1
        self.places |= {number: Place() for number in partitions}

    def revoked(self, partitions: Iterable[int]) -> None:
        """These are another's."""
        self.revocations += 1
        for number in partitions:
            self.places.pop(number, None)
            self._ends.pop(number, None)

    def begin(self, offsets: Mapping[int, int]) -> None:
        """Reading begins here."""
        for number, offset in offsets.items():
            if (place := self.places.get(number)) and place.next is None:
                place.next = offset

    def took(self, records: Iterable[Delivered]) -> None:
        """These are in hand, and have no rows yet."""
        for record in records:
            if (place := self.places.get(record.partition)) is None:
                continue
            if record.timestamp is not None and place.taken <= (place.next or 0):
                # The first in hand, and so the oldest.
                place.since = record.timestamp / 1000
            place.taken = record.offset + 1

    def reached_end(self, partition: int, offset: int) -> None:
        """There was nothing more to take. It counts when what was taken before has its rows.

        By records alone, whoever reads behind a transaction would never be at the end, as its mark takes an offset.
        """
        if partition in self.places:
            self._ends[partition] = offset

    def done(self, records: Iterable[Delivered]) -> None:
        """These have rows."""
        for record in records:
            if place := self.places.get(record.partition):
                place.next = max(place.next or 0, record.offset + 1)
                if record.timestamp is not None:
                    place.since = record.timestamp / 1000

    def turn(self) -> None:
        """Another batch is going to be taken: ends that were reached count, where nothing is in hand."""
        for number, offset in list(self._ends.items()):
            if (place := self.places.get(number)) and place.taken <= (place.next or 0):
                place.next = max(place.next or 0, offset)
                del self._ends[number]


@dataclass(frozen=True, kw_only=True)
class Kept:
    """For how many seconds Kafka keeps a record, infinite where for ever, and whether growth drops it before."""

    seconds: float
    dropped_by_size: bool


@dataclass(frozen=True, kw_only=True)
class Look:
    """What Kafka holds, by partition: the first offset that is kept, and the end of what can be read.

    `kept` is None where our user may not see the topic's settings.
    """

    first: Mapping[int, int]
    end: Mapping[int, int]
    kept: Kept | None


class LookFailed(Exception):
    """Kafka did not answer."""


class Looks:
    """Asks again and again. Never waits, and so fits between two rounds of a loop."""

    def __init__(self, *, topic: str) -> None:
        self._topic = topic
        self._admin = AdminClient(common_settings())
        self._first: dict[int, Future[Any]] = {}
        self._end: dict[int, Future[Any]] = {}
        self._settings: Future[Any] | None = None

    @property
    def is_asking(self) -> bool:
        """Whether an answer is still to come, or to be fetched."""
        return self._settings is not None

    def ask(self, partitions: Iterable[int]) -> None:
        """Ask for these."""
        numbers = list(partitions)
        self._first = self._ask_offsets(numbers, OffsetSpec.earliest())
        self._end = self._ask_offsets(numbers, OffsetSpec.latest())
        [self._settings] = self._admin.describe_configs(
            [ConfigResource("topic", self._topic)], request_timeout=ANSWER_WITHIN
        ).values()

    def answer(self) -> Look | None:
        """What Kafka said, once, of the partitions that have a leader; None while it hasn't. Raises `LookFailed`."""
        self._admin.poll(0)  # what the client wants to log would pile up
        asked = self._settings
        if asked is None or not all(one.done() for one in (asked, *self._first.values(), *self._end.values())):
            return None
        self._settings = None
        answered = [
            number for number in self._end if not (self._first[number].exception() or self._end[number].exception())
        ]
        if len(answered) < len(self._end):
            # A client that has asked once keeps for minutes to the leaders that it has heard of, also where it has
            # heard that there are none, as while a broker starts. A new one asks for them.
            self._admin = AdminClient(common_settings())
        if not answered:
            raise LookFailed
        return Look(
            first={number: self._first[number].result().offset for number in answered},
            end={number: self._end[number].result().offset for number in answered},
            kept=_kept(asked),
        )

    def _ask_offsets(self, partitions: list[int], what: OffsetSpec) -> dict[int, "Future[Any]"]:
        # Of an open transaction nothing can be read, so it isn't behind the end but beyond it.
        asked = self._admin.list_offsets(
            {TopicPartition(self._topic, number): what for number in partitions},
            isolation_level=IsolationLevel.READ_COMMITTED, request_timeout=ANSWER_WITHIN,
        )  # fmt: skip
        return {place.partition: future for place, future in asked.items()}


def _kept(asked: "Future[Any]") -> Kept | None:
    if asked.exception() is not None:
        return None
    settings = {name: one.value for name, one in asked.result().items()}
    if "delete" not in settings["cleanup.policy"]:
        return Kept(seconds=math.inf, dropped_by_size=False)
    milliseconds = int(settings["retention.ms"])
    return Kept(
        seconds=milliseconds / 1000 if milliseconds >= 0 else math.inf,
        dropped_by_size=int(settings["retention.bytes"]) >= 0,
    )
