"""Fixtures that every kind of test may use: a Stripe of one's own, and events to send."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import translation

from billing_project.dev.simulator import Simulator
from payments import gateway
from payments.gateway import Gateway


@pytest.fixture(autouse=True)
def _language_of_nobody() -> Iterator[None]:
    """A page leaves the language of its reader behind in the thread, where the next request would change it."""
    yield
    translation.deactivate()


@pytest.fixture(scope="session")
def _simulator() -> Iterator[Simulator]:
    with Simulator(seed=1) as simulator:
        yield simulator


@pytest.fixture
def stripe(_simulator: Simulator, settings: Any) -> Iterator[Simulator]:
    """The simulator, empty, and the product's settings pointing at it."""
    _simulator.control.reset()
    _simulator.control.clear_faults()
    _simulator.control.set_latency()
    settings.STRIPE_API_BASE = _simulator.url
    gateway.connect.cache_clear()
    yield _simulator
    gateway.connect.cache_clear()


@pytest.fixture
def stripe_gateway(stripe: Simulator) -> Gateway:
    """The product's own gateway, connected to the simulator."""
    return gateway.connect()


class Clock:
    """A clock that tests move; domain code gets its time from outside."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **delta: float) -> datetime:
        """Move forward, e.g. `seconds=5`."""
        self.now += timedelta(**delta)
        return self.now


@pytest.fixture
def clock() -> Clock:
    """Starts at noon of the last day of January."""
    return Clock()
