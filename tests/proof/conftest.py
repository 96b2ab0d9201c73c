"""Sizes of the proof, what each history needs, and the table at the end.

`PROOF_SIZE=full` runs all of it, anything else a sample that takes seconds. `PROOF_SEED` draws what is sampled,
and `PROOF_HISTORY='behaviour/5:die-after,3:stall-before'` runs one history again.
"""

import json
import logging
import uuid
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

import pytest
from django.db import connection

from billing_project.dev.simulator import Simulator
from bridge import consumer
from payments import intake, limits, outbox
from payments.charging import run
from tests.proof import world as worlds
from tests.proof.crash import Session
from tests.proof.history import Laboratory, Tally
from tests.proof.inline import InlineThreads, clock_of
from tests.proof.sizes import SEED

TALLY = Tally()


@pytest.fixture(scope="session")
def _session() -> Iterator[Session]:
    with Session() as session:
        yield session


@pytest.fixture
def laboratory(
    _simulator: Simulator, _session: Session, transactional_db: None, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Laboratory]:
    """Real commits, and the product run in one thread by the history's own clock."""

    def ring(*, payment_ids: Sequence[uuid.UUID]) -> int:
        world = worlds.LIVING[-1]
        with suppress(ConnectionError):  # best effort, as the product's own
            world.gate.run("ring", "", lambda: world.ring(payment_ids), lost=ConnectionError())
        return 0

    logging.disable(logging.CRITICAL)  # thousands of lines about faults that are meant
    monkeypatch.setattr(run, "_threads", InlineThreads)
    monkeypatch.setattr(consumer, "datetime", clock_of(lambda: worlds.LIVING[-1].clock()))
    monkeypatch.setattr(intake, "ring", ring)
    monkeypatch.setattr(limits, "breaker", limits.breaker)  # a fresh one for each process, and the old one back
    monkeypatch.setattr(outbox, "WAKE_INTERVAL", 0.0)
    connection.ensure_connection()
    yield Laboratory(stripe=_simulator, session=_session, tally=TALLY)
    logging.disable(logging.NOTSET)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A worker hands its numbers to the run."""
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["proof"] = TALLY.as_json()


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:
    """The run takes a worker's numbers."""
    TALLY.add(json.loads(getattr(node, "workeroutput", {}).get("proof", "{}")))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What was looked at, so that nobody has to believe it."""
    total = sum(TALLY.histories.values())
    if not total:
        return
    write = terminalreporter.write_line
    terminalreporter.section(f"every crash point (seed {SEED})")
    write(f"histories      {total:>8,}   {_by(TALLY.histories, 'strikes')}")
    write(f"behaviours     {len(TALLY.behaviours):>8,}")
    write(f"crash points   {len(TALLY.crash_points):>8,}   {_by(TALLY.ways)}")
    write(f"operations     {sum(TALLY.operations.values()):>8,}   {_by(TALLY.operations)}")
    write(f"faults         {sum(TALLY.faults.values()):>8,}   {_by(TALLY.faults)}")
    write(f"promises held  {sum(TALLY.checks.values()):>8,}   {_by(TALLY.checks)}")


def _by(counts: dict[str, int], unit: str = "") -> str:
    return ", ".join(f"{name}{' ' + unit if unit else ''}: {count:,}" for name, count in sorted(counts.items()))
