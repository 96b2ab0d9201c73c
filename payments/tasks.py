"""Celery's view of a payment: ring, charge, sweep.

A message is a doorbell: it carries ids only, and losing it, or getting it twice, costs seconds and never a
payment, because what is due stands in the row. The sweep rings again for whatever nobody came for.
"""

import threading
import time
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import redis
import structlog
from celery import current_app, shared_task
from django.conf import settings
from kombu.exceptions import OperationalError

from payments import (
    agenda,
    charging,
    counters,
    gateway,
    heartbeats,
    limits,
    metrics,
    reconcile,
    refunds,
    retention,
    retry_policy,
    statement,
    webhooks,
)
from payments.charging import Pace
from payments.limits import BACKLOG_QUEUE, BACKLOG_SLOTS, CHARGE_QUEUE, KEY_PREFIX

log = structlog.get_logger(__name__)

# Celery and SQL are cheap per payment when a message carries many; at low load each has its own, as few come at once.
IDS_PER_MESSAGE = 50
MESSAGES_PER_RING = 8

# Of those that have come in together: so that two workers share them. More messages cost a worker as much as their
# payments do (20 % of a core at 100 a second), and a payment waits for no other of its message.
SIDE_BY_SIDE = 2

# More doorbells than this in the queue help nobody: the sweep rings for the rest as the queue drains.
MESSAGES_AHEAD = 40

# Of what can wait, the queue holds what the rate lets go in so many seconds: the order is the sweep's, and what was
# rung for long ago could be in the way of what matters more now.
BACKLOG_SECONDS_AHEAD = 2

# How long a message waits for tokens before its slot is free again; the sweep rings again for the rest. Of the
# backlog a little longer than the pause between two sweeps, so that the next one takes over without a gap.
LIVE = Pace(live=True, patience=10.0)
BACKLOG = Pace(live=False, patience=1.2)

# Seconds; of what beat rings for every second, too.
SWEEP_EXPIRES = 5

# After a doorbell that couldn't be rung, Redis is left alone for this long: the bridge must not wait for it.
PAUSE_AFTER_FAILED_RING = 5.0


class Doorbell:
    """Rings, best effort; silent for a while after Redis was found away."""

    def __init__(self) -> None:
        self._silent_until = 0.0

    def ring(self, *, payment_ids: Sequence[uuid.UUID], fresh: bool = True, ahead: int = MESSAGES_AHEAD) -> int:
        """Enqueue payments that are due: `fresh` ones, which somebody waits for, before all others.

        Returns for how many it rang; the sweep finds the others. `ahead`: of fresh ones, how many messages may wait.
        """
        if not payment_ids or time.monotonic() < self._silent_until:
            return 0
        queue = CHARGE_QUEUE if fresh else BACKLOG_QUEUE
        rung = 0
        try:
            waiting = queued(queue=queue)
            room = ahead - waiting if fresh else backlog_room(waiting)
            # What can wait is rung for in few messages, as its order counts; and all is where workers don't keep up.
            size = -(-len(payment_ids) // SIDE_BY_SIDE) if fresh and not waiting else IDS_PER_MESSAGE
            size = min(size, IDS_PER_MESSAGE)
            messages = [payment_ids[start : start + size] for start in range(0, len(payment_ids), size)]
            for ids in messages[: max(0, room)]:
                kwargs = {"payment_ids": [str(one) for one in ids], "fresh": fresh}
                charge.apply_async(kwargs=kwargs, queue=queue, retry=False)
                rung += len(ids)
        except (OperationalError, redis.RedisError, OSError) as error:
            self._silent_until = time.monotonic() + PAUSE_AFTER_FAILED_RING
            log.warning("doorbell failed, the sweep will ring", error=type(error).__name__)
        return rung


_doorbell = Doorbell()
ring = _doorbell.ring


def queued(*, queue: str = CHARGE_QUEUE) -> int:
    """How many doorbells wait. Raises `redis.RedisError`."""
    return int(limits.connect_redis().llen(KEY_PREFIX + queue))


def backlog_room(waiting: int) -> int:
    """How many messages more the backlog's queue may hold, the rate being what it is, where so many wait in it."""
    ahead = max(MESSAGES_PER_RING, settings.STRIPE_RATE_LIMIT * BACKLOG_SECONDS_AHEAD // IDS_PER_MESSAGE)
    return max(0, ahead - waiting)


@shared_task(name="payments.charge")
def charge(*, payment_ids: list[str], fresh: bool = True, **_: Any) -> None:
    """Bring each of these payments as far as it goes, as fast as the rate limit lets them.

    Of a worker's slots some are always free for fresh ones: where no other is free, the backlog waits for the sweep.
    """
    ids = [uuid.UUID(one) for one in payment_ids]
    counters.MESSAGE_PAYMENTS.observe(len(ids))
    if fresh:
        _in_hand.charge(payment_ids=ids, gateway=gateway.connect(), clock=_now, pace=LIVE)
    elif _backlog_slots.acquire(blocking=False):
        try:
            _in_hand.charge(payment_ids=ids, gateway=gateway.connect(), clock=_now, pace=BACKLOG)
        finally:
            _backlog_slots.release()


_in_hand = charging.InHand()
_backlog_slots = threading.BoundedSemaphore(BACKLOG_SLOTS)


@shared_task(name="payments.sweep")
def sweep(**_: Any) -> None:
    """Ring for what is due and nobody came for, in its order, no more than the rate lets go until the next sweep.

    Before that, ring for the tasks that have something to do: each has a message of its own, as it may take long.
    """
    now = _now()
    found = agenda.look(now=now)
    _ring_tasks(found)
    if not found.payments:
        return
    charging.probe(gateway=gateway.connect(), now=now)
    if charging.is_paused():
        return
    most = settings.STRIPE_RATE_LIMIT * BACKLOG_SECONDS_AHEAD
    if queued():
        # No worker takes any of the backlog now: whoever still waits must not stand in it behind all who come later.
        passed_over = charging.find_passed_over(limit=min(MESSAGES_PER_RING * IDS_PER_MESSAGE, most), now=now)
        ring(payment_ids=passed_over, ahead=MESSAGES_AHEAD + MESSAGES_PER_RING)
    room = backlog_room(queued(queue=BACKLOG_QUEUE))
    if not room:
        return
    due = charging.find_due(limit=min(room * IDS_PER_MESSAGE, most), now=now)
    alone = [one for one, deliveries in due.items() if deliveries >= retry_policy.DELIVERIES_TOGETHER]
    together = [one for one, deliveries in due.items() if deliveries < retry_policy.DELIVERIES_TOGETHER]
    rung = sum(ring(payment_ids=[one], fresh=False) for one in alone[: room // 2])
    rung += ring(payment_ids=together, fresh=False)
    if rung:
        log.info("swept", rung=rung, count=len(due))


def _ring_tasks(found: agenda.Agenda) -> None:
    names = ["payments.hint"] * found.webhooks
    names += ["payments.give_back"] * (found.refunds or found.webhooks)
    names += ["payments.sweep_jobs"] * found.jobs
    for name in names:
        # By name, as jobs are above. Stale ones are worth nothing: the next sweep rings again.
        current_app.send_task(name, expires=SWEEP_EXPIRES, retry=False)


@shared_task(name="payments.hint")
def hint(**_: Any) -> None:
    """Take up the webhooks that came while a worker had their payment."""
    ring(payment_ids=webhooks.catch_up(now=_now()))


@shared_task(name="payments.reconcile")
def compare_books(**_: Any) -> None:
    """Compare Stripe's books with ours, if it is time for it."""
    reconcile.reconcile_by_schedule(gateway=gateway.connect(), clock=_now)


@shared_task(name="payments.statement")
def make_statement(**_: Any) -> None:
    """Make the statement that somebody has asked for, or last month's."""
    statement.make_by_schedule(gateway=gateway.connect(), clock=_now)


@shared_task(name="payments.give_back")
def give_back(**_: Any) -> None:
    """Bring refunds as far as they go, and ask Stripe about those and the disputes that it tells of by itself."""
    with refunds.alone() as mine:
        if not mine:
            return
        due = refunds.find_due(now=_now(), limit=refunds.AT_ONCE)
        refunds.carry_out(refund_ids=due, gateway=gateway.connect(), clock=_now)
        refunds.follow_up(gateway=gateway.connect(), clock=_now, limit=refunds.AT_ONCE)


@shared_task(name="payments.count")
def count_hours(**_: Any) -> None:
    """Bring the dashboard's numbers up to date, and forget processes that are long gone."""
    if metrics.count_hours(clock=_now):
        heartbeats.forget_old(now=_now())


@shared_task(name="payments.prune")
def prune(**_: Any) -> None:
    """Once a day, remove what is older than the settings keep it; a slice of it, so that a stop waits for no more."""
    retention.prune_daily(now=_now())


def _now() -> datetime:
    return datetime.now(UTC)
