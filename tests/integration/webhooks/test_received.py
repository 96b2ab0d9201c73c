"""Whom to believe, and what is kept: signed bytes over HTTP, each event stored once."""

import hashlib
import hmac
import json
import logging
import time
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from billing_project.dev.simulator.webhooks import sign
from payments.models import Payment, Webhook
from tests.integration.webhooks.sent import (
    FOREIGN,
    OTHER,
    PATH,
    SECRET,
    body_of,
    intent_of,
    post,
    tell,
)

pytestmark = pytest.mark.django_db(transaction=True)


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
