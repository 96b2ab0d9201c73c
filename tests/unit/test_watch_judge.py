"""What the numbers of the watch mean, case by case; offsets and seconds are made up."""

import math

import pytest

from bridge.kafka import Look, Place
from bridge.kafka.delivered import Delivered
from bridge.kafka.lag import Kept, Lag
from bridge.watch import judge
from bridge.watch.judge import FOR_EVER, Left, Patience, find_lag, find_left

NOW = 1_000_000.0
HOUR = 3600.0
DAY = 24 * HOUR


def look(*, first: int = 0, end: int = 100, keeps: float = 7 * DAY, dropped_by_size: bool = False) -> Look:
    """Of partition 0."""
    return Look(first={0: first}, end={0: end}, kept=Kept(seconds=keeps, dropped_by_size=dropped_by_size))


def record(offset: int, *, partition: int = 0, at: float | None = NOW) -> Delivered:
    """With that time, in seconds."""
    return Delivered("topic", partition, offset, None if at is None else int(at * 1000), None, b"", ())


@pytest.mark.parametrize(
    ("place", "end", "lag"),
    [
        (Place(next=None, since=NOW), 100, None),
        (Place(next=100, since=NOW - HOUR), 100, (0, 0.0)),
        (Place(next=101, since=NOW - HOUR), 100, (0, 0.0)),
        (Place(next=90, since=NOW - HOUR), 100, (10, HOUR)),
        (Place(next=90, since=NOW + HOUR), 100, (10, 0.0)),
        (Place(next=90, since=None), 100, (10, 0.0)),
    ],
)
def test_the_lag_is_what_lies_between_us_and_the_end(place: Place, end: int, lag: tuple[int, float] | None) -> None:
    """An answer that is older than our place is no debt, and a clock that is ahead makes no time run backwards."""
    assert find_lag(place=place, end=end, now=NOW) == lag


def test_what_is_left_by_time_counts_from_the_oldest_unread_record() -> None:
    """Seven days are kept, and it has waited for one."""
    left = find_left(number=0, place=Place(next=90, since=NOW - DAY), look=look(), rate=1.0, now=NOW)
    assert left == Left(seconds=6 * DAY, of=7 * DAY)


@pytest.mark.parametrize(
    ("place", "seen", "left"),
    [
        (Place(next=100, since=NOW - 30 * DAY), look(), FOR_EVER),
        (Place(next=90, since=NOW - 30 * DAY), look(keeps=math.inf), FOR_EVER),
        (Place(next=None), look(), None),
        (Place(next=90, since=NOW), Look(first={0: 0}, end={0: 100}, kept=None), None),
    ],
)
def test_nothing_is_deleted_unread_where_all_is_read_or_kept_for_ever(
    place: Place, seen: Look, left: Left | None
) -> None:
    """And nothing is said where Kafka doesn't tell."""
    assert find_left(number=0, place=place, look=seen, rate=1.0, now=NOW) == left


def test_by_size_what_comes_pushes_out_what_is_old() -> None:
    """50 records before ours, 10 a second: 5 seconds are left, of the 10 that the topic holds."""
    seen = look(first=900, end=1000, dropped_by_size=True)
    assert find_left(number=0, place=Place(next=950, since=NOW), look=seen, rate=10.0, now=NOW) == Left(
        seconds=5.0, of=10.0
    )


@pytest.mark.parametrize(
    ("seen", "rate"),
    [
        (look(first=900, end=1000), 10.0),
        (look(first=0, end=1000, dropped_by_size=True), 10.0),
        (look(first=900, end=1000, dropped_by_size=True), 0.0),
    ],
)
def test_size_counts_only_where_it_is_a_limit_that_has_been_met_and_records_come(seen: Look, rate: float) -> None:
    """Else time alone does."""
    left = find_left(number=0, place=Place(next=950, since=NOW), look=seen, rate=rate, now=NOW)
    assert left == Left(seconds=7 * DAY, of=7 * DAY)


@pytest.mark.parametrize(
    ("seconds", "of", "little"),
    [(4 * DAY, 7 * DAY, False), (2 * DAY, 7 * DAY, True), (2 * DAY, 3 * DAY, False), (DAY, 3 * DAY, True)],
)
def test_little_is_less_than_an_outage_may_last_and_less_than_half(seconds: float, of: float, little: bool) -> None:
    """Who keeps records for just three days isn't warned at each second of lag."""
    assert Left(seconds=seconds, of=of).is_little(budget=3 * DAY) is little


def test_a_place_is_where_rows_end_and_not_what_is_in_hand() -> None:
    """What was taken is unread until it has rows; the time of the oldest is known."""
    lag = Lag()
    lag.assigned([0, 1])
    lag.begin({0: 5, 7: 1})
    lag.took([record(5, at=NOW - 60), record(6, at=NOW - 30)])
    lag.took([record(7, at=NOW - 10), record(0, partition=7)])
    assert lag.places == {0: Place(next=5, since=NOW - 60, taken=8), 1: Place()}
    lag.done([record(5, at=NOW - 60), record(6, at=NOW - 30)])
    assert lag.places[0] == Place(next=7, since=NOW - 30, taken=8)
    lag.done([record(7, at=None)])
    assert lag.places[0] == Place(next=8, since=NOW - 30, taken=8)


def test_an_end_that_was_reached_counts_when_nothing_is_in_hand() -> None:
    """The mark of a transaction takes an offset that no record has."""
    lag = Lag()
    lag.assigned([0])
    lag.begin({0: 5})
    lag.took([record(5)])
    lag.reached_end(0, 7)
    lag.turn()
    assert lag.places[0].next == 5
    lag.done([record(5)])
    assert lag.places[0].next == 6
    lag.turn()
    assert lag.places[0].next == 7
    lag.reached_end(0, 6)
    lag.turn()
    assert lag.places[0].next == 7


def test_a_partition_that_left_is_forgotten() -> None:
    """Also the end of it that was seen, and what comes late about it."""
    lag = Lag()
    lag.assigned([0, 1])
    lag.reached_end(0, 7)
    lag.revoked([0])
    lag.reached_end(0, 7)
    lag.took([record(6)])
    lag.done([record(6)])
    lag.turn()
    assert lag.places.keys() == {1}
    lag.assigned([0])
    lag.turn()
    assert lag.places[0] == Place()
    assert (lag.assignments, lag.revocations) == (2, 1)


def test_patience_ends_for_a_partition_that_brings_nothing() -> None:
    """The other one has moved."""
    patience, places = Patience(), {0: Place(next=1), 1: Place(next=1)}
    assert patience.turn(places, seconds=1.0) == {0, 1}
    for turn in range(4):
        places[1].next = turn + 2
        assert patience.turn(places, seconds=1.0) == {1}
    assert patience.ended(after=3.9) == [0]
    assert patience.ended(after=4.0) == []


def test_a_turn_that_took_long_costs_little_patience() -> None:
    """The database was slow, or the whole process stopped: that says nothing about Kafka."""
    patience, places = Patience(), {0: Place(next=1)}
    patience.turn(places, seconds=1.0)
    patience.turn(places, seconds=1000.0)
    assert patience.ended(after=judge.LONGEST_TURN) == []
    patience.turn(places, seconds=0.1)
    assert patience.ended(after=judge.LONGEST_TURN) == [0]


def test_who_is_excused_or_assigned_anew_begins_again() -> None:
    """Patience is for one stay of a partition."""
    patience, places = Patience(), {0: Place(next=1)}
    for _ in range(4):
        patience.turn(places, seconds=1.0)
    patience.excuse([0])
    patience.turn(places, seconds=1.0)
    assert patience.ended(after=1.0) == []
    patience.turn({}, seconds=1.0)
    patience.turn(places, seconds=1.0)
    assert patience.ended(after=0.0) == []
