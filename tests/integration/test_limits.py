"""The rate limit in Redis: one bucket per endpoint for all workers; a share for each while Redis is away."""

import os
import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import structlog

from billing_project.dev.services import Redis
from payments import limits
from payments.limits import Endpoint, Priority, RateLimit, Wish
from payments.limits.shared import _KEYS

pytestmark = pytest.mark.usefixtures("empty_redis")
BUCKETS, _ = _KEYS


@pytest.fixture
def own_redis(settings: Any) -> Iterator[Redis]:
    """A Redis that the test may kill, and the settings pointing at it."""
    server = Redis(folder=Path(os.environ["TEST_DATA"]) / f"redis-{uuid.uuid4().hex[:8]}", durable=False)
    server.start()
    settings.REDIS_URL = server.url
    limits.connect_redis.cache_clear()
    yield server
    server.stop()
    limits.connect_redis.cache_clear()


def wishes(count: int, *calls: Endpoint, priority: Priority = Priority.LIVE) -> list[Wish]:
    """So many payments with the same calls."""
    return [Wish(calls=frozenset(calls or {Endpoint.CONFIRM}), priority=priority)] * count


def took(limit: RateLimit, count: int, *calls: Endpoint, priority: Priority = Priority.LIVE) -> int:
    """How many of so many payments may go."""
    return len(limit.take(wishes=wishes(count, *calls, priority=priority)).places)


def fill(*endpoints: Endpoint) -> None:
    """These buckets are as full as they can be."""
    for endpoint in endpoints:
        limits.give_back(calls=[endpoint] * 1000)


def let_pass(seconds: float, endpoint: Endpoint = Endpoint.CONFIRM) -> None:
    """This bucket was last used so much earlier."""
    redis = limits.connect_redis()
    for name in (f"{endpoint.value}:at", f"{endpoint.value}:slowed"):
        if redis.hexists(BUCKETS, name):
            redis.hincrbyfloat(BUCKETS, name, -seconds)


def wait_until(condition: Any, *, within: float = 20) -> None:
    """The condition, or failure."""
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_no_second_sees_more_than_25_calls_to_one_endpoint_whatever_the_workers_do() -> None:
    """At the default of 20, of four greedy workers together; and nothing is taken away from them either."""
    granted: list[tuple[float, float]] = []
    stop = threading.Event()

    def work(limit: RateLimit) -> None:
        while not stop.is_set():
            asked_at = time.monotonic()
            count = took(limit, 7, Endpoint.CREATE, Endpoint.CONFIRM)
            granted.extend([(asked_at, time.monotonic())] * count)

    fill(Endpoint.CREATE, Endpoint.CONFIRM)
    began_at = time.monotonic()
    with ThreadPoolExecutor(4) as threads:
        for _ in range(4):
            threads.submit(work, RateLimit())
        wait_until(lambda: len(granted) >= 80)
        stop.set()
    seconds = time.monotonic() - began_at
    # Those that were granted within a second for sure, whenever exactly it was.
    busiest = max(sum(1 for asked, got in granted if first <= asked and got <= first + 1) for first, _ in granted)
    assert 15 <= busiest <= 25
    assert seconds < 80 / 20 + 2


def test_an_endpoint_that_was_never_asked_begins_with_a_single_token(settings: Any) -> None:
    """Redis may have been emptied a moment ago, and who knows what had been taken by then."""
    settings.STRIPE_RATE_LIMIT = 20
    assert took(RateLimit(), 20) == 1


def test_the_calls_of_a_payment_are_granted_together_or_not_at_all() -> None:
    """And what isn't granted takes nothing away from the endpoint that had tokens."""
    fill(Endpoint.CREATE)
    limit = RateLimit()
    assert took(limit, 1, Endpoint.CONFIRM) == 1
    assert took(limit, 1, Endpoint.CREATE, Endpoint.CONFIRM) == 0
    assert took(limit, 5, Endpoint.CREATE) == 5


@pytest.mark.parametrize(
    ("priority", "left"), [(Priority.LIVE, 0), (Priority.REPLAY, 30), (Priority.LOOK, 40), (Priority.RECONCILE, 60)]
)
def test_whoever_can_wait_leaves_a_share_of_every_bucket(settings: Any, priority: Priority, left: int) -> None:
    """Replays not the last 30 %, reconciliation not the last 60 %: a live event always finds a token."""
    settings.STRIPE_RATE_LIMIT = 400
    fill(Endpoint.CONFIRM)
    # A few more than that may have come in between the two.
    assert 100 - left <= took(RateLimit(), 200, priority=priority) + 1 <= 115 - left
    assert took(RateLimit(), 200) >= left - 1


def test_a_live_load_at_the_full_rate_starves_replays_until_it_ends() -> None:
    """Live traffic first; replays go on where there is room."""
    stop = threading.Event()

    def live() -> int:
        limit, count = RateLimit(), 0
        while not stop.is_set():
            count += took(limit, 3)
        return count

    limit, while_busy, afterwards = RateLimit(), 0, 0
    with ThreadPoolExecutor(1) as threads:
        served = threads.submit(live)
        wait_until(lambda: took(limit, 1, priority=Priority.RECONCILE) == 0)
        end = time.monotonic() + 1.5
        while time.monotonic() < end:
            while_busy += took(limit, 1, priority=Priority.REPLAY)
        stop.set()
        assert served.result() >= 20
    end = time.monotonic() + 1.5
    while time.monotonic() < end:
        afterwards += took(limit, 1, priority=Priority.REPLAY)
    assert while_busy <= 1
    assert afterwards >= 20


def test_tokens_that_were_not_used_come_back() -> None:
    """A payment that somebody else had claimed meanwhile costs nobody anything; a bucket never overflows."""
    limit = RateLimit()
    assert took(limit, 1) == 1
    limit.give_back(calls=[Endpoint.CONFIRM])
    assert took(limit, 1) == 1
    limit.give_back(calls=[Endpoint.CONFIRM] * 100)
    assert took(limit, 100) <= 6


def test_a_call_that_nobody_planned_waits_until_its_token_is_there() -> None:
    """It goes into debt, and all who come later wait for that."""
    limit = RateLimit()
    pauses = [limit.reserve(endpoint=Endpoint.CANCEL) for _ in range(4)]
    assert pauses == sorted(pauses)
    assert pauses[0] == 0
    assert 0.05 <= pauses[3] <= 0.15
    assert took(limit, 1, Endpoint.CANCEL) == 0


def test_waiting_for_one_token_ends_with_it_or_with_patience(settings: Any) -> None:
    """How refunds and reconciliation ask, call by call."""
    settings.STRIPE_RATE_LIMIT = 5
    limit = RateLimit()
    began_at = time.monotonic()
    for _ in range(3):
        assert limit.wait_for(endpoint=Endpoint.REFUND, priority=Priority.LIVE, seconds=5)
    assert 0.35 <= time.monotonic() - began_at < 3
    limit.reserve(endpoint=Endpoint.REFUND)
    for _ in range(20):
        limit.reserve(endpoint=Endpoint.REFUND)
    began_at = time.monotonic()
    assert not limit.wait_for(endpoint=Endpoint.REFUND, priority=Priority.LIVE, seconds=1)
    assert time.monotonic() - began_at < 1


def test_a_429_slows_all_workers_down_once_and_the_pace_comes_back() -> None:
    """Halved, said in one line by one worker; a tenth of the setting comes back in ten seconds; then one line more."""
    one, other = RateLimit(), RateLimit()
    with structlog.testing.capture_logs() as lines:
        for limit in (one, other, one):
            limit.slow_down(endpoint=Endpoint.CONFIRM)
        fill(Endpoint.CONFIRM, Endpoint.CREATE)
        assert took(other, 20) == 2, "the burst of ten calls a second"
        assert took(other, 20, Endpoint.CREATE) >= 5, "another endpoint is as fast as before"
        let_pass(20)
        let_pass(31)
        took(other, 1)
        took(one, 1)
    assert [(line["event"], line["endpoint"], line.get("rate")) for line in lines] == [
        ("slowed down: Stripe answered 429", "confirm", 10.0),
        ("at full pace again", "confirm", None),
    ]


def test_the_pace_never_falls_below_one_call_a_second(settings: Any) -> None:
    """However often Stripe says no."""
    with structlog.testing.capture_logs() as lines:
        for _ in range(8):
            limits.slow_down(endpoint=Endpoint.CONFIRM)
            let_pass(1.1)
    rates = [line["rate"] for line in lines]
    assert rates[:4] == [10.0, 5.1, 2.7, 1.4]
    assert min(rates) == 1.0


def test_without_redis_each_process_keeps_to_its_share_of_the_rate(own_redis: Redis, settings: Any) -> None:
    """As many as there were when Redis was last there; said once when it goes, and once when it is back."""
    settings.STRIPE_RATE_LIMIT = 100
    one, other = RateLimit(), RateLimit()
    for limit in (one, other, one):
        took(limit, 0)
    own_redis.kill()
    with structlog.testing.capture_logs() as lines:
        began_at = time.monotonic()
        granted = 0
        while time.monotonic() < began_at + 2.5:  # Redis is asked again meanwhile
            granted += took(one, 10)
        seconds = time.monotonic() - began_at
        assert 60 <= granted <= 50 * seconds + 13
        own_redis.start()
        wait_until(lambda: bool(took(one, 1)) and "rate limit with redis again" in events(lines))
    assert events(lines) == ["rate limit without redis", "rate limit with redis again"]
    assert lines[0]["rate"] == 50


def test_a_process_that_never_saw_redis_takes_a_quarter(own_redis: Redis, settings: Any) -> None:
    """Too many processes assumed cost seconds, too few a 429."""
    settings.STRIPE_RATE_LIMIT = 100
    own_redis.kill()
    with structlog.testing.capture_logs() as lines:
        assert took(RateLimit(), 10) == 1
    assert lines[0]["rate"] == 25


def test_without_redis_a_429_slows_this_process_down(own_redis: Redis, settings: Any) -> None:
    """And a call without a plan, and one that isn't made after all, count as ever."""
    settings.STRIPE_RATE_LIMIT = 80
    own_redis.kill()
    limit = RateLimit()
    with structlog.testing.capture_logs() as lines:
        assert limit.reserve(endpoint=Endpoint.CONFIRM) == 0
        assert limit.reserve(endpoint=Endpoint.CONFIRM) > 0
        limit.give_back(calls=[Endpoint.CONFIRM] * 2)
        assert took(limit, 1) == 1
        limit.slow_down(endpoint=Endpoint.CONFIRM)
    assert events(lines) == ["rate limit without redis", "slowed down: Stripe answered 429"]
    assert lines[1]["rate"] == 10


def events(lines: Any) -> list[str]:
    """What was logged."""
    return [line["event"] for line in lines]
