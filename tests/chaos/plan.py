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


@dataclass(frozen=True, kw_only=True)
class Round:
    """Faults that strike together, each so many seconds after the round has begun, and its own chance."""

    faults: Sequence[tuple[float, Fault, int]]


@dataclass(kw_only=True)
class Struck:
    """What a round has done: from its last fault's end, how long until an event that was sent then was told.

    `names` and `kinds` are those that have struck, `in_vain` the names of those that met nobody.
    """

    names: tuple[str, ...]
    kinds: tuple[str, ...]
    at: float
    lasted: float
    recovered: float | None
    in_vain: Sequence[str] = ()
    failures: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """For the report."""
        return vars(self)


def make_plan(*, faults: Sequence[Fault], wanted: Mapping[str, int], together: int, seed: int) -> list[Round]:
    """So many of each kind, each fault of a kind as often as its neighbours.

    Where each fault of a kind comes twice it strikes once alone; all else is mixed. Failovers meet this version only:
    what the version before it made of them is mended since, or was known.
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
    places = [place for place, some in enumerate(chosen) if some[0].on == EVERYTHING]
    for place, one in zip(places, _by_version([chosen[place][0] for place in places]), strict=True):
        chosen[place] = [one]
    return [
        Round(
            faults=[(number * chance.uniform(0, APART), one, chance.getrandbits(32)) for number, one in enumerate(some)]
        )
        for some in chosen
    ]


def _by_version(big: Sequence[Fault]) -> Sequence[Fault]:
    """Each failover after an odd number of deploys: the first one brings this version, the next takes it back."""
    deploys = [fault for fault in big if fault.kind == "deploy"]
    others = [fault for fault in big if fault.kind != "deploy"]
    found: list[Fault] = []
    while deploys or others:
        found += [*deploys[:1], *others[:1], *deploys[1:2]]
        deploys, others = deploys[2:], others[1:]
    return found


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
    in_vain: list[str] = []

    def one(delay: float, fault: Fault, seed: int) -> None:
        time.sleep(delay)
        try:
            fault.strike(system, random.Random(seed))
        except InVain:
            in_vain.append(fault.name)
        except Exception as trouble:  # noqa: BLE001 - whatever it is, it is the harness's, and is told
            failures.append(f"{fault.name}: {type(trouble).__name__}: {trouble}")

    threads = [threading.Thread(target=one, args=fault, daemon=True) for fault in round_.faults]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lasted = time.monotonic() - at
    faults = [fault for _, fault, _ in round_.faults if fault.name not in in_vain]
    return Struck(
        names=tuple(one.name for one in faults), kinds=tuple(one.kind for one in faults), at=at - began_at,
        lasted=lasted, recovered=system.wait_for_probe(), in_vain=in_vain, failures=failures,
    )  # fmt: skip
