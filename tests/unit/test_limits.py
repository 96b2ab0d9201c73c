"""The arithmetic of the rate limit, by a clock that the tests move; the same holds for the buckets in Redis."""

import random
from bisect import bisect_right

import pytest

from payments.limits import FAILURES_TO_OPEN, Breaker, Endpoint, Priority, Wish
from payments.limits.local import LocalBuckets


class Seconds:
    """A clock in seconds."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def seconds() -> Seconds:
    """Moved by the tests."""
    return Seconds()


@pytest.fixture
def buckets(seconds: Seconds) -> LocalBuckets:
    """Never used before."""
    return LocalBuckets(clock=seconds)


def wishes(count: int, *calls: Endpoint, priority: Priority = Priority.LIVE) -> list[Wish]:
    """So many payments with the same calls."""
    return [Wish(calls=frozenset(calls or {Endpoint.CONFIRM}), priority=priority)] * count


@pytest.mark.parametrize(("rate", "most"), [(1, 3), (4, 6), (8, 10), (20, 25), (100, 125), (1000, 1250)])
@pytest.mark.parametrize("seed", range(3))
def test_no_window_of_a_second_sees_more_than_a_burst_and_a_seconds_worth(
    buckets: LocalBuckets, seconds: Seconds, rate: int, most: int, seed: int
) -> None:
    """25 at the default of 20: what Stripe allows for one endpoint. However greedy and however uneven the asking is."""
    chance = random.Random(seed)
    calls: list[float] = []
    while seconds.now < 1010:
        granted = buckets.take(wishes=wishes(chance.randint(1, 3 * rate)), rate=rate)
        calls += [seconds.now] * len(granted.places)
        seconds.now += chance.choice([0.001, 0.01, 0.1, 0.3, 1.5]) * chance.random()
    assert len(calls) > rate * 2, "this proves nothing: hardly anything was granted"
    busiest = max(bisect_right(calls, first + 1) - place for place, first in enumerate(calls))
    assert busiest <= most


def test_a_steady_rate_gets_through(buckets: LocalBuckets, seconds: Seconds) -> None:
    """The limit takes nothing away from those who keep to it."""
    asked = 0
    while seconds.now < 1010:
        asked += 1
        seconds.now += 0.05
        assert buckets.take(wishes=wishes(1), rate=20).places == (0,)
    assert asked >= 199


def test_a_wish_is_granted_as_a_whole_or_not_at_all(buckets: LocalBuckets) -> None:
    """A payment that could be created and not confirmed would hold its lease for nothing."""
    both = wishes(1, Endpoint.CREATE, Endpoint.CONFIRM)
    assert buckets.take(wishes=wishes(1, Endpoint.CONFIRM), rate=20).places == (0,)
    assert buckets.take(wishes=both, rate=20).places == ()
    assert buckets.take(wishes=wishes(1, Endpoint.CREATE), rate=20).places == (0,), "nothing was taken from it"


def test_one_endpoints_bucket_says_nothing_of_another(buckets: LocalBuckets) -> None:
    """Stripe counts each endpoint alone, so those who only look don't wait for those who charge."""
    mixed = [*wishes(2, Endpoint.CONFIRM), *wishes(1, Endpoint.RETRIEVE)]
    granted = buckets.take(wishes=mixed, rate=20)
    assert granted.places == (0, 2)
    assert granted.pause == pytest.approx(0.05)


@pytest.mark.parametrize(
    ("priority", "left"),
    [
        (Priority.LIVE, 0),
        (Priority.UNKNOWN, 10),
        (Priority.LATE, 20),
        (Priority.REPLAY, 30),
        (Priority.LOOK, 40),
        (Priority.RECONCILE, 60),
    ],
)
def test_whoever_can_wait_leaves_a_share_to_those_above(
    buckets: LocalBuckets, seconds: Seconds, priority: Priority, left: int
) -> None:
    """Replays don't take the last 30 %, reconciliation not the last 60 %: a live event always finds tokens."""
    buckets.take(wishes=[], rate=400)
    buckets.give_back(calls=[(Endpoint.CONFIRM, 100)], rate=400)
    assert len(buckets.take(wishes=wishes(200, priority=priority), rate=400).places) == pytest.approx(100 - left, abs=1)
    assert len(buckets.take(wishes=wishes(200), rate=400).places) == pytest.approx(left, abs=1)


@pytest.mark.parametrize("rate", [1, 2, 5, 20, 1000])
@pytest.mark.parametrize("priority", list(Priority))
def test_everybody_gets_through_where_nobody_else_asks(
    buckets: LocalBuckets, seconds: Seconds, rate: int, priority: Priority
) -> None:
    """Also at one call a second, where there is hardly anything to leave."""
    seconds.now += 0.001
    buckets.take(wishes=wishes(1), rate=rate)
    begun, granted = seconds.now, 0
    while granted < 10:
        answer = buckets.take(wishes=wishes(1, priority=priority), rate=rate)
        granted += len(answer.places)
        seconds.now += answer.pause
    assert seconds.now - begun <= 12 / rate + 0.25


def test_a_steady_live_load_starves_the_others_until_there_is_room(buckets: LocalBuckets, seconds: Seconds) -> None:
    """Live traffic first; what can wait goes on as soon as there is less of it."""
    served = {True: 0, False: 0}
    for tick in range(4000):
        busy = tick < 2000
        if busy:
            buckets.take(wishes=wishes(3), rate=20)
        served[busy] += len(buckets.take(wishes=wishes(1, priority=Priority.REPLAY), rate=20).places)
        seconds.now += 0.005
    assert served[True] == 0
    assert served[False] >= 195


def test_many_429s_at_once_halve_the_pace_once(buckets: LocalBuckets, seconds: Seconds) -> None:
    """Whatever was under way gets the same answer; that is one reason and not twenty."""
    assert [buckets.slow_down(endpoint=Endpoint.CONFIRM, rate=20) for _ in range(20)] == [10.0, *[None] * 19]
    seconds.now += 1
    assert buckets.slow_down(endpoint=Endpoint.CONFIRM, rate=20) == pytest.approx(5.1)


def test_the_pace_never_falls_below_one_call_a_second_and_comes_back_by_a_tenth_in_ten_seconds(
    buckets: LocalBuckets, seconds: Seconds
) -> None:
    """Halved fast, recovered slowly: 100 s from nothing to all."""
    paces = []
    for _ in range(6):
        paces.append(buckets.slow_down(endpoint=Endpoint.CONFIRM, rate=20))
        seconds.now += 1
    assert paces[4] == 1.0
    assert all(pace is None or pace >= 1 for pace in paces)
    seconds.now += 10
    assert buckets.slow_down(endpoint=Endpoint.CONFIRM, rate=20) == pytest.approx((1 + 0.2 * 11) / 2, abs=0.11)
    seconds.now += 100
    assert buckets.slow_down(endpoint=Endpoint.CONFIRM, rate=20) == pytest.approx(10.0)


def test_a_reserved_call_waits_for_its_token(buckets: LocalBuckets, seconds: Seconds) -> None:
    """Calls that nobody planned are made all the same, each when its token is there."""
    assert [round(buckets.reserve(endpoint=Endpoint.CANCEL, rate=20), 3) for _ in range(3)] == [0.0, 0.05, 0.1]
    assert buckets.take(wishes=wishes(1, Endpoint.CANCEL), rate=20).pause == pytest.approx(0.15)


def test_the_breaker_opens_at_the_tenth_failure_in_a_row_of_one_endpoint() -> None:
    """Also where others answer well in between: an outage of the confirm alone is one."""
    breaker = Breaker()
    for _ in range(FAILURES_TO_OPEN - 1):
        assert not breaker.note(endpoint=Endpoint.CONFIRM, failed=True)
        assert not breaker.note(endpoint=Endpoint.RETRIEVE, failed=False)
    assert breaker.note(endpoint=Endpoint.CONFIRM, failed=True)
    assert not breaker.note(endpoint=Endpoint.CONFIRM, failed=True), "it counts anew"


def test_the_breaker_opens_at_the_tenth_failure_in_a_row_over_all_endpoints() -> None:
    """Where nobody answers at all, it takes no longer because several were asked."""
    breaker = Breaker()
    endpoints = [Endpoint.CREATE, Endpoint.CONFIRM, Endpoint.RETRIEVE] * 4
    opened = [breaker.note(endpoint=endpoint, failed=True) for endpoint in endpoints[:FAILURES_TO_OPEN]]
    assert opened == [*[False] * (FAILURES_TO_OPEN - 1), True]


def test_one_good_answer_of_its_endpoint_closes_the_count() -> None:
    """Nine failures now and one an hour later are no outage."""
    breaker = Breaker()
    for _ in range(3):
        assert not any(breaker.note(endpoint=Endpoint.CONFIRM, failed=True) for _ in range(FAILURES_TO_OPEN - 1))
        assert not breaker.note(endpoint=Endpoint.CONFIRM, failed=False)
