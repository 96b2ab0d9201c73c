"""A page that is opened asks Stripe about what nobody knows: soon, once, and through the same worker as all else."""

import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests
from django.contrib.auth.models import User
from django.db import DEFAULT_DB_ALIAS, connection
from django.test import Client

from billing_project.dev.simulator import Simulator
from payments import actions, charging, limits, tasks
from payments.gateway import Gateway
from payments.look_up import look_up
from payments.models import Payment
from tests.integration.events import accept, event, record

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("empty_redis")]


def now() -> datetime:
    """The real time: whoever waits for a page does."""
    return datetime.now(UTC)


def charge_once(gateway: Gateway, payment: Payment) -> Payment:
    """What a worker does for one doorbell."""
    charging.charge(payment_ids=[payment.id], gateway=gateway, clock=now)
    payment.refresh_from_db()
    return payment


def taken_in(**changes: Any) -> Payment:
    """A payment that nobody has tried yet."""
    [payment_id] = accept(record(event(**changes), at=now()), now=now()).due
    return Payment.objects.get(id=payment_id)


@pytest.fixture
def unknown(stripe: Simulator, stripe_gateway: Gateway) -> Payment:
    """One that was charged, and whose answer and first look were lost; the next look is some time off."""
    stripe.control.add_fault(kind="reset", endpoint="confirm", effect="after")
    payment = charge_once(stripe_gateway, taken_in(method="pm_1"))
    Payment.objects.filter(id=payment.id).update(due_at=now() + timedelta(minutes=10))
    payment.refresh_from_db()
    assert (payment.status, payment.attempts.get().state) == ("pending", "unknown")
    return payment


@contextmanager
def worker(gateway: Gateway) -> Iterator[None]:
    """One that answers doorbells."""
    done = threading.Event()

    def work() -> None:
        queue: Any = limits.connect_redis()
        while not done.is_set():
            if queue.brpop([limits.KEY_PREFIX + limits.CHARGE_QUEUE], timeout=0.1):
                charging.charge(
                    payment_ids=list(Payment.objects.values_list("id", flat=True)), gateway=gateway, clock=now
                )
        connection.close()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def test_opening_a_payment_that_nobody_knows_about_shows_what_stripe_says(
    client: Client, stripe_gateway: Gateway, unknown: Payment
) -> None:
    """P3: who looks sees the truth, not what was true before the wire broke."""
    client.force_login(User.objects.create_superuser("aida", password="a long enough password"))
    with worker(stripe_gateway):
        page = client.get(f"/admin/payments/payment/{unknown.id}/change/").content.decode()
    assert "Stripe says succeeded" in page
    assert Payment.objects.get(id=unknown.id).status == "success"


def test_the_page_waits_no_longer_than_a_person_does(unknown: Payment) -> None:
    """No worker is there: the page comes all the same, and the payment stays due."""
    began = time.monotonic()
    assert not look_up(payment_id=unknown.id, now=now(), patience=0.3)
    assert 0.3 <= time.monotonic() - began < 1.5
    unknown.refresh_from_db()
    assert (unknown.status, unknown.attempts.get().state) == ("pending", "unknown")
    assert unknown.due_at
    assert unknown.due_at <= now()


def test_a_customer_who_has_authenticated_meanwhile_is_seen(stripe: Simulator, stripe_gateway: Gateway) -> None:
    """ "I paid and nothing happened": they completed at the front end, and no webhook came."""
    payment = charge_once(stripe_gateway, taken_in(method="pm_card_authenticationRequired"))
    assert (payment.status, payment.kind) == ("failed", "action")
    requests.post(
        f"{stripe.url}/v1/payment_intents/{payment.intent_id}/confirm",
        data={"payment_method": "pm_card_authenticationRequired"},
        auth=("sk_test_front_end", ""),
        timeout=5,
    )
    stripe.control.resolve(payment_intent=payment.intent_id or "")
    with worker(stripe_gateway):
        assert look_up(payment_id=payment.id, now=now())
    payment.refresh_from_db()
    assert payment.status == "success"


def test_what_is_known_asks_nobody(stripe: Simulator, stripe_gateway: Gateway) -> None:
    """Paid, declined, never tried, closed, unheard of: there is nothing that Stripe knows and the row doesn't."""
    paid = charge_once(stripe_gateway, taken_in(subscription="sub_1", method="pm_1"))
    declined = charge_once(stripe_gateway, taken_in(subscription="sub_2", method="pm_card_chargeDeclined"))
    untried = taken_in(subscription="sub_3", method="pm_1")
    closed = charge_once(stripe_gateway, taken_in(subscription="sub_4", method="pm_card_authenticationRequired"))
    refusal = charging.close(payment_id=closed.id, who="aida", reason="off", gateway=stripe_gateway, now=now())
    assert refusal is None
    before = list(Payment.objects.order_by("id").values())
    for one in (paid.id, declined.id, untried.id, closed.id, uuid.uuid4()):
        assert not look_up(payment_id=one, now=now())
    assert list(Payment.objects.order_by("id").values()) == before
    assert limits.connect_redis().llen(limits.KEY_PREFIX + limits.CHARGE_QUEUE) == 0


def test_without_a_doorbell_the_page_waits_for_nobody(unknown: Payment, monkeypatch: pytest.MonkeyPatch) -> None:
    """Redis is away: the page comes at once, and the sweep will find the payment due."""
    monkeypatch.setattr(tasks._doorbell, "_silent_until", time.monotonic() + 60)
    began = time.monotonic()
    assert not look_up(payment_id=unknown.id, now=now())
    assert time.monotonic() - began < 1.5
    unknown.refresh_from_db()
    assert unknown.due_at is not None
    assert unknown.due_at <= now()


def test_while_charging_is_paused_nobody_is_asked(unknown: Payment) -> None:
    """A worker would not come, so nobody waits for one, and the payment keeps its place."""
    charging.pause(cause="staff", reason="a drill", who="aida", now=now())
    assert not look_up(payment_id=unknown.id, now=now())
    assert Payment.objects.get(id=unknown.id).due_at == unknown.due_at


def test_a_payment_in_a_workers_hands_is_only_waited_for(unknown: Payment) -> None:
    """No second doorbell, no change of its row: the answer is on its way."""
    Payment.objects.filter(id=unknown.id).update(due_at=now())
    charging.claim(payment_ids=[unknown.id], now=now())
    before = Payment.objects.filter(id=unknown.id).values().get()
    began = time.monotonic()
    assert not look_up(payment_id=unknown.id, now=now(), patience=0.2)
    assert time.monotonic() - began >= 0.2
    assert limits.connect_redis().llen(limits.KEY_PREFIX + limits.CHARGE_QUEUE) == 0
    assert Payment.objects.filter(id=unknown.id).values().get() == before


def test_a_row_that_somebody_is_changing_just_now_is_left_alone(unknown: Payment) -> None:
    """Nobody waits for its lock: the page comes as it is, and whoever asks by the button is told to try again."""
    with closing(connection.copy(DEFAULT_DB_ALIAS)) as other, other.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("SELECT FROM payments_payment WHERE id = %s FOR UPDATE", [unknown.id])
        assert not look_up(payment_id=unknown.id, now=now())
        wish = actions.Wish(id=uuid.uuid4(), subject=unknown.id, who="staff: aida", why="x", now=now(), arguments={})
        outcome = actions.ACTIONS["refresh"].act(wish)
        cursor.execute("ROLLBACK")
    assert outcome == actions.Refused(text="a worker has it just now: try again")
    assert Payment.objects.get(id=unknown.id).due_at == unknown.due_at
    assert limits.connect_redis().llen(limits.KEY_PREFIX + limits.CHARGE_QUEUE) == 0
