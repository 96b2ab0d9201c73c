"""What the tests of the simulator's own gifts share: a client that soon loses patience, and its first steps."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import stripe
from stripe import StripeClient

from billing_project.dev.simulator import Simulator

OFF_SESSION: Any = {"payment_method": "pm_1", "off_session": True}
READ_TIMEOUT = 0.3


def client_of(simulator: Simulator, key: str = "sk_test_1") -> StripeClient:
    """The real SDK, without its retries."""
    http = stripe.RequestsClient(timeout=(2, READ_TIMEOUT))
    return StripeClient(key, base_addresses={"api": simulator.url}, http_client=http, max_network_retries=0)


def make(client: StripeClient, subscription: str = "sub_1", **params: Any) -> str:
    """The id of an unconfirmed PaymentIntent of a subscription."""
    body: Any = {
        "amount": 10000,
        "currency": "KZT",
        "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
        "metadata": {"subscription_id": subscription},
    }
    return client.v1.payment_intents.create(body | params).id


def confirm(client: StripeClient, intent: str, key: str | None = None, **params: Any) -> stripe.PaymentIntent:
    """Confirm off session, with a saved card that pays unless another is named."""
    options: Any = {"idempotency_key": key} if key else {}
    return client.v1.payment_intents.confirm(intent, OFF_SESSION | params, options)


def wait_until(condition: Callable[[], bool], *, seconds: float = 10) -> None:
    """The condition, or failure after so many seconds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)
