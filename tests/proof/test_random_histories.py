"""Random histories: several workers, many subscriptions, all troubles at once, each drawn from one integer.

A red one names itself; `PROOF_HISTORY=random/17 … -k one_history` runs it again.
"""

import re
from typing import Any

import pytest

from payments import declines
from payments.charging.settling import Settling
from payments.models import Attempt
from tests.proof.history import Laboratory
from tests.proof.random_histories import History, Red, find_red, found, run_random, shrink
from tests.proof.sizes import ONLY, RANDOM_HISTORIES, SEED
from tests.proof.tally import Tally

# So many to a test: enough that starting one costs nothing, few enough that the workers of a run stay busy.
TOGETHER = 20

# Seeds of another PROOF_SEED are other histories.
FIRST = (SEED - 1) * 1_000_000

if ONLY.startswith("random/"):

    def test_one_history_keeps_the_promises(laboratory: Laboratory) -> None:
        """A random history that was red, once more."""
        red = run_random(laboratory, History.parse(ONLY))
        if red:
            fail([red])


@pytest.mark.timeout(600)
@pytest.mark.parametrize("first", range(FIRST, FIRST + RANDOM_HISTORIES, TOGETHER))
def test_random_histories_keep_the_promises(laboratory: Laboratory, first: int) -> None:
    """P1 to P5, whatever happens, in whatever order."""
    red = find_red(laboratory, range(first, first + TOGETHER))
    if red:
        fail(red)


def test_the_same_integer_is_the_same_history(laboratory: Laboratory) -> None:
    """Or a red one couldn't be looked at again: every operation, in its order, but for the ids that Stripe draws."""
    lives = []
    for _ in range(2):
        world = found(laboratory, History(seed=FIRST + 1))
        world.live()
        lives.append([re.sub(r"_3[0-9a-f]{23}", "", line) for line in world.gate.log])
    assert lives[0] == lives[1]


def test_a_removed_guard_turns_a_random_history_red_and_it_is_made_small(
    laboratory: Laboratory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """P3: a call without an answer says nothing, and whoever takes it for a no is seen."""

    def unknown(self: Any, why: str, **_: Any) -> None:
        if self.attempt.state in Attempt.OPEN:
            self._failed(Attempt.State.DECLINED, declines.BY_CODE["processing_error"], why)

    monkeypatch.setattr(Settling, "_unknown", unknown)
    blind = Laboratory(stripe=laboratory.stripe, session=laboratory.session, tally=Tally())
    reds = (run_random(blind, History(seed=seed)) for seed in range(FIRST, FIRST + TOGETHER))
    red = next(red for red in reds if red)
    small = shrink(blind, red)
    assert any(words.startswith("P3") for words in small.broken)
    assert small.ticks < red.ticks
    assert History.parse(str(small.history)) == small.history


def fail(reds: list[Red]) -> None:
    """Name all, tell the story of the first."""
    lines = [f"PROOF_HISTORY={red.history} -k one_history: {'; '.join(red.broken)}" for red in reds]
    pytest.fail("\n".join([f"{len(reds)} random histories broke a promise", *lines, reds[0].story]), pytrace=False)
