"""The rate limit: how many payments may go to Stripe now, for all workers together; and when Stripe seems down.

One token is one payment, which makes at most one call to each of Stripe's endpoints per claim; so the rate per
endpoint is never above the setting. The bucket lives in Redis; without Redis no new messages arrive either, so
what is in hand may go.
"""

import functools
import threading

import redis
import structlog
from django.conf import settings

log = structlog.get_logger(__name__)

# Names in Redis: every key of ours begins with the prefix, and a Celery queue is a list of that name.
KEY_PREFIX = "billing:"
CHARGE_QUEUE = "charge"
SWEEP_QUEUE = "sweep"

# Tokens of one second may be taken at once; more would be a burst that Stripe answers with 429.
BURST_SECONDS = 1.0

# Fewer would open it for one card network's hiccup; more would make that many customers wait for nothing.
FAILURES_TO_OPEN = 10

# KEYS[1] the bucket; ARGV rate per second, burst, wanted. Returns granted, and milliseconds to the next token.
# Redis's own clock, as those of the workers differ.
_TAKE = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local rate, burst, wanted = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local bucket = redis.call('HMGET', KEYS[1], 'tokens', 'at')
local tokens = tonumber(bucket[1]) or burst
local since = math.max(0, now - (tonumber(bucket[2]) or now))
tokens = math.min(burst, tokens + since * rate / 1000)
local granted = math.min(wanted, math.floor(tokens))
tokens = tokens - granted
redis.call('HSET', KEYS[1], 'tokens', tostring(tokens), 'at', now)
redis.call('PEXPIRE', KEYS[1], 60000)
return {granted, math.ceil((1 - math.min(tokens, 1)) * 1000 / rate)}
"""


def take(*, wanted: int) -> tuple[int, float]:
    """How many of `wanted` payments may go now, and after how many seconds to ask for the rest."""
    rate = settings.STRIPE_RATE_LIMIT
    try:
        granted, milliseconds = _script()(keys=[f"{KEY_PREFIX}stripe-rate"], args=[rate, rate * BURST_SECONDS, wanted])
    except redis.RedisError as error:
        log.warning("rate limit without redis", error=type(error).__name__)
        return wanted, 0.0
    return int(granted), milliseconds / 1000


class Breaker:
    """Counts answers that Stripe's servers failed to give, one after the other, in this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._failures = 0

    def note(self, *, failed: bool) -> bool:
        """Note one answer. Returns True when it is the one that should open the breaker; then counts anew."""
        with self._lock:
            self._failures = self._failures + 1 if failed else 0
            opens = self._failures >= FAILURES_TO_OPEN
            if opens:
                self._failures = 0
            return opens


breaker = Breaker()


@functools.cache
def connect_redis() -> "redis.Redis":
    """This process's connection pool to Redis; a Redis that is away is noticed within two seconds."""
    return redis.Redis.from_url(
        settings.REDIS_URL, socket_timeout=2, socket_connect_timeout=2, health_check_interval=10
    )


@functools.cache
def _script() -> "redis.commands.core.Script":
    return connect_redis().register_script(_TAKE)
