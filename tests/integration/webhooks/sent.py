"""Webhooks as Stripe sends them, and what a worker does with their doorbells."""

import base64
import json
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from django.test import Client

from billing_project.dev.simulator.webhooks import sign
from payments import charging, limits, tasks
from payments.gateway import Gateway
from payments.models import OutboxMessage, Payment, Webhook
from tests.integration.events import accept, event, record

SECRET = "whsec_of_these_tests"
OTHER = "whsec_of_somebody_else"
PATH = "/webhooks/stripe"
LOOK, NOTHING_NEW, KEPT, FOREIGN = "look", "nothing_new", "kept", "foreign"


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


def told() -> list[str]:
    """The statuses that were told, oldest first."""
    return [json.loads(bytes(row.value or b""))["payment"]["status"] for row in OutboxMessage.objects.order_by("id")]


def is_due() -> bool:
    """Whether the one payment there is has to be looked at now."""
    return Payment.objects.filter(due_at__lte=datetime.now(UTC)).exists()
