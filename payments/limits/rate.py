"""The rate limit as one process sees it: the shared buckets, or its share of them while Redis is away."""

import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

import redis
import structlog
from django.conf import settings

from payments.limits import shared
from payments.limits.endpoints import Endpoint, Granted, Priority, Wish
from payments.limits.local import LocalBuckets

log = structlog.get_logger(__name__)

# As many processes are assumed while nobody knows how many there are: too many costs seconds, too few a 429.
ASSUMED_PROCESSES = 4

# After Redis was found away it is asked again so much later: each try may hang until its time-out.
PAUSE_WITHOUT_REDIS = 2.0

# Shorter waits would give one token at a time, and each gift costs a claim.
LEAST_PAUSE = 0.05

# Whoever waits for one token is heard when it is told to end.
LONGEST_PAUSE = 1.0


class RateLimit:
    """The limit of this process. Safe to share between threads; raises nothing where Redis is away."""

    def __init__(self) -> None:
        self._name = uuid.uuid4().hex
        self._lock = threading.Lock()
        self._local = LocalBuckets(clock=time.monotonic)
        self._processes = ASSUMED_PROCESSES
        self._redis_is_away = False
        self._ask_redis_at = 0.0

    def take(self, *, wishes: Sequence[Wish]) -> Granted:
        """Which of the wishes may go now: all calls of a wish or none, and none below what its priority leaves."""
        if self._may_ask_redis():
            try:
                taken = shared.take(wishes=wishes, rate=settings.STRIPE_RATE_LIMIT, process=self._name)
            except redis.RedisError as error:
                self._note_away(error)
            else:
                self._note_back(taken)
                return taken.granted
        return self._local.take(wishes=wishes, rate=self._share())

    def wait_for(
        self, *, endpoint: Endpoint, priority: Priority, seconds: float, until: Callable[[], bool] = lambda: False
    ) -> bool:
        """Wait for a token, so long at most, and no more than a second once `until` is so. Returns whether there was
        one; the call may go then."""
        wish = Wish(calls=frozenset({endpoint}), priority=priority)
        give_up_at = time.monotonic() + seconds
        while not (granted := self.take(wishes=[wish])).places:
            if time.monotonic() + granted.pause > give_up_at or until():
                return False
            time.sleep(max(LEAST_PAUSE, min(granted.pause, LONGEST_PAUSE)))
        return True

    def reserve(self, *, endpoint: Endpoint) -> float:
        """Take a token that may not be there yet. Returns the seconds to wait before the call."""
        if self._may_ask_redis():
            try:
                return shared.reserve(endpoint=endpoint, rate=settings.STRIPE_RATE_LIMIT)
            except redis.RedisError as error:
                self._note_away(error)
        return self._local.reserve(endpoint=endpoint, rate=self._share())

    def give_back(self, *, calls: Iterable[Endpoint]) -> None:
        """Tokens of calls that are not made after all."""
        counted = Counter(calls).items()
        if self._may_ask_redis():
            try:
                shared.give_back(calls=counted, rate=settings.STRIPE_RATE_LIMIT)
            except redis.RedisError as error:
                self._note_away(error)
            else:
                return
        self._local.give_back(calls=counted, rate=self._share())

    def slow_down(self, *, endpoint: Endpoint) -> None:
        """Stripe has answered 429: fewer calls to this endpoint for everyone, for a while."""
        rate: float | None = None
        if self._may_ask_redis():
            try:
                rate = shared.slow_down(endpoint=endpoint, rate=settings.STRIPE_RATE_LIMIT)
            except redis.RedisError as error:
                self._note_away(error)
        if self._redis_is_away:
            rate = self._local.slow_down(endpoint=endpoint, rate=self._share())
        if rate is not None:
            log.warning("slowed down: Stripe answered 429", endpoint=endpoint.value, rate=round(rate, 1))

    def _share(self) -> float:
        return float(settings.STRIPE_RATE_LIMIT) / self._processes

    def _may_ask_redis(self) -> bool:
        return not self._redis_is_away or time.monotonic() >= self._ask_redis_at

    def _note_away(self, error: redis.RedisError) -> None:
        with self._lock:
            is_news, self._redis_is_away = not self._redis_is_away, True
            self._ask_redis_at = time.monotonic() + PAUSE_WITHOUT_REDIS
        if is_news:
            log.warning("rate limit without redis", error=type(error).__name__, rate=round(self._share(), 1))

    def _note_back(self, taken: shared.Taken) -> None:
        self._processes = max(1, taken.processes)
        with self._lock:
            is_news, self._redis_is_away = self._redis_is_away, False
        if is_news:
            log.info("rate limit with redis again")
        for endpoint in taken.recovered:
            log.info("at full pace again", endpoint=endpoint)


_limit = RateLimit()
take = _limit.take
wait_for = _limit.wait_for
reserve = _limit.reserve
give_back = _limit.give_back
slow_down = _limit.slow_down
