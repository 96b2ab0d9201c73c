"""The pytest plugin that prints what the proof has looked at, so that nobody has to believe it; too little is red.

A plugin and not part of the folder's conftest: the controller of pytest-xdist collects nothing, so it reads a
folder's conftest only if that folder is named on the command line.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.proof.sizes import LEAST, ONLY, SEED
from tests.proof.tally import TALLY

PROOF = Path(__file__).resolve().parent
# Whoever gives one of these to pytest wants a part of the tests.
SELECTIONS = ("keyword", "markexpr", "deselect", "ignore", "ignore_glob", "lf", "stepwise", "collectonly")


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A worker hands its numbers to the run, which is red where they are too small: a proof that shrinks unseen."""
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["proof"] = TALLY.as_json()
    elif session.exitstatus == pytest.ExitCode.OK and _lack(session.config):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def _lack(config: pytest.Config) -> str:
    """What is missing where the whole of the proof was asked for; empty if nothing is."""
    struck = sum(TALLY.histories.values()) - TALLY.histories["0"]
    if struck >= LEAST or not _is_whole(config):
        return ""
    return f"The proof is short: {struck:,} histories with a strike were run, and {LEAST:,} are the least."


def _is_whole(config: pytest.Config) -> bool:
    if ONLY or any(getattr(config.option, name, None) for name in SELECTIONS):
        return False
    return any((config.invocation_params.dir / name).resolve() in (PROOF, *PROOF.parents) for name in config.args)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:
    """The run takes a worker's numbers."""
    TALLY.add(json.loads(getattr(node, "workeroutput", {}).get("proof", "{}")))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """One line for each kind of number."""
    if lack := _lack(config):
        terminalreporter.write_line(lack, red=True)
    if not TALLY.checks:
        return
    terminalreporter.section(f"the proof (seed {SEED})")
    lines = (
        ("histories cut", TALLY.histories, "strikes"),
        ("behaviours", dict.fromkeys(TALLY.behaviours, 1), None),
        ("crash points", dict.fromkeys(TALLY.crash_points, 1), None),
        ("strikes", TALLY.ways, ""),
        ("random histories", {"": TALLY.random_histories["histories"]}, None),
        ("  with", {name: count for name, count in TALLY.random_histories.items() if name != "histories"}, ""),
        ("  ingredients", TALLY.ingredients, ""),
        ("operations", TALLY.operations, ""),
        ("faults of Stripe", TALLY.faults, ""),
        ("promises held", TALLY.checks, ""),
    )
    for title, counts, unit in lines:
        if sum(counts.values()):
            details = "" if unit is None else _by(counts, unit)
            terminalreporter.write_line(f"{title:<17}{sum(counts.values()):>9,}   {details}")


def _by(counts: dict[str, int], unit: str) -> str:
    return ", ".join(f"{name}{' ' + unit if unit else ''}: {count:,}" for name, count in sorted(counts.items()))
