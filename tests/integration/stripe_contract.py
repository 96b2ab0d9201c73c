"""What the tests of Stripe's rules share: which Stripe they talk to, and the first steps of every story.

The rules are tested against the simulator, and against Stripe's own sandbox as well where the environment variable
STRIPE_SANDBOX_KEY has a key of it (`sk_test_…`). Without one there are no sandbox tests.
"""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import stripe
from stripe import StripeClient

from billing_project.dev.simulator import Simulator

SANDBOX_KEY = "STRIPE_SANDBOX_KEY"
AUTOMATIC = {"enabled": True, "allow_redirects": "never"}
ONCE: Any = {"payment_method": "pm_card_visa", "off_session": True}
# The sandbox sends its events and disputes a little later.
PATIENCE_SECONDS = 60


def name_targets() -> list[str]:
    """Return the Stripes that the rules are tested against."""
    key = os.environ.get(SANDBOX_KEY, "")
    if key and not key.startswith("sk_test_"):
        raise pytest.UsageError(f"{SANDBOX_KEY} is not a key of a sandbox (sk_test_…): tests make charges")
    return ["simulator", "sandbox"] if key else ["simulator"]


@contextmanager
def connect(target: str) -> Iterator[StripeClient]:
    """Yield a client of the simulator or of the sandbox."""
    if target == "sandbox":
        yield StripeClient(os.environ[SANDBOX_KEY], max_network_retries=2)
        return
    with Simulator() as simulator:
        yield StripeClient("sk_test_contract", base_addresses={"api": simulator.url}, max_network_retries=0)


def make(client: StripeClient, key: str | None = None, **params: Any) -> stripe.PaymentIntent:
    """An unconfirmed PaymentIntent."""
    body: Any = {"amount": 2000, "currency": "usd", "automatic_payment_methods": AUTOMATIC} | params
    return client.v1.payment_intents.create(body, {"idempotency_key": key or uuid.uuid4().hex})


def pay(client: StripeClient, card: str = "pm_card_visa", **params: Any) -> stripe.PaymentIntent:
    """A PaymentIntent that was confirmed with a documented test card."""
    body: Any = ONCE | {"payment_method": card}
    return client.v1.payment_intents.confirm(make(client, **params).id, body)


def save_card(client: StripeClient, card: str = "pm_card_visa") -> tuple[str, str]:
    """A new customer and a card saved to them."""
    customer = client.v1.customers.create({"email": "a@b.kz"}).id
    return customer, client.v1.payment_methods.attach(card, {"customer": customer}).id


def wait_until(condition: Callable[[], bool]) -> None:
    """The condition, or failure after a minute."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.5)
