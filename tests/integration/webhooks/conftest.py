"""The endpoint, and payments that webhooks are about."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from billing_project.dev.simulator import Simulator
from payments import limits
from payments.gateway import Gateway
from payments.models import Payment
from tests.integration.webhooks.sent import PATH, SECRET, charge


@pytest.fixture(autouse=True)
def _endpoint(settings: Any) -> None:
    """On, with one secret; and this worker's Redis is empty."""
    settings.STRIPE_WEBHOOK_SECRETS = (SECRET,)
    limits.connect_redis().flushdb()


@pytest.fixture
def url(live_server: Any, stripe: Simulator) -> str:
    """Where the simulator sends events: our own endpoint, served by Django."""
    return f"{live_server.url}{PATH}"


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
