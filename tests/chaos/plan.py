"""When what breaks: drawn from the seed, so that the same seed breaks the same things in the same order."""

import random
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import cycle, islice
from typing import Any

from tests.chaos.fault import EVERYTHING, Fault, InVain
from tests.chaos.system import System

# Within a round the second fault strikes while the first one lasts, mostly.
APART = 1.5
# So much of the run the version before has for itself: one part of so many.
PART_BEFORE = 10
# A deploy or a failover takes so many times as long as other rounds.
LONGER = 8
SIGNALS = {"kill", "end", "freeze"}


@dataclass(frozen=True, kw_only=True)
class Round:
    """Faults that strike together, each so many seconds after the round has begun, and its own chance."""

    faults: Sequence[tuple[float, Fault, int]]

    @property
    def weight(self) -> int:
        """How much longer than others it takes: so much more of the load is for it."""
        return LONGER if any(fault.on == EVERYTHING for _, fault, _ in self.faults) else 1


@dataclass(kw_only=True)
class Struck:
    """What a round has done: from its last fault's end, how long until an event that was sent then was told.

    `names` and `kinds` are those that have struck, `in_vain` those that met nobody. `is_previous`: it was the version
    before that it struck.
    """

    names: tuple[str, ...]
    kinds: tuple[str, ...]
    at: float
    lasted: float
    recovered: float | None
    in_vain: Sequence[Fault] = ()
    is_previous: bool = False
    failures: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """For the report."""
        return vars(self) | {"in_vain": [one.name for one in self.in_vain]}


def make_plan(*, faults: Sequence[Fault], wanted: Mapping[str, int], together: int, seed: int) -> list[Round]:
    """So many of each kind, each fault of a kind as often as its neighbours.

    Where each fault of a kind comes twice it strikes once alone; all else is mixed. The run begins with the version
    before: what is about everything begins with a deploy of this one, and early. Last come signals alone, which
    always meet somebody.
    """
    chance = random.Random(f"plan {seed}")
    alone: list[Sequence[Fault]] = []
    drawn: list[Fault] = []
    for kind, count in wanted.items():
        of_kind = [fault for fault in faults if fault.kind == kind]
        chance.shuffle(of_kind)
        once = of_kind if count >= 2 * len(of_kind) else []
        alone += [[fault] for fault in once]
        drawn += islice(cycle(of_kind), count - len(once))
    chance.shuffle(drawn)
    chosen = [*alone, *_mix(drawn, together=together, chance=chance)]
    chance.shuffle(chosen)
    _put_deploy_first(chosen)
    _put_signals_last(chosen)
    return [_round(some, chance) for some in chosen]


def strike_again(faults: Sequence[Fault], *, seed: int) -> list[Round]:
    """Each of these once more, alone."""
    chance = random.Random(f"again {seed}")
    return [_round([one], chance) for one in faults]


def _round(some: Sequence[Fault], chance: random.Random) -> Round:
    return Round(
        faults=[(number * chance.uniform(0, APART), one, chance.getrandbits(32)) for number, one in enumerate(some)]
    )


def _put_deploy_first(chosen: list[Sequence[Fault]]) -> None:
    """A failover meets this version only: what the one before made of it is mended since, or was known."""
    deploys = [place for place, some in enumerate(chosen) if some[0].kind == "deploy"]
    if deploys:
        first = chosen.pop(deploys[0])
        failovers = [place for place, some in enumerate(chosen) if some[0].kind == "failover"]
        chosen.insert(min([len(chosen) // PART_BEFORE, *failovers]), first)


def _put_signals_last(chosen: list[Sequence[Fault]]) -> None:
    of_signals = [some for some in chosen if {one.kind for one in some} <= SIGNALS]
    if of_signals:
        chosen.remove(of_signals[-1])
        chosen.append(of_signals[-1])


def _mix(drawn: Sequence[Fault], *, together: int, chance: random.Random) -> Iterator[Sequence[Fault]]:
    """One to so many at once, none of them about the same thing."""
    left = list(drawn)
    while left:
        size = chance.randint(1, together)
        chosen: list[Fault] = []
        for fault in list(left):
            taken = {one.on for one in chosen}
            if len(chosen) < size and fault.on not in taken and (EVERYTHING not in {fault.on, *taken} or not chosen):
                chosen.append(fault)
                left.remove(fault)
        yield chosen


def strike(system: System, round_: Round, *, began_at: float) -> Struck:
    """Strike, wait until it is over, and see how long an event takes then."""
    at = time.monotonic()
    failures: list[str] = []
    in_vain: list[Fault] = []
    is_previous = system.is_previous

    def one(delay: float, fault: Fault, seed: int) -> None:
        time.sleep(delay)
        try:
            fault.strike(system, random.Random(seed))
        except InVain:
            in_vain.append(fault)
        except Exception as trouble:  # noqa: BLE001 - whatever it is, it is the harness's, and is told
            failures.append(f"{fault.name}: {type(trouble).__name__}: {trouble}")

    threads = [threading.Thread(target=one, args=fault, daemon=True) for fault in round_.faults]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lasted = time.monotonic() - at
    faults = [fault for _, fault, _ in round_.faults if fault not in in_vain]
    return Struck(
        names=tuple(one.name for one in faults), kinds=tuple(one.kind for one in faults), at=at - began_at,
        lasted=lasted, recovered=system.wait_for_probe(), in_vain=in_vain, is_previous=is_previous, failures=failures,
    )  # fmt: skip
