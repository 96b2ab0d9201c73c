"""The rate limit: how many calls may go to Stripe now, for all workers together; and when Stripe seems down.

Every call to Stripe takes a token of its endpoint first, so that no endpoint is asked more often than the setting
says. Live events go first, and what can wait leaves a share for them.

`endpoints` (what is limited, and who goes first), `shared` (the buckets in Redis), `local` (this process's share
while Redis is away), `rate` (one of the two), `outage` (the breaker), `gauges` (what all that says
just now, for people), `connection` (Redis, and our names in it).
"""

from payments.limits.connection import (
    BACKLOG_QUEUE,
    BACKLOG_SLOTS,
    CHARGE_QUEUE,
    KEY_PREFIX,
    SWEEP_QUEUE,
    WORKER_SLOTS,
    connect_redis,
)
from payments.limits.endpoints import Endpoint, Granted, Priority, Wish
from payments.limits.gauges import Gauges, Pace, read_gauges
from payments.limits.outage import FAILURES_TO_OPEN, Breaker, breaker
from payments.limits.rate import LEAST_PAUSE, RateLimit, give_back, reserve, slow_down, take, wait_for

__all__ = [
    "BACKLOG_QUEUE",
    "BACKLOG_SLOTS",
    "CHARGE_QUEUE",
    "FAILURES_TO_OPEN",
    "KEY_PREFIX",
    "LEAST_PAUSE",
    "SWEEP_QUEUE",
    "WORKER_SLOTS",
    "Breaker",
    "Endpoint",
    "Gauges",
    "Granted",
    "Pace",
    "Priority",
    "RateLimit",
    "Wish",
    "breaker",
    "connect_redis",
    "give_back",
    "read_gauges",
    "reserve",
    "slow_down",
    "take",
    "wait_for",
]
