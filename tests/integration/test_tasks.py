"""Doorbells: rung in step with the queue, lost without harm, swept up when nobody came."""

import base64
import json
import os
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from billing_project.celery import app
from billing_project.dev.services import Redis
from billing_project.dev.simulator import Simulator
from payments import limits, tasks
from payments.models import Payment
from tests.integration.events import accept, event, record

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("empty_redis")]


@pytest.fixture
def now() -> datetime:
    """Tasks look at the real clock."""
    return datetime.now(UTC)


def take_in(count: int, now: datetime) -> list[uuid.UUID]:
    """So many payments, due since a minute."""
    return accept(*(record(event(f"sub_{n}", method="pm_1"), at=now) for n in range(count)), now=now).due


def messages(queue: str = limits.CHARGE_QUEUE) -> list[list[str]]:
    """The ids in each message that waits, oldest first."""
    raw = limits.connect_redis().lrange(limits.KEY_PREFIX + queue, 0, -1)
    bodies = [json.loads(base64.b64decode(json.loads(one)["body"])) for one in reversed(raw)]
    return [kwargs["payment_ids"] for _, kwargs, _ in bodies]


def test_at_low_load_each_payment_has_a_message_of_its_own() -> None:
    """Few come in together, and what does is shared by two workers."""
    ids = [uuid.uuid4() for _ in range(6)]
    doorbell = tasks.Doorbell()
    assert doorbell.ring(payment_ids=ids[:1]) == 1
    limits.connect_redis().flushdb()
    assert doorbell.ring(payment_ids=ids[1:]) == 5
    assert messages() == [[str(one) for one in ids[1:4]], [str(one) for one in ids[4:]]]


def test_where_workers_do_not_keep_up_what_comes_in_together_is_one_message() -> None:
    """Each message costs them as much again; those that wait are left as they are."""
    ids = [uuid.uuid4() for _ in range(41)]
    doorbell = tasks.Doorbell()
    assert doorbell.ring(payment_ids=ids[:1]) == 1
    assert doorbell.ring(payment_ids=ids[1:]) == 40
    assert messages() == [[str(ids[0])], [str(one) for one in ids[1:]]]


def test_under_load_a_message_carries_up_to_fifty() -> None:
    """Celery and SQL are cheap per payment when a message carries many."""
    ids = [uuid.uuid4() for _ in range(500)]
    assert tasks.Doorbell().ring(payment_ids=ids) == 500
    assert [len(one) for one in messages()] == [50] * 10


def test_a_backlog_does_not_multiply_doorbells() -> None:
    """Beyond a full queue nobody rings; the sweep will, as it drains."""
    doorbell = tasks.Doorbell()
    for _ in range(10):
        doorbell.ring(payment_ids=[uuid.uuid4() for _ in range(500)])
    assert tasks.queued() == tasks.MESSAGES_AHEAD
    assert doorbell.ring(payment_ids=[uuid.uuid4()]) == 0


def test_redis_away_is_no_error_and_is_left_alone_for_a_while(settings: Any) -> None:
    """The bridge must neither fail nor wait because a doorbell can't be rung."""
    server = Redis(folder=Path(os.environ["TEST_DATA"]) / f"redis-{uuid.uuid4().hex[:8]}", durable=False)
    server.start()
    settings.REDIS_URL = server.url
    limits.connect_redis.cache_clear()
    try:
        server.kill()
        doorbell = tasks.Doorbell()
        assert doorbell.ring(payment_ids=[uuid.uuid4()]) == 0
        server.start()
        assert doorbell.ring(payment_ids=[uuid.uuid4()]) == 0, "not before the pause is over"
    finally:
        server.stop()
        limits.connect_redis.cache_clear()


def test_what_can_wait_has_a_queue_of_its_own(now: datetime) -> None:
    """Whoever has just come in never stands behind a backlog, and one queue's length says nothing of the other."""
    doorbell = tasks.Doorbell()
    ids = [uuid.uuid4() for _ in range(1000)]
    assert doorbell.ring(payment_ids=ids, fresh=False) == 400, "eight messages, each as large as they come"
    assert doorbell.ring(payment_ids=ids, fresh=False) == 0
    assert doorbell.ring(payment_ids=ids[:1]) == 1
    assert messages(limits.BACKLOG_QUEUE) == [[str(one) for one in ids[at : at + 50]] for at in range(0, 400, 50)]
    assert messages() == [[str(ids[0])]]


def test_the_sweep_rings_for_what_is_due_and_free_oldest_first(now: datetime) -> None:
    """A lost doorbell, a lease that ran out and an unknown outcome are all the same to it."""
    ids = take_in(4, now - timedelta(minutes=1))
    Payment.objects.filter(id=ids[0]).update(due_at=now - timedelta(seconds=10))
    Payment.objects.filter(id=ids[1]).update(lease_until=now + timedelta(minutes=1))
    Payment.objects.filter(id=ids[2]).update(due_at=now + timedelta(minutes=1))
    tasks.sweep()
    assert messages(limits.BACKLOG_QUEUE) == [[str(ids[3]), str(ids[0])]]


def test_the_sweep_rings_for_no_more_than_the_rate_lets_go(now: datetime, settings: Any) -> None:
    """What was rung for long ago would be in the way of what matters more by then; nor do doorbells pile up."""
    settings.STRIPE_RATE_LIMIT = 5
    ids = take_in(30, now - timedelta(minutes=1))
    for number, one in enumerate(ids):
        Payment.objects.filter(id=one).update(due_at=now - timedelta(seconds=60 - number))
    for _ in range(20):
        tasks.sweep()
    rung = messages(limits.BACKLOG_QUEUE)
    assert rung == [[str(one) for one in ids[:10]]] * 8


def test_the_sweep_leaves_alone_what_was_just_rung(now: datetime) -> None:
    """Or every payment would have two doorbells."""
    take_in(1, now)
    tasks.sweep()
    assert messages() == messages(limits.BACKLOG_QUEUE) == []


def test_a_payment_that_was_delivered_twice_without_an_end_is_rung_alone(now: datetime) -> None:
    """Whatever kills its worker must not take neighbours along."""
    ids = take_in(20, now - timedelta(minutes=1))
    Payment.objects.filter(id=ids[7]).update(deliveries=2)
    tasks.sweep()
    assert [str(ids[7])] in messages(limits.BACKLOG_QUEUE)
    assert sum(len(one) for one in messages(limits.BACKLOG_QUEUE)) == 20


def test_whoever_still_waits_does_not_stand_in_the_backlog_while_others_come(now: datetime) -> None:
    """As long as anything is in the queue of live messages no worker takes what is in the other one."""
    waits = take_in(3, now - timedelta(seconds=30))
    Payment.objects.filter(id=waits[2]).update(due_at=now - timedelta(seconds=40))
    Payment.objects.filter(id=waits[1]).update(deliveries=2)
    accept(record(event("gave up", method="pm_1"), at=now - timedelta(minutes=2)), now=now - timedelta(seconds=30))
    accept(record(event("has just come", method="pm_1"), at=now), now=now)
    tasks.sweep()
    assert messages() == [], "the backlog is served"
    busy = uuid.uuid4()
    tasks.ring(payment_ids=[busy])
    tasks.sweep()
    assert messages() == [[str(busy)], [str(waits[2]), str(waits[0])]]


def test_there_is_room_for_whoever_still_waits_in_a_full_queue(now: datetime) -> None:
    """Or those who come in would take it all; and no more than that."""
    doorbell = tasks.Doorbell()
    for _ in range(tasks.MESSAGES_AHEAD):
        doorbell.ring(payment_ids=[uuid.uuid4()])
    waits = take_in(30, now - timedelta(seconds=30))
    for _ in range(tasks.MESSAGES_PER_RING + 2):
        tasks.sweep()
    rung = messages()[tasks.MESSAGES_AHEAD :]
    assert [sorted(message) for message in rung] == [sorted(map(str, waits))] * tasks.MESSAGES_PER_RING


@pytest.mark.django_db(transaction=True)
def test_charge_brings_payments_to_their_end_at_the_rate_limit(stripe: Simulator, settings: Any, now: datetime) -> None:
    """Twelve payments at five a second take more than a second, and all are charged."""
    settings.STRIPE_RATE_LIMIT = 5
    ids = take_in(12, now - timedelta(seconds=5))
    tasks.charge(payment_ids=[str(one) for one in ids])
    assert set(Payment.objects.values_list("status", flat=True)) == {"success"}
    assert datetime.now(UTC) - now > timedelta(seconds=1.3)


@pytest.mark.django_db(transaction=True)
def test_charge_tolerates_arguments_of_another_version(stripe: Simulator, now: datetime) -> None:
    """During a rolling deploy old and new workers share the queue."""
    [payment_id] = take_in(1, now - timedelta(seconds=5))
    tasks.charge(payment_ids=[str(payment_id)], added_later=True)
    assert Payment.objects.get().status == "success"


@pytest.mark.django_db(transaction=True)
def test_the_backlog_never_takes_all_slots_of_a_worker(stripe: Simulator, now: datetime) -> None:
    """Where half of them are taken by it, more of it is left to the next sweep; a fresh event is charged at once."""
    old, fresh = take_in(2, now - timedelta(seconds=5))
    taken = [tasks._backlog_slots.acquire(blocking=False) for _ in range(limits.BACKLOG_SLOTS)]
    try:
        assert all(taken)
        tasks.charge(payment_ids=[str(old)], fresh=False)
        tasks.charge(payment_ids=[str(fresh)])
    finally:
        for _ in taken:
            tasks._backlog_slots.release()
    statuses = dict(Payment.objects.values_list("id", "status"))
    assert statuses == {old: "pending", fresh: "success"}
    tasks.charge(payment_ids=[str(old)], fresh=False)
    assert set(Payment.objects.values_list("status", flat=True)) == {"success"}
    assert limits.BACKLOG_SLOTS < limits.WORKER_SLOTS


def test_a_worker_takes_live_messages_before_those_of_the_backlog() -> None:
    """As long as there are any, whatever else is in the queues; beat's own come first, as they take no time."""
    doorbell = tasks.Doorbell()
    for _ in range(3):
        doorbell.ring(payment_ids=[uuid.uuid4()], fresh=False)
        doorbell.ring(payment_ids=[uuid.uuid4()])
    app.send_task("payments.sweep")
    taken: list[str] = []

    def take(message: Any) -> None:
        taken.append(message.delivery_info["routing_key"])
        message.ack()

    with app.connection_for_read() as broker, app.amqp.TaskConsumer(broker.default_channel, on_message=take):
        while len(taken) < 7:
            broker.drain_events(timeout=10)
    assert taken == ["sweep", *["charge"] * 3, *["backlog"] * 3]
