"""Fixtures of the integration tests."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from stripe import StripeClient

from billing_project.dev.simulator import Simulator
from payments import limits, tasks
from payments.gateway import Gateway
from tests.integration.books import Books
from tests.integration.stripe_contract import connect, name_targets


@pytest.fixture(scope="module", params=name_targets())
def stripe_target(request: pytest.FixtureRequest) -> Iterator[StripeClient]:
    """A client of whatever has to keep Stripe's rules: the simulator, and the sandbox where there is a key."""
    with connect(request.param) as client:
        yield client


@pytest.fixture
def empty_redis() -> None:
    """This worker's own Redis database, empty."""
    limits.connect_redis().flushdb()


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    """A simulator of the test's own, empty, whose ids repeat themselves."""
    with Simulator(seed=1) as running:
        yield running


@pytest.fixture
def books(stripe: Simulator, stripe_gateway: Gateway, settings: Any) -> Books:
    """One clock for Stripe and us; nothing waits for tokens."""
    settings.STRIPE_RATE_LIMIT = 10_000
    return Books(stripe=stripe, gateway=stripe_gateway)


@pytest.fixture(autouse=True)
def _quick_passwords(settings: Any) -> None:
    """A password's hash takes a good part of a second, on purpose; nobody attacks the tests' own."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture(autouse=True)
def _nothing_in_hand() -> Iterator[None]:
    """What a test had charged by a task was charged in a thread with a connection of its own, which ends with it."""
    yield
    tasks._in_hand.end()
