"""Contenders side by side: run in turn, several times, medians and ratios as a table and as JSON.

In turn, as a shared machine is twice as fast from one minute to the next: what is compared has to meet the same ones.
"""

import json
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Better = Literal["more", "less"]
# Of one run, by name with the unit: {"records a second": 25000.0, "CPU a record, µs": 30.0}. The first one is what
# ratios are of, and more of it is better.
Figures = Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class Contender:
    """Who does the same work in another way. `run` does it once, on services that are up already."""

    name: str
    run: Callable[[], Figures]


@dataclass(frozen=True, kw_only=True)
class Stage:
    """What was measured of one stage: for each contender, ours first, the figures of each round."""

    name: str
    rounds: Mapping[str, Sequence[Figures]]
    # Of the first figure, by which they are compared. None: they are parts of one thing, and no contenders.
    better: Better | None = "more"

    def medians(self) -> dict[str, dict[str, float]]:
        """For each contender, by figure."""
        return {
            name: {what: statistics.median(one[what] for one in rounds) for what in rounds[0]}
            for name, rounds in self.rounds.items()
        }


def measure(stage: str, contenders: Sequence[Contender], *, rounds: int, better: Better = "more") -> Stage:
    """Each in turn, as often as there are rounds; ours is the first of the contenders."""
    found: dict[str, list[Figures]] = {one.name: [] for one in contenders}
    for _ in range(rounds):
        for one in contenders:
            found[one.name].append(one.run())
    return Stage(name=stage, rounds=found, better=better)


def show(stage: Stage) -> None:
    """The table: a line per contender, and how it compares with ours by the first figure."""
    medians = stage.medians()
    ours = next(iter(medians.values()))
    first = next(iter(ours))
    width = max(map(len, medians))
    print(f"{stage.name}: medians of {len(next(iter(stage.rounds.values())))}")
    for name, figures in medians.items():
        shown = "  ".join(f"{what} {value:,.{_digits(value)}f}" for what, value in figures.items())
        ratio = ""
        if stage.better == "more" and figures is not ours:
            ratio = f"  ours is {ours[first] / figures[first]:.1f} times that"
        elif stage.better == "less" and figures is not ours:
            ratio = f"  that is {figures[first] / ours[first]:.1f} times ours"
        print(f"  {name:{width}}  {shown}{ratio}")


def keep(stages: Sequence[Stage], file: Path) -> None:
    """Medians and all rounds, as JSON."""
    found = {
        stage.name: {"medians": stage.medians(), "better": stage.better, "rounds": stage.rounds} for stage in stages
    }
    file.write_text(json.dumps(found, indent=1, default=dict) + "\n")


def _digits(value: float) -> int:
    return 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
