"""What the shared state in Redis says just now, for people: queues and buckets. Reads only.

Nobody may wait for it: a Redis that doesn't answer at once is away.
"""

import functools
import time
from dataclasses import dataclass

import redis
from django.conf import settings
from redis.backoff import NoBackoff
from redis.retry import Retry

from payments.limits.connection import BACKLOG_QUEUE, CHARGE_QUEUE, KEY_PREFIX, SWEEP_QUEUE
from payments.limits.shared import BUCKETS, BURST_SECONDS, LEAST_BURST, RECOVERY_PER_SECOND

PATIENCE = 0.25
QUEUES = (CHARGE_QUEUE, BACKLOG_QUEUE, SWEEP_QUEUE)


@dataclass(frozen=True, kw_only=True)
class Pace:
    """One endpoint of Stripe's: calls per second that are allowed now, and the share of its bucket that is in use."""

    endpoint: str
    rate: float
    used: float
    slowed: bool


@dataclass(frozen=True, kw_only=True)
class Gauges:
    """Doorbells by queue; endpoints that were asked lately, the busiest first."""

    queued: dict[str, int]
    paces: list[Pace]


def read_gauges() -> Gauges | None:
    """One round trip; None where Redis doesn't answer."""
    try:
        with _redis().pipeline(transaction=False) as questions:
            for queue in QUEUES:
                questions.llen(KEY_PREFIX + queue)
            questions.hgetall(BUCKETS)
            *lengths, stored = questions.execute()
    except redis.RedisError:
        return None
    return Gauges(
        queued=dict(zip(QUEUES, lengths, strict=True)),
        paces=_paces({name.decode(): float(value) for name, value in stored.items()}, at=time.time()),
    )


def _paces(stored: dict[str, float], *, at: float) -> list[Pace]:
    """The arithmetic of `shared`, by this host's clock: for the eye, and for no decision."""
    endpoints = sorted({name.partition(":")[0] for name in stored})
    found = []
    for endpoint in endpoints:
        since = max(0.0, at - stored.get(f"{endpoint}:at", at))
        share = min(1.0, stored.get(f"{endpoint}:share", 1.0) + since * RECOVERY_PER_SECOND)
        rate = max(1.0, settings.STRIPE_RATE_LIMIT * share)
        burst = max(LEAST_BURST, rate * BURST_SECONDS)
        tokens = min(burst, stored.get(f"{endpoint}:tokens", burst) + since * rate)
        found.append(Pace(endpoint=endpoint, rate=rate, used=min(1.0, 1 - tokens / burst), slowed=share < 1))
    return sorted(found, key=lambda pace: (-pace.slowed, -pace.used))


@functools.cache
def _redis() -> "redis.Redis":
    return redis.Redis.from_url(
        settings.REDIS_URL, socket_timeout=PATIENCE, socket_connect_timeout=PATIENCE, retry=Retry(NoBackoff(), 0)
    )
