"""Webhooks as Stripe sends them, over HTTP: believed when signed, stored once, and never more than a hint to look."""

import base64
import hashlib
import hmac
import json
import logging
import socket
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg2
import pytest
import requests
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client

from billing_project.dev.simulator import Simulator
from billing_project.dev.simulator.webhooks import sign
from payments import charging, limits, tasks, webhooks
from payments.charging.claim import LEASE
from payments.gateway import Gateway
from payments.models import Attempt, OutboxMessage, Payment, Webhook
from tests.integration.events import accept, event, record

pytestmark = pytest.mark.django_db(transaction=True)

SECRET = "whsec_of_these_tests"
OTHER = "whsec_of_somebody_else"
PATH = "/webhooks/stripe"
LOOK, NOTHING_NEW, KEPT, FOREIGN = "look", "nothing_new", "kept", "foreign"


@pytest.fixture(autouse=True)
def _endpoint(settings: Any) -> None:
    """On, with one secret; and this worker's Redis is empty."""
    settings.STRIPE_WEBHOOK_SECRETS = (SECRET,)
    limits.connect_redis().flushdb()


@pytest.fixture
def url(live_server: Any, stripe: Simulator) -> str:
    """Where the simulator sends events: our own endpoint, served by Django."""
    return f"{live_server.url}{PATH}"


def body_of(kind: str, about: dict[str, Any], **fields: Any) -> bytes:
    """An event as Stripe writes it: indented JSON."""
    content = {"id": f"evt_{uuid.uuid4().hex}", "object": "event", "livemode": False, "type": kind}
    return json.dumps(content | {"data": {"object": about}} | fields, indent=2).encode()


def post(body: bytes, *, secret: str = SECRET, age: float = 0, header: str | None = None) -> int:
    """Send these bytes with a signature; the answer's status."""
    signature = sign(body, secret=secret, at=time.time() - age) if header is None else header
    answer = Client().post(PATH, body, content_type="application/json", headers={"Stripe-Signature": signature})
    return answer.status_code


def tell(kind: str, about: dict[str, Any], **fields: Any) -> Webhook:
    """Send a signed event, and return its row."""
    body = body_of(kind, about, **fields)
    assert post(body) == 200
    return Webhook.objects.get(event_id=json.loads(body)["id"])


def intent_of(payment: Payment, **changes: Any) -> dict[str, Any]:
    """A PaymentIntent's JSON, as much as counts."""
    return {"id": payment.intent_id, "object": "payment_intent", "status": "succeeded"} | changes


def wait_until(condition: Callable[[], Any]) -> None:
    """The condition, or failure after ten seconds."""
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def rung() -> list[str]:
    """The payments that doorbells wait for; empties the queue, as a worker does."""
    queue: Any = limits.connect_redis()
    ids: list[str] = []
    while raw := queue.rpop(limits.KEY_PREFIX + limits.CHARGE_QUEUE):
        ids += json.loads(base64.b64decode(json.loads(raw)["body"]))[1]["payment_ids"]
    return ids


def work_off(expected: Payment) -> Payment:
    """Wait for the doorbell of this payment, and do what a worker does."""
    wait_until(tasks.queued)
    found = rung()
    assert set(found) == {str(expected.id)}
    tasks.charge(payment_ids=found)
    return Payment.objects.get(id=expected.id)


def charge(gateway: Gateway, **changes: Any) -> Payment:
    """A payment, accepted and tried once."""
    now = datetime.now(UTC)
    accept(record(event(**changes), at=now), now=now)
    payment = Payment.objects.get(subscription_id=str(changes.get("subscription", "sub_1")))
    charging.charge(payment_ids=[payment.id], gateway=gateway, clock=lambda: datetime.now(UTC))
    payment.refresh_from_db()
    return payment


@pytest.fixture
def unknown(stripe: Simulator, stripe_gateway: Gateway) -> Payment:
    """Charged at Stripe, but the answer was lost and so was the next look's: not due for half a minute."""
    stripe.control.add_fault(kind="reset", endpoint="confirm", effect="after")
    payment = charge(stripe_gateway, method="pm_1")
    assert payment.status == "pending"
    Payment.objects.update(due_at=datetime.now(UTC) + timedelta(hours=1))
    payment.refresh_from_db()
    return payment


@pytest.fixture
def failed(stripe: Simulator, stripe_gateway: Gateway) -> Payment:
    """Declined; the customer may come back any time."""
    payment = charge(stripe_gateway, method="pm_card_chargeDeclined")
    assert payment.status == "failed"
    return payment


@pytest.fixture
def paid(stripe: Simulator, stripe_gateway: Gateway) -> Payment:
    """Success."""
    payment = charge(stripe_gateway, method="pm_1")
    assert payment.status == "success"
    return payment


def told() -> list[str]:
    """The statuses that were told, oldest first."""
    return [json.loads(bytes(row.value or b""))["payment"]["status"] for row in OutboxMessage.objects.order_by("id")]


# Whom to believe


def test_a_signed_event_is_stored() -> None:
    """Signed with our secret over these bytes: 200 and a row."""
    row = tell("customer.created", {"id": "cus_1", "object": "customer"})
    assert (row.type, row.object_id, row.intent_id, row.livemode) == ("customer.created", "cus_1", "", False)
    assert (row.verdict, row.payment) == (FOREIGN, None)


@pytest.mark.parametrize("place", [0, 40, -1])
def test_one_changed_byte_is_refused(place: int) -> None:
    """The signature covers every byte, white space too."""
    body = body_of("customer.created", {"id": "cus_1"})
    changed = bytearray(body)
    changed[place] ^= 1
    header = sign(body, secret=SECRET, at=time.time())
    assert post(bytes(changed), header=header) == 400
    assert post(body, header=header) == 200


def test_the_same_json_in_other_bytes_is_refused() -> None:
    """So nothing may parse and write the body anew before it is verified."""
    body = body_of("customer.created", {"id": "cus_1"})
    again = json.dumps(json.loads(body)).encode()
    assert post(again, header=sign(body, secret=SECRET, at=time.time())) == 400
    assert not Webhook.objects.exists()


def test_two_secrets_are_good_while_one_is_replaced(settings: Any) -> None:
    """Stripe signs with the old, the new, or both; a third is nobody's."""
    settings.STRIPE_WEBHOOK_SECRETS = (SECRET, OTHER)
    about = {"id": "cus_1"}
    assert post(body_of("customer.created", about), secret=SECRET) == 200
    assert post(body_of("customer.created", about), secret=OTHER) == 200
    assert post(body_of("customer.created", about), secret=f"{OTHER},{SECRET}") == 200
    assert post(body_of("customer.created", about), secret="whsec_third") == 400


@pytest.mark.parametrize("age", [301, 3600, 10**9])
def test_an_old_signature_is_refused(age: float) -> None:
    """What somebody has overheard is worth nothing after five minutes."""
    assert post(body_of("customer.created", {"id": "cus_1"}), age=age) == 400
    assert not Webhook.objects.exists()


def test_a_signature_within_five_minutes_is_good() -> None:
    """Clocks differ and networks are slow."""
    assert post(body_of("customer.created", {"id": "cus_1"}), age=280) == 200


@pytest.mark.parametrize(
    "header",
    ["", "t=1", "v1=abc", "t=,v1=", "t=x,v1=y", "nonsense", ",,,", "=", "t=" + "9" * 5000 + ",v1=a", "t=1,v1=\xfc"],
)
def test_a_header_that_is_none_is_refused(header: str) -> None:
    """Missing, cut or made up, it never breaks anything."""
    assert post(body_of("customer.created", {"id": "cus_1"}), header=header) == 400


@pytest.mark.parametrize("secret", [OTHER, "", " "])
def test_another_secret_is_refused(secret: str) -> None:
    """And the empty one, that anybody could sign with, most of all."""
    body = body_of("customer.created", {"id": "cus_1"})
    assert post(body, header=_signed_by_hand(body, secret)) == 400
    assert not Webhook.objects.exists()


@pytest.mark.parametrize("secrets", [(), ("",), (" ",)])
def test_without_a_secret_nothing_is_believed(settings: Any, secrets: tuple[str, ...]) -> None:
    """Off, and an empty secret that got into the settings somehow verifies nothing."""
    settings.STRIPE_WEBHOOK_SECRETS = secrets
    body = body_of("customer.created", {"id": "cus_1"})
    for secret in ("", " ", SECRET):
        assert post(body, header=_signed_by_hand(body, secret)) == (400 if secrets else 404)
    assert not Webhook.objects.exists()


def _signed_by_hand(body: bytes, secret: str) -> str:
    seconds = int(time.time())
    signature = hmac.new(secret.encode(), b"%d." % seconds + body, hashlib.sha256).hexdigest()
    return f"t={seconds},v1={signature}"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"null",
        b"not JSON",
        b"\xff\xfe",
        b"{}",
        b'{"id": 1, "type": "a"}',
        b'{"id": "evt", "type": "a\\u0000"}',
        b"[" * 100_000,
    ],
    ids=lambda body: repr(body[:24]),
)
def test_what_is_signed_but_no_event_is_refused(body: bytes) -> None:
    """It can't be stored, and it can't break anything."""
    assert post(body) == 400


def test_a_body_has_a_largest_size() -> None:
    """A stranger's gigabyte is not read."""
    assert post(b"x" * (1024 * 1024 + 1)) == 413


def test_only_post_is_answered() -> None:
    """A browser sees nothing."""
    assert Client().get(PATH).status_code == 405


# What is kept


def test_an_event_that_comes_twice_is_one_row() -> None:
    """At least once is Stripe's word; its id tells."""
    body = body_of("customer.created", {"id": "cus_1"})
    assert [post(body) for _ in range(3)] == [200, 200, 200]
    assert Webhook.objects.count() == 1


@pytest.mark.parametrize(
    "content",
    [
        {"data": {}},
        {"data": None},
        {"data": []},
        {"data": {"object": None}},
        {"data": {"object": {"id": None, "payment_intent": {"id": "pi_1"}}}},
        {"data": {"object": {"id": 7, "status": ["succeeded"], "amount": 10**30, "currency": "a b"}}},
        {"data": {"object": {"id": "pi_\u0000", "metadata": "text"}}, "account": {"id": 1}, "livemode": "yes"},
        {"object": "v2.core.event", "related_object": {"id": "pi_1"}},
    ],
)
@pytest.mark.parametrize("kind", ["payment_intent.succeeded", "charge.dispute.created", "something.new"])
def test_what_is_shaped_in_an_unknown_way_is_kept(kind: str, content: dict[str, Any]) -> None:
    """Stripe adds types and fields as it likes; an event that we can't read must not come again for three days."""
    tell(kind, {}, **content)
    assert Webhook.objects.get().verdict == FOREIGN


def test_nothing_personal_is_kept_or_logged(unknown: Payment, caplog: pytest.LogCaptureFixture) -> None:
    """Ids, amounts, codes and states are; names, addresses, cards and descriptions aren't, wherever they stand."""
    canary = "Canary <canary@example.com>"
    about = intent_of(
        unknown, amount=10_000, currency="kzt", receipt_email="canary@example.com", description=canary, reason=canary,
        client_secret="pi_canary_secret", shipping={"name": canary},
        metadata={"payment_id": str(unknown.id), "n": canary},
        last_payment_error={"message": canary, "payment_method": {"card": {"last4": "4242"}}},
    )  # fmt: skip
    with caplog.at_level(logging.DEBUG):
        row = tell("payment_intent.succeeded", about)
        post(b"canary", header="canary")
        post(body_of("a.b", about), secret=OTHER)
    assert row.facts == {
        "object": "payment_intent",
        "status": "succeeded",
        "amount": 10_000,
        "currency": "kzt",
        "payment_id": str(unknown.id),
    }
    stored = json.dumps([str(value) for value in Webhook.objects.values_list().get()])
    for text in (stored, caplog.text, str([line.__dict__ for line in caplog.records])):
        assert "anary" not in text
        assert SECRET not in text


def test_staff_see_webhooks_and_change_none(unknown: Payment) -> None:
    """What Stripe told, and what it was worth, read-only."""
    row = tell("payment_intent.succeeded", intent_of(unknown))
    staff = Client()
    staff.force_login(User.objects.create_superuser("aida", password="a long enough password"))
    page = staff.get("/admin/payments/webhook/", {"q": row.intent_id}).content.decode()
    assert "payment_intent.succeeded" in page
    change = f"/admin/payments/webhook/{row.id}/change/"
    assert row.event_id in staff.get(change).content.decode()
    assert staff.post(change, {"verdict": "kept"}).status_code == 403


# What a hint does


def test_a_payment_that_succeeded_unseen_is_settled_long_before_its_time(
    stripe: Simulator, url: str, stripe_gateway: Gateway
) -> None:
    """P5: the answer was lost, the next look is far away; Stripe's own word brings it forward, and the look settles."""
    stripe.control.set_webhooks(url=url, secret=SECRET, late=0.3)
    stripe.control.add_fault(kind="reset", endpoint="confirm", effect="after")
    payment = charge(stripe_gateway, method="pm_1")
    Payment.objects.update(due_at=datetime.now(UTC) + timedelta(hours=1))
    assert work_off(payment).status == "success"
    assert told() == ["success"]
    assert len(stripe.ledger.successes("sub_1")) == 1
    wait_until(lambda: stripe.control.webhooks()["under_way"] == 0)
    assert {one["status"] for one in stripe.control.webhooks()["tries"]} == {200}
    assert len(stripe.control.requests(endpoint="payment_intents.confirm")) == 1


def test_a_customer_who_authenticates_is_told_of_success(stripe: Simulator, url: str, stripe_gateway: Gateway) -> None:
    """Failed with `actionRequired`; the customer confirms with the bank; success is told without anybody asking."""
    payment = charge(stripe_gateway, method="pm_card_authenticationRequired")
    assert (payment.status, payment.kind) == ("failed", "action")
    stripe.control.set_webhooks(url=url, secret=SECRET)
    # The front end confirms on session, and the bank asks the customer.
    answer = requests.post(
        f"{stripe.url}/v1/payment_intents/{payment.intent_id}/confirm",
        data={"payment_method": "pm_card_authenticationRequired"},
        auth=("sk_test_front_end", ""),
        timeout=5,
    )
    assert answer.json()["status"] == "requires_action"
    wait_until(lambda: Webhook.objects.filter(type="payment_intent.requires_action", verdict=NOTHING_NEW).exists())
    assert rung() == []
    stripe.control.resolve(payment_intent=payment.intent_id or "")
    assert work_off(payment).status == "success"
    assert told() == ["failed", "success"]


@pytest.mark.parametrize("mode", [{"late": 0.2}, {"twice": True}, {"shuffle": 4}, {"twice": True, "shuffle": 8}])
def test_late_doubled_and_mixed_up_webhooks_end_the_same(
    stripe: Simulator, url: str, stripe_gateway: Gateway, mode: dict[str, Any]
) -> None:
    """In any order and number: one success, told once, no further attempt."""
    stripe.control.set_webhooks(url=url, secret=SECRET, **mode)
    stripe.control.add_fault(kind="reset", endpoint="confirm", effect="after")
    payment = charge(stripe_gateway, method="pm_1")
    wait_until(lambda: stripe.control.webhooks()["under_way"] == 0)
    webhooks.catch_up(now=datetime.now(UTC))
    tasks.charge(payment_ids=[str(payment.id)])
    payment.refresh_from_db()
    assert (payment.status, told()) == ("success", ["success"])
    assert sorted(Webhook.objects.values_list("type", flat=True)) == [
        "charge.succeeded", "payment_intent.created", "payment_intent.succeeded",
    ]  # fmt: skip
    assert not Webhook.objects.filter(handled_at__isnull=True).exists()
    assert payment.attempts.count() == len(stripe.ledger.successes("sub_1")) == 1


def test_nothing_in_a_webhook_is_settled(unknown: Payment, stripe: Simulator) -> None:
    """P3: it says failed, or closed, or another amount; what counts is what a look finds, here a success."""
    tell("payment_intent.payment_failed", intent_of(unknown, status="requires_payment_method"))
    tell("payment_intent.canceled", intent_of(unknown, status="canceled", amount=1))
    before = Payment.objects.get()
    assert (before.status, before.closed_at, before.amount) == ("pending", None, 10_000)
    assert before.attempts.get().state == Attempt.State.UNKNOWN
    assert work_off(unknown).status == "success"


@pytest.mark.parametrize("field", ["id", "payment_intent"])
def test_a_hint_is_about_the_intent_whatever_the_object(unknown: Payment, field: str) -> None:
    """`payment_intent.*` names it by its own id, charges by a field."""
    kind = "payment_intent.succeeded" if field == "id" else "charge.succeeded"
    row = tell(kind, {"id": "x_1", "status": "succeeded", field: unknown.intent_id})
    assert (row.verdict, row.payment_id, row.intent_id) == (LOOK, unknown.id, unknown.intent_id)
    assert is_due()


@pytest.mark.parametrize("kind", ["refund.created", "charge.refunded", "charge.dispute.created"])
def test_money_back_of_a_payment_that_is_not_known_as_paid_makes_it_due_and_waits(unknown: Payment, kind: str) -> None:
    """It was paid, so a look finds that; then the refund or the dispute is asked about, so the webhook stays open."""
    row = tell(kind, {"id": "x_1", "status": "succeeded", "payment_intent": unknown.intent_id})
    assert (row.verdict, row.handled_at, row.payment_id) == ("", None, unknown.id)
    assert is_due()
    later = datetime.now(UTC) + timedelta(hours=1)
    Payment.objects.update(due_at=later)
    assert webhooks.catch_up(now=datetime.now(UTC)) == [], "once is enough"


def is_due() -> bool:
    """Whether the one payment there is has to be looked at now."""
    return Payment.objects.filter(due_at__lte=datetime.now(UTC)).exists()


def test_what_is_overdue_keeps_its_place(unknown: Payment) -> None:
    """The oldest first: a hint brings forward and never puts back."""
    long_ago = datetime.now(UTC) - timedelta(minutes=1)
    Payment.objects.update(due_at=long_ago)
    assert tell("payment_intent.succeeded", intent_of(unknown)).verdict == LOOK
    assert Payment.objects.get().due_at == long_ago


def test_a_payment_that_agrees_is_left_alone(paid: Payment, failed_beside: Payment) -> None:
    """The usual case: by the time Stripe tells, the answer was there, and nobody asks again."""
    for payment, kind, status in [
        (paid, "payment_intent.succeeded", "succeeded"),
        (paid, "payment_intent.created", "requires_payment_method"),
        (paid, "payment_intent.processing", "processing"),
        (failed_beside, "payment_intent.payment_failed", "requires_payment_method"),
        (failed_beside, "payment_intent.created", "requires_payment_method"),
    ]:
        assert tell(kind, intent_of(payment, status=status)).verdict == NOTHING_NEW, kind
    assert tell("charge.failed", {"payment_intent": failed_beside.intent_id, "status": "failed"}).verdict == NOTHING_NEW
    for payment in (paid, failed_beside):
        assert Payment.objects.get(id=payment.id).due_at == payment.due_at
    assert rung() == []


@pytest.fixture
def failed_beside(stripe_gateway: Gateway) -> Payment:
    """A declined payment of another subscription."""
    return charge(stripe_gateway, subscription="sub_2", method="pm_card_chargeDeclined")


@pytest.mark.parametrize(
    "kind", ["refund.created", "charge.refunded", "charge.dispute.created", "charge.refund.updated"]
)
def test_money_back_on_a_success_waits_for_a_look(paid: Payment, kind: str) -> None:
    """Success is never due; the row stays open until Stripe was asked what went back (`refunds.follow_up`)."""
    row = tell(kind, {"id": "re_1", "object": "refund", "amount": 5, "payment_intent": paid.intent_id})
    assert (row.verdict, row.handled_at, row.payment_id, row.facts["amount"]) == ("", None, paid.id, 5)
    now = Payment.objects.get()
    assert (now.due_at, now.refunded) == (None, 0)
    tasks.give_back()
    row.refresh_from_db()
    assert (row.verdict, Payment.objects.get().refunded) == (NOTHING_NEW, 0)


def test_a_closed_payment_rests(failed: Payment) -> None:
    """P1: no hint leads away from there; what contradicts it is kept, and said aloud in the log."""
    Payment.objects.update(closed_at=datetime.now(UTC), due_at=None)
    assert tell("payment_intent.canceled", intent_of(failed, status="canceled")).verdict == NOTHING_NEW
    assert tell("payment_intent.succeeded", intent_of(failed)).verdict == KEPT
    assert Payment.objects.get().due_at is None


def test_a_cancelled_success_is_kept(paid: Payment) -> None:
    """It can't be; so it is kept, and nothing changes."""
    assert tell("payment_intent.canceled", intent_of(paid, status="canceled")).verdict == KEPT
    assert Payment.objects.get().status == "success"


@pytest.mark.parametrize(
    ("about", "fields"),
    [({"id": "pi_nobody"}, {}), ({}, {"livemode": True}), ({}, {"account": "acct_somebody"})],
    ids=["unknown intent", "live mode", "another account"],
)
def test_what_is_of_others_is_kept_and_hints_at_nothing(
    unknown: Payment, about: dict[str, Any], fields: dict[str, Any]
) -> None:
    """Test and live mode, or several accounts, may share an endpoint."""
    row = tell("payment_intent.succeeded", intent_of(unknown) | about, **fields)
    assert (row.verdict, row.payment) == (FOREIGN, None)
    assert Payment.objects.get().due_at == unknown.due_at


def test_our_own_account_may_be_named(unknown: Payment) -> None:
    """A platform's endpoint names the account of each event."""
    assert tell("payment_intent.succeeded", intent_of(unknown), account=unknown.account_id).verdict == LOOK


def test_a_look_by_a_hint_takes_none_from_the_schedule(failed: Payment, stripe_gateway: Gateway) -> None:
    """A failed payment is looked at after a minute, an hour and a day, however often Stripe tells something."""
    Payment.objects.update(looks=2, due_at=datetime.now(UTC) + timedelta(hours=20))
    for _ in range(3):
        tell("payment_intent.processing", intent_of(failed, status="processing"))
        payment = work_off(failed)
        assert (payment.status, payment.looks) == ("failed", 2)
        assert payment.due_at is not None
        assert payment.due_at > datetime.now(UTC) + timedelta(hours=1)


def test_after_the_last_look_a_hint_still_leads_to_success(failed: Payment, stripe: Simulator) -> None:
    """However late: nobody looks by himself any more, but Stripe tells."""
    Payment.objects.update(looks=3, due_at=None)
    answer = requests.post(
        f"{stripe.url}/v1/payment_intents/{failed.intent_id}/confirm",
        data={"payment_method": "pm_card_visa"},
        auth=("sk_test_front_end", ""),
        timeout=5,
    )
    tell("payment_intent.succeeded", answer.json())
    assert work_off(failed).status == "success"
    assert told() == ["failed", "success"]


def test_a_hint_never_starts_an_attempt(failed: Payment, stripe: Simulator) -> None:
    """A payment that waits for its next attempt waits on, whatever is told of the one before."""
    later = datetime.now(UTC) + timedelta(days=1)
    Payment.objects.update(status="pending", settled_at=None, due_at=later)
    for kind in ("payment_failed", "requires_action", "processing", "created", "something_new"):
        status = kind if kind in ("requires_action", "processing") else "requires_payment_method"
        assert tell(f"payment_intent.{kind}", intent_of(failed, status=status)).verdict == NOTHING_NEW, kind
    assert Payment.objects.get().due_at == later


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


@pytest.fixture(params=["dead", "hanging"])
def no_redis(request: pytest.FixtureRequest, settings: Any) -> Iterator[str]:
    """Redis's address is one where nobody listens, or where somebody listens and never answers."""
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


def test_without_redis_webhooks_are_answered_as_fast(unknown: Payment, no_redis: str, url: str) -> None:
    """The doorbell is best effort: the payment is due, and the sweep will find it. Aim: 100 ms."""
    times = answer_times(url, unknown, count=20)
    print(f"redis {no_redis}: median {times[10] * 1000:.1f} ms, slowest {times[-1] * 1000:.1f} ms")
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
