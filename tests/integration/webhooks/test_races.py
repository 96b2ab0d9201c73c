"""Webhooks while a worker has the payment, in two threads at once, and how fast they are answered."""

import gc
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg2
import pytest
import requests
from django.db import connection

from billing_project.dev.simulator import Simulator
from billing_project.dev.simulator.webhooks import sign
from payments import limits, tasks, webhooks
from payments.charging.claim import LEASE
from payments.models import Payment, Webhook
from tests.integration.webhooks.sent import (
    LOOK,
    NOTHING_NEW,
    SECRET,
    body_of,
    intent_of,
    rung,
    tell,
    wait_until,
    work_off,
)

pytestmark = pytest.mark.django_db(transaction=True)


# In a worker's hands


def test_a_payment_in_a_workers_hands_is_left_to_it_and_the_hint_is_not_lost(unknown: Payment) -> None:
    """Its worker may have looked just before Stripe changed its mind: afterwards the hint is taken up."""
    now = datetime.now(UTC)
    Payment.objects.update(due_at=now, lease_until=now + LEASE)
    row = tell("payment_intent.succeeded", intent_of(unknown))
    assert (row.verdict, row.handled_at) == ("", None)
    assert Payment.objects.get().lease_until == now + LEASE
    assert webhooks.catch_up(now=now) == []
    # The worker's answer proved nothing, and it went home.
    later = now + timedelta(minutes=10)
    Payment.objects.update(due_at=later, lease_until=None)
    tasks.hint()
    row.refresh_from_db()
    assert (row.verdict, row.payment_id) == (LOOK, unknown.id)
    assert work_off(unknown).status == "success"


def test_once_the_worker_has_settled_the_waiting_hint_is_nothing_new(unknown: Payment, stripe: Simulator) -> None:
    """The usual end of a webhook that overtook the answer."""
    now = datetime.now(UTC)
    Payment.objects.update(due_at=now, lease_until=now + LEASE)
    row = tell("payment_intent.succeeded", intent_of(unknown))
    Payment.objects.update(lease_until=None)
    tasks.charge(payment_ids=[str(unknown.id)])
    asked = len(stripe.control.requests(payment_intent=unknown.intent_id))
    tasks.hint()
    row.refresh_from_db()
    assert row.verdict == NOTHING_NEW
    assert rung() == []
    assert len(stripe.control.requests(payment_intent=unknown.intent_id)) == asked


def test_a_webhook_waits_for_no_lock(unknown: Payment) -> None:
    """Somebody's transaction holds the payment: Stripe is answered at once, and the hint is taken up after it."""
    with psycopg2.connect(**_connection()) as other, other.cursor() as cursor:
        cursor.execute("SELECT 1 FROM payments_payment WHERE id = %s FOR UPDATE", [str(unknown.id)])
        began = time.monotonic()
        row = tell("payment_intent.succeeded", intent_of(unknown))
        assert time.monotonic() - began < 1
        assert row.handled_at is None
    other.close()
    assert webhooks.catch_up(now=datetime.now(UTC)) == [unknown.id]


def _connection() -> dict[str, Any]:
    needed = ("dbname", "user", "password", "host", "port")
    return {name: value for name, value in connection.get_connection_params().items() if name in needed}


def test_two_deliveries_at_once_are_one_row(unknown: Payment, url: str, stripe: Simulator) -> None:
    """Two threads of the server, one event: both are answered 200."""
    body = body_of("payment_intent.succeeded", intent_of(unknown))
    headers = {"Stripe-Signature": sign(body, secret=SECRET, at=time.time())}
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: requests.post(url, body, headers=headers, timeout=10).status_code, range(8)))
    assert set(answers) == {200}
    assert Webhook.objects.get().verdict == LOOK


# Redis and time


@pytest.fixture(params=["there", "dead", "hanging"])
def redis(request: pytest.FixtureRequest, settings: Any) -> Iterator[str]:
    """It is there, or its address is one where nobody listens, or where somebody listens and never answers."""
    if request.param == "there":
        yield "there"
        # What was rung has reached it.
        wait_until(tasks.queued)
        return
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"redis://127.0.0.1:{server.getsockname()[1]}/0"
        if request.param == "dead":
            server.close()
        settings.REDIS_URL = address
        limits.connect_redis.cache_clear()
        tasks._doorbell._silent_until = 0.0
        yield str(request.param)
        # What was rung there has been given up.
        wait_until(lambda: tasks._doorbell._silent_until > 0)
    tasks._doorbell._silent_until = 0.0
    limits.connect_redis.cache_clear()


@pytest.fixture
def _collected() -> Iterator[None]:
    """Looking through all that pytest has loaded takes up to half a second of a busy machine: not while we measure."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.mark.usefixtures("_collected")
def test_webhooks_are_answered_fast_with_and_without_redis(unknown: Payment, redis: str, url: str) -> None:
    """The doorbell is best effort: the payment is due, and the sweep will find it. Aim: 100 ms."""
    times = answer_times(url, unknown, count=20)
    print(f"redis {redis}: median {times[10] * 1000:.1f} ms, slowest {times[-1] * 1000:.1f} ms")
    assert times[-1] < 0.5
    assert times[len(times) // 2] < 0.1
    due_at = Payment.objects.get().due_at
    assert due_at is not None
    assert due_at <= datetime.now(UTC)


def answer_times(url: str, payment: Payment, *, count: int) -> list[float]:
    """Seconds until each of so many webhooks was answered, shortest first."""
    times = []
    with requests.Session() as session:
        for _ in range(count):
            body = body_of("payment_intent.succeeded", intent_of(payment))
            headers = {"Stripe-Signature": sign(body, secret=SECRET, at=time.time())}
            began = time.monotonic()
            assert session.post(url, body, headers=headers, timeout=10).status_code == 200
            times.append(time.monotonic() - began)
    return sorted(times)
