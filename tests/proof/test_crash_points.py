"""Every crash point: strike at each operation of a payment's life, once and in pairs, and audit what comes of it.

Enumerated: death before and after every operation of every behaviour; and, for `PAIRS_OF_ALL`, every pair of deaths. A
death before an operation leaves behind what a death after the one before it does, so that pairs are of deaths after.
Drawn with a seed: strikes in other ways (all of them with PROOF_SIZE=soak), and pairs of all ways under all behaviours.
"""

import random
from collections.abc import Iterable, Iterator, Sequence

import pytest

from tests.proof.behaviours import BEHAVIOURS, Behaviour
from tests.proof.crash import Strike, Way
from tests.proof.history import Laboratory, points
from tests.proof.sizes import FULL, ONLY, OTHERWISE, SEED, SIZE

# A behaviour has hundreds of places to strike at, and a busy machine is slow.
pytestmark = pytest.mark.timeout(900)

NAMED = {behaviour.name: behaviour for behaviour in BEHAVIOURS}
by_name = pytest.mark.parametrize("name", NAMED)
PAIRS_OF_ALL = ("success", "reset after")

ALL_WAYS = tuple(Way)
DEATHS = (Way.DIE_BEFORE, Way.DIE_AFTER)
# In the sample of `make test`.
SAMPLED_DEATHS = 2
FIRSTS, SECONDS = (4, 3) if FULL else (1, 2)


@by_name
def test_an_uninterrupted_life_keeps_the_promises(laboratory: Laboratory, name: str) -> None:
    """The life that all others are cut from."""
    judge(laboratory, NAMED[name], [()])


@by_name
def test_every_single_strike_keeps_the_promises(laboratory: Laboratory, name: str) -> None:
    """P1 to P5, whatever happens once at any operation."""
    behaviour = NAMED[name]
    strikes = list(points(laboratory.run(behaviour).following, among=ALL_WAYS))
    deaths = [strike for strike in strikes if strike.way in DEATHS]
    others = [strike for strike in strikes if strike.way not in DEATHS]
    draw = random.Random(f"{SEED}/{name}")
    chosen = deaths if FULL else draw.sample(deaths, SAMPLED_DEATHS)
    chosen += others if OTHERWISE is None else draw.sample(others, min(OTHERWISE, len(others)))
    judge(laboratory, behaviour, [(strike,) for strike in chosen])


@by_name
def test_pairs_of_strikes_keep_the_promises(laboratory: Laboratory, name: str) -> None:
    """P1 to P5, also when the recovery is struck: drawn among all ways."""
    judge(laboratory, NAMED[name], _draw_pairs(laboratory, NAMED[name]))


if SIZE in ("full", "soak"):  # minutes

    @pytest.mark.parametrize("name", PAIRS_OF_ALL)
    def test_every_pair_of_deaths_keeps_the_promises(laboratory: Laboratory, name: str) -> None:
        """P1 to P5, when the recovery dies as well, at any of its operations."""
        judge(laboratory, NAMED[name], _all_pairs(laboratory, NAMED[name]))


if ONLY and not ONLY.startswith("random/"):

    def test_one_history_keeps_the_promises(laboratory: Laboratory) -> None:
        """A history that was red, once more: PROOF_HISTORY='success/5:die-after,3:stall-before' … -k one_history."""
        name, _, strikes = ONLY.partition("/")
        judge(laboratory, NAMED[name], [[Strike.parse(one) for one in strikes.split(",") if one]])


def judge(laboratory: Laboratory, behaviour: Behaviour, histories: Iterable[Sequence[Strike]]) -> None:
    """Run all, and fail with every history that broke a promise."""
    red = []
    for strikes in histories:
        outcome = laboratory.run(behaviour, strikes)
        if outcome.broken:
            red.append((strikes, outcome))
    if red:
        lines = [f"{_name(behaviour, strikes)}: {'; '.join(outcome.broken)}" for strikes, outcome in red]
        pytest.fail("\n".join([f"{len(red)} histories broke a promise", *lines, red[0][1].story]), pytrace=False)


def _draw_pairs(laboratory: Laboratory, behaviour: Behaviour) -> Iterator[Sequence[Strike]]:
    draw = random.Random(f"{SEED}/pairs/{behaviour.name}")
    life = list(points(laboratory.run(behaviour).following, among=ALL_WAYS))
    for first in draw.sample(life, FIRSTS):
        following = list(points(laboratory.run(behaviour, (first,)).following, among=ALL_WAYS))
        yield from ((first, second) for second in draw.sample(following, min(SECONDS, len(following))))


def _all_pairs(laboratory: Laboratory, behaviour: Behaviour) -> Iterator[Sequence[Strike]]:
    for first in list(points(laboratory.run(behaviour).following, among=(Way.DIE_AFTER,))):
        following = laboratory.run(behaviour, (first,)).following
        yield from ((first, second) for second in points(following, among=(Way.DIE_AFTER,)))


def _name(behaviour: Behaviour, strikes: Sequence[Strike]) -> str:
    return f"{behaviour.name}/{','.join(map(str, strikes))}"
