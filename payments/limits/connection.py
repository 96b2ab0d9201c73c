"""Redis, and the names of what is ours in it."""

import functools

import redis
from django.conf import settings

# Every key of ours begins with it. A Celery queue is a list of that name.
KEY_PREFIX = "billing:"

# Live events have a queue of their own: they must not stand behind whatever else is due.
CHARGE_QUEUE = "charge"
BACKLOG_QUEUE = "backlog"
SWEEP_QUEUE = "sweep"

# Messages that a worker has in hand at once; and how many of them, of each worker, may be of the backlog: however slow
# Stripe is, the others are there for what has just come in. Events that come one by one are a message each, which holds
# its slot while Stripe thinks; a slot is a thread that waits, and costs no more.
WORKER_SLOTS = 128
BACKLOG_SLOTS = 8


@functools.cache
def connect_redis() -> "redis.Redis":
    """This process's connection pool to Redis; a Redis that is away is noticed within two seconds."""
    return redis.Redis.from_url(
        settings.REDIS_URL, socket_timeout=2, socket_connect_timeout=2, health_check_interval=10
    )
