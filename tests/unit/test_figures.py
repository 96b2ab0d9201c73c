"""Contenders of a benchmark: who has run when, and what is made of their figures."""

import json
from pathlib import Path

import pytest

from benchmarks.figures import Contender, Figures, Stage, keep, measure, show

STAGE = Stage(
    name="intake",
    rounds={
        "ours": [{"records/s": 9_000.0, "CPU, µs": 30.0}, {"records/s": 12_000.0, "CPU, µs": 20.0},
                 {"records/s": 10_000.0, "CPU, µs": 90.0}],
        "by hand": [{"records/s": 400.0, "CPU, µs": 900.0}, {"records/s": 100.0, "CPU, µs": 700.0},
                    {"records/s": 250.0, "CPU, µs": 1234.0}],
    },
)  # fmt: skip


def test_contenders_run_in_turn() -> None:
    """A machine that others use is slower from one minute to the next: what is compared meets the same minutes."""
    ran: list[str] = []

    def contender(name: str) -> Contender:
        def run() -> Figures:
            ran.append(name)
            return {"records/s": float(len(ran))}

        return Contender(name=name, run=run)

    stage = measure("intake", [contender("ours"), contender("by hand")], rounds=3)
    assert ran == ["ours", "by hand"] * 3
    assert stage.rounds["by hand"] == [{"records/s": 2.0}, {"records/s": 4.0}, {"records/s": 6.0}]


def test_the_medians_are_of_each_figure_by_itself() -> None:
    """One slow round says nothing of the others."""
    assert STAGE.medians() == {
        "ours": {"records/s": 10_000.0, "CPU, µs": 30.0},
        "by hand": {"records/s": 250.0, "CPU, µs": 900.0},
    }


def test_the_table_says_how_many_times_as_much_ours_does(capsys: pytest.CaptureFixture[str]) -> None:
    """Of the first figure, and for all but ours."""
    show(STAGE)
    head, ours, by_hand = capsys.readouterr().out.splitlines()
    assert head == "intake: medians of 3"
    assert ours.split() == ["ours", "records/s", "10,000", "CPU,", "µs", "30.0"]
    assert by_hand.split("  ")[-1] == "ours is 40.0 times that"


def test_what_is_kept_has_all_rounds(tmp_path: Path) -> None:
    """Whoever doubts a median can look at what it is of."""
    keep([STAGE], tmp_path / "figures.json")
    kept = json.loads((tmp_path / "figures.json").read_text())
    assert kept["intake"]["rounds"]["by hand"][1] == {"records/s": 100.0, "CPU, µs": 700.0}
    assert kept["intake"]["medians"]["ours"]["records/s"] == 10_000.0


def test_of_latencies_less_is_better_and_parts_are_not_compared(capsys: pytest.CaptureFixture[str]) -> None:
    """The whole of a thing is no better than a part of it."""
    rounds = {"ours": [{"ms": 40.0}], "poll and sleep": [{"ms": 500.0}]}
    show(Stage(name="the whole way", rounds=rounds, better="less"))
    show(Stage(name="idle", rounds=rounds, better=None))
    _, _, compared, _, _, alone = capsys.readouterr().out.splitlines()
    assert compared.split("  ")[-1] == "that is 12.5 times ours"
    assert alone.split("  ")[-1] == "ms 500"
