"""What each history needs. Sizes are in `sizes`, the table at the end in `report`."""

import gc
import logging
import uuid
from collections.abc import Iterator, Sequence
from contextlib import suppress

import pytest
from django.db import connection

from billing_project.dev.simulator import Simulator
from bridge import consumer
from payments import intake, limits
from payments.charging import calls
from payments.outbox import waking
from payments.refunds import run as refunding
from tests.proof import world as worlds
from tests.proof.crash import Session
from tests.proof.history import Laboratory
from tests.proof.inline import InlineThreads, clock_of
from tests.proof.tally import TALLY


@pytest.fixture(scope="session")
def _session() -> Iterator[Session]:
    with Session() as session:
        yield session


@pytest.fixture
def _seldom_collected() -> Iterator[None]:
    """What is in memory now stays there: looking through all of it again and again takes a twentieth of the time."""
    usual = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    yield
    gc.set_threshold(*usual)
    gc.unfreeze()


@pytest.fixture
def laboratory(
    _simulator: Simulator,
    _session: Session,
    _seldom_collected: None,
    transactional_db: None,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Laboratory]:
    """Real commits, and the product run in one thread by the history's own clock."""

    def ring(*, payment_ids: Sequence[uuid.UUID]) -> int:
        world = worlds.LIVING[-1]
        with suppress(ConnectionError):  # best effort, as the product's own
            world.gate.run("ring", "", lambda: world.ring(payment_ids), lost=ConnectionError())
        return 0

    logging.disable(logging.CRITICAL)  # thousands of lines about faults that are meant
    monkeypatch.setattr(calls, "_begin", lambda call, _: InlineThreads().submit(call))
    monkeypatch.setattr(refunding, "_threads", InlineThreads)
    # Time doesn't pass while somebody waits, so nobody needs to wait for the rate limit.
    monkeypatch.setattr(limits, "reserve", lambda *, endpoint: 0.0)
    monkeypatch.setattr(limits, "slow_down", lambda *, endpoint: None)
    monkeypatch.setattr(consumer, "datetime", clock_of(lambda: worlds.LIVING[-1].clock()))
    monkeypatch.setattr(intake, "ring", ring)
    monkeypatch.setattr(limits, "breaker", limits.breaker)  # a fresh one for each process, and the old one back
    monkeypatch.setattr(waking, "WAKE_INTERVAL", 0.0)
    connection.ensure_connection()
    yield Laboratory(stripe=_simulator, session=_session, tally=TALLY)
    logging.disable(logging.NOTSET)
