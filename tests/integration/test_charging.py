"""From an accepted payment to a settled one, at the simulator, through the real SDK."""

import json
from typing import Any

import pytest

from billing_project.dev.simulator import Simulator
from payments import charging
from payments.gateway import Gateway
from payments.models import OutboxMessage, Payment
from tests.conftest import Clock
from tests.integration.events import accept, event, record

pytestmark = pytest.mark.django_db


def charge(gateway: Gateway, clock: Clock) -> Payment:
    """Charge whatever is due, and return the one payment there is."""
    ids = list(Payment.objects.values_list("id", flat=True))
    charging.charge(payment_ids=ids, gateway=gateway, clock=clock)
    return Payment.objects.get()


def told() -> list[dict[str, Any]]:
    """What the outbox says, oldest first."""
    return [json.loads(bytes(row.value or b"")) for row in OutboxMessage.objects.order_by("id")]


def test_a_good_card_is_charged_once_and_told(stripe: Simulator, stripe_gateway: Gateway, clock: Clock) -> None:
    """P1, P3, P4 on the path without faults."""
    accept(record(event(), at=clock()), now=clock())
    payment = charge(stripe_gateway, clock)
    assert (payment.status, payment.due_at, payment.lease_until) == ("success", None, None)
    assert payment.account_id.startswith("acct_")
    assert payment.livemode is False
    [charged] = stripe.ledger.successes("sub_1")
    assert (charged.amount, charged.currency) == (10_000, "kzt")
    assert told() == [
        {
            "payment": {
                "id": str(payment.id),
                "subscriptionId": "sub_1",
                "amount": 100,
                "currency": "KZT",
                "status": "success",
                "transactionId": payment.intent_id,
                "metadata": {"attempt": 1},
                "createdAt": "2026-01-31T12:00:00.000Z",
            },
            "user": {"id": "u_1", "email": "a@b.kz"},
        }
    ]


def test_a_declined_card_fails_with_a_reason_that_a_customer_may_read(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock
) -> None:
    """P3: failed only on a definite no, and the text gives nothing away."""
    accept(record(event(method="pm_card_chargeDeclinedLostCard"), at=clock()), now=clock())
    payment = charge(stripe_gateway, clock)
    assert (payment.status, payment.kind, payment.code) == ("failed", "hard", "lost_card")
    assert stripe.ledger.successes("sub_1") == []
    [notification] = told()
    assert notification["payment"]["status"] == "failed"
    assert notification["payment"]["metadata"] == {
        "attempt": 1,
        "reason": "Your card was declined. Please use another card or contact your bank.",
        "actionRequired": False,
        "willRetryAt": None,
    }
