"""What the numbers mean: how long the unread waits, when Kafka deletes it, and which partition stands still."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from bridge.kafka import Look, Place

# A turn of the loop that took longer was busy with something else: a database that is slow, a process that was
# stopped. It says little about Kafka.
LONGEST_TURN = 1.0


@dataclass(frozen=True, kw_only=True)
class Left:
    """How many seconds are left until Kafka deletes the oldest unread record, of how many that it keeps one."""

    seconds: float
    of: float

    def is_little(self, *, budget: float) -> bool:
        """Less than an outage may last; half of what is kept where that isn't twice as long, or all lag would be."""
        return self.seconds < min(budget, self.of / 2)


FOR_EVER = Left(seconds=math.inf, of=math.inf)


def find_lag(*, place: Place, end: int, now: float) -> tuple[int, float] | None:
    """Records and seconds behind the end; None while we don't know where we are."""
    if place.next is None:
        return None
    if end <= place.next:
        return 0, 0.0
    return end - place.next, max(0.0, now - (place.since if place.since is not None else now))


def find_left(*, number: int, place: Place, look: Look, rate: float, now: float) -> Left | None:
    """For partition `number`, with `rate` records coming per second; None where Kafka doesn't tell what it keeps.

    By size it is an estimate: once Kafka has begun to delete, each record that comes pushes out another one.
    """
    if look.kept is None or place.next is None:
        return None
    first, end = look.first[number], look.end[number]
    if end <= place.next:
        return FOR_EVER
    found = FOR_EVER
    if place.since is not None:
        found = Left(seconds=look.kept.seconds - (now - place.since), of=look.kept.seconds)
    if look.kept.dropped_by_size and first > 0 and rate > 0:
        by_size = Left(seconds=(place.next - first) / rate, of=(end - first) / rate)
        found = min(found, by_size, key=lambda left: left.seconds)
    return found


class Patience:
    """For how many seconds each partition has brought nothing, though it was asked."""

    def __init__(self) -> None:
        self._waited: dict[int, float] = {}
        self._next: dict[int, int | None] = {}

    def turn(self, places: Mapping[int, Place], *, seconds: float) -> set[int]:
        """One more turn of the loop has gone by. Returns the partitions that have moved in it."""
        moved = {number for number, place in places.items() if place.next != self._next.get(number)}
        self._next = {number: place.next for number, place in places.items()}
        more = min(seconds, LONGEST_TURN)
        self._waited = {number: 0.0 if number in moved else self._waited.get(number, 0.0) + more for number in places}
        return moved

    def excuse(self, partitions: Iterable[int]) -> None:
        """These had nothing to bring, or nobody knows."""
        for number in partitions:
            self._waited[number] = 0.0

    def ended(self, *, after: float) -> list[int]:
        """The partitions that have brought nothing for so long."""
        return sorted(number for number, waited in self._waited.items() if waited > after)
