"""Celery's view of a payment: ring, charge, sweep.

A message is a doorbell: it carries ids only, and losing it, or getting it twice, costs seconds and never a
payment, because what is due stands in the row. The sweep rings again for whatever nobody came for.
"""

import time
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import redis
import structlog
from celery import shared_task
from django.db.models import Q
from kombu.exceptions import OperationalError

from payments import charging, gateway, limits, retry_policy, webhooks
from payments.limits import CHARGE_QUEUE, KEY_PREFIX
from payments.models import Payment

log = structlog.get_logger(__name__)

# Celery and SQL are cheap per payment when a message carries many; at low load each has its own.
IDS_PER_MESSAGE = 50
MESSAGES_PER_RING = 8

# More doorbells than this in the queue help nobody: the sweep rings for the rest as the queue drains.
MESSAGES_AHEAD = 40

# What the bridge has just rung for is left alone by the sweep for as long as a message may need.
SWEEP_GRACE = timedelta(seconds=2)

# A task gives up waiting for tokens after this long, so that a slot isn't held; the sweep rings again.
LONGEST_WAIT_FOR_TOKENS = 10.0

# After a doorbell that couldn't be rung, Redis is left alone for this long: the bridge must not wait for it.
PAUSE_AFTER_FAILED_RING = 5.0


class Doorbell:
    """Rings, best effort; silent for a while after Redis was found away."""

    def __init__(self) -> None:
        self._silent_until = 0.0

    def ring(self, *, payment_ids: Sequence[uuid.UUID]) -> int:
        """Enqueue payments that are due. Returns for how many it rang; the sweep finds the others."""
        if not payment_ids or time.monotonic() < self._silent_until:
            return 0
        size = max(1, min(IDS_PER_MESSAGE, -(-len(payment_ids) // MESSAGES_PER_RING)))
        messages = [payment_ids[start : start + size] for start in range(0, len(payment_ids), size)]
        rung = 0
        try:
            for ids in messages[: max(0, MESSAGES_AHEAD - queued())]:
                charge.apply_async(kwargs={"payment_ids": [str(one) for one in ids]}, retry=False)
                rung += len(ids)
        except (OperationalError, redis.RedisError, OSError) as error:
            self._silent_until = time.monotonic() + PAUSE_AFTER_FAILED_RING
            log.warning("doorbell failed, the sweep will ring", error=type(error).__name__)
        return rung


_doorbell = Doorbell()
ring = _doorbell.ring


def queued() -> int:
    """How many doorbells wait. Raises `redis.RedisError`."""
    return int(limits.connect_redis().llen(KEY_PREFIX + CHARGE_QUEUE))


@shared_task(name="payments.charge")
def charge(*, payment_ids: list[str], **_: Any) -> None:
    """Bring each of these payments as far as it goes, as fast as the rate limit lets them."""
    waiting = [uuid.UUID(one) for one in payment_ids]
    give_up_at = time.monotonic() + LONGEST_WAIT_FOR_TOKENS
    while waiting:
        granted, pause = limits.take(wanted=len(waiting))
        now, waiting = waiting[:granted], waiting[granted:]
        if now:
            charging.charge(payment_ids=now, gateway=gateway.connect(), clock=_now)
        elif time.monotonic() > give_up_at:
            return
        else:
            time.sleep(pause)


@shared_task(name="payments.sweep")
def sweep(**_: Any) -> None:
    """Ring for what is due and nobody came for, oldest first, as far as the queue has room."""
    now = _now()
    charging.probe(gateway=gateway.connect(), now=now)
    room = max(0, MESSAGES_AHEAD - queued())
    if not room or charging.is_paused():
        return
    due = list(
        Payment.objects.filter(due_at__lte=now - SWEEP_GRACE)
        .filter(Q(lease_until__isnull=True) | Q(lease_until__lte=now))
        .order_by("due_at")
        .values_list("id", "deliveries")[: room * IDS_PER_MESSAGE]
    )
    alone = [one for one, deliveries in due if deliveries >= retry_policy.DELIVERIES_TOGETHER]
    together = [one for one, deliveries in due if deliveries < retry_policy.DELIVERIES_TOGETHER]
    rung = ring(payment_ids=together) + sum(ring(payment_ids=[one]) for one in alone[:room])
    if rung:
        log.info("swept", rung=rung, count=len(due))


@shared_task(name="payments.hint")
def hint(**_: Any) -> None:
    """Take up the webhooks that came while a worker had their payment."""
    ring(payment_ids=webhooks.catch_up(now=_now()))


def _now() -> datetime:
    return datetime.now(UTC)
