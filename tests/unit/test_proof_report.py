"""A proof that runs fewer histories than it should is red: nobody looks at the numbers of what is always green."""

from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.proof import report
from tests.proof.tally import Tally

ROOT = Path(__file__).resolve().parents[2]


def end(*args: str, exitstatus: int = 0, **options: Any) -> int:
    """How a run ends of which all tests were green, or whatever `exitstatus` says."""
    config = SimpleNamespace(
        args=list(args), option=SimpleNamespace(**options), invocation_params=SimpleNamespace(dir=ROOT)
    )
    session: Any = SimpleNamespace(config=config, exitstatus=exitstatus)
    report.pytest_sessionfinish(session)
    return int(session.exitstatus)


@pytest.fixture(autouse=True)
def tally(monkeypatch: pytest.MonkeyPatch) -> Tally:
    """One history fewer than the least."""
    short = Tally(histories=Counter({"0": 119, "1": 2_000, "2": 499}))
    monkeypatch.setattr(report, "LEAST", 2_500)
    monkeypatch.setattr(report, "TALLY", short)
    monkeypatch.setattr(report, "ONLY", "")
    return short


@pytest.mark.parametrize(
    "args", [("tests/stateful", "tests/proof"), ("tests/proof/",), ("tests",), (".",), (str(report.PROOF),)]
)
def test_the_whole_of_the_proof_is_red_where_it_is_short(args: tuple[str, ...]) -> None:
    """However its folder was named."""
    assert end(*args) == pytest.ExitCode.TESTS_FAILED


def test_one_history_more_is_enough(tally: Tally) -> None:
    """Lives without a strike don't count."""
    tally.histories["2"] += 1
    assert end("tests/proof") == pytest.ExitCode.OK


@pytest.mark.parametrize(
    ("args", "options"),
    [
        (("tests/unit",), {}),
        (("tests/proof/test_guards.py",), {}),
        (("tests/proof/test_crash_points.py::test_pairs_of_strikes_keep_the_promises",), {}),
        (("tests/proof",), {"keyword": "pairs"}),
        (("tests/proof",), {"deselect": ["tests/proof/test_guards.py"]}),
        (("tests/proof",), {"ignore": ["tests/proof/test_crash_points.py"]}),
        (("tests/proof",), {"collectonly": True}),
    ],
)
def test_whoever_wants_a_part_gets_a_part(args: tuple[str, ...], options: dict[str, Any]) -> None:
    """One history, or those of a name, may be looked at with any size."""
    assert end(*args, **options) == pytest.ExitCode.OK


def test_the_sample_of_all_tests_stands_for_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """`make test` runs a few of each."""
    monkeypatch.setattr(report, "LEAST", 0)
    assert end("tests/unit", "tests/proof") == pytest.ExitCode.OK


def test_what_was_interrupted_stays_so() -> None:
    """The first reason counts."""
    assert end("tests/proof", exitstatus=pytest.ExitCode.INTERRUPTED) == pytest.ExitCode.INTERRUPTED
