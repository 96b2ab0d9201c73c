"""How many histories: a small, always equal sample, or with HYPOTHESIS_PROFILE=full many that are drawn anew."""

import logging
import os
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from billing_project.dev.simulator import Simulator
from payments.gateway import Gateway
from payments.outbox import waking
from tests.stateful.desk import Desk

SLOW: dict[str, Any] = {
    "deadline": None, "database": None, "suppress_health_check": list(HealthCheck), "print_blob": True,
}  # fmt: skip
settings.register_profile("sample", max_examples=30, stateful_step_count=30, derandomize=True, **SLOW)
settings.register_profile("full", max_examples=500, stateful_step_count=40, **SLOW)
PROFILE = os.environ.get("HYPOTHESIS_PROFILE", "sample")


@pytest.fixture
def profile() -> settings:
    """As large as was asked for."""
    return settings.get_profile(PROFILE)


@pytest.fixture
def desk(
    stripe: Simulator, stripe_gateway: Gateway, transactional_db: None, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Desk]:
    """Real commits on three connections, without thousands of lines about faults that are meant."""
    logging.disable(logging.CRITICAL)
    monkeypatch.setattr(waking, "WAKE_INTERVAL", 3600.0)  # nobody listens
    yield Desk(stripe=stripe, gateway=stripe_gateway)
    logging.disable(logging.NOTSET)
