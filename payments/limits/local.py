"""This process's own buckets, for while Redis is away: the same arithmetic as in `shared`, with a share of the rate."""

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from payments.limits.endpoints import Endpoint, Granted, Wish
from payments.limits.shared import BETWEEN_DECREASES, BURST_SECONDS, DECREASE, LEAST_BURST, RECOVERY_PER_SECOND


@dataclass(kw_only=True)
class _Bucket:
    at: float
    tokens: float = 1.0
    share: float = 1.0
    slowed: float | None = None
    rate: float = 0.0
    burst: float = 0.0

    def fill(self, *, rate: float, least: float, now: float) -> None:
        since = max(0.0, now - self.at)
        self.at = now
        self.share = min(1.0, self.share + since * RECOVERY_PER_SECOND)
        self.rate = max(least, rate * self.share)
        self.burst = max(LEAST_BURST, self.rate * BURST_SECONDS)
        self.tokens = min(self.burst, self.tokens + since * self.rate)

    def lacks(self, *, reserve: float) -> float:
        """Seconds until there is one token more than what must be left."""
        return (1 + reserve * (self.burst - 1) - self.tokens) / self.rate


class LocalBuckets:
    """Nothing is saved up at first: the shared buckets may just have been emptied. `clock` gives seconds."""

    def __init__(self, *, clock: Callable[[], float]) -> None:
        self._clock, self._lock = clock, threading.Lock()
        self._buckets: dict[Endpoint, _Bucket] = {}

    def take(self, *, wishes: Sequence[Wish], rate: float) -> Granted:
        """As `shared.take`, at `rate` calls per second."""
        places, pauses = [], []
        with self._lock:
            for place, wish in enumerate(wishes):
                buckets = [self._filled(endpoint, rate) for endpoint in wish.calls]
                short = max((one.lacks(reserve=wish.priority.value) for one in buckets), default=0.0)
                if short >= 1e-6:
                    pauses.append(short)
                    continue
                for one in buckets:
                    one.tokens -= 1
                places.append(place)
        return Granted(places=tuple(places), pause=min(pauses, default=0.0))

    def reserve(self, *, endpoint: Endpoint, rate: float) -> float:
        """As `shared.reserve`."""
        with self._lock:
            one = self._filled(endpoint, rate)
            one.tokens -= 1
            return max(0.0, -one.tokens / one.rate)

    def give_back(self, *, calls: Iterable[tuple[Endpoint, int]], rate: float) -> None:
        """As `shared.give_back`."""
        with self._lock:
            for endpoint, count in calls:
                one = self._filled(endpoint, rate)
                one.tokens = min(one.burst, one.tokens + count)

    def slow_down(self, *, endpoint: Endpoint, rate: float) -> float | None:
        """As `shared.slow_down`."""
        with self._lock:
            one = self._filled(endpoint, rate)
            least = _least(rate)
            if one.rate <= least or (one.slowed is not None and one.at - one.slowed < BETWEEN_DECREASES):
                return None
            one.rate = max(least, one.rate * DECREASE)
            one.share, one.slowed = one.rate / rate, one.at
            one.tokens = min(one.tokens, max(LEAST_BURST, one.rate * BURST_SECONDS))
            return one.rate

    def _filled(self, endpoint: Endpoint, rate: float) -> _Bucket:
        one = self._buckets.setdefault(endpoint, _Bucket(at=self._clock()))
        one.fill(rate=rate, least=_least(rate), now=self._clock())
        return one


def _least(rate: float) -> float:
    """One call per second, but never more than the share itself."""
    return min(1.0, rate)
