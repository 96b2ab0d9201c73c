"""When what breaks: drawn from the seed, so that the same seed breaks the same things in the same order."""

import random
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import cycle, islice
from typing import Any

from tests.chaos.fault import EVERYTHING, Fault
from tests.chaos.system import System

# Within a round the second fault strikes while the first one lasts, mostly.
APART = 1.5


@dataclass(frozen=True, kw_only=True)
class Round:
    """Faults that strike together, each so many seconds after the round has begun, and its own chance."""

    faults: Sequence[tuple[float, Fault, int]]


@dataclass(kw_only=True)
class Struck:
    """What a round has done: from its last fault's end, how long until an event that was sent then was told."""

    names: tuple[str, ...]
    kinds: tuple[str, ...]
    at: float
    lasted: float
    recovered: float | None
    failures: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """For the report."""
        return vars(self)


def make_plan(*, faults: Sequence[Fault], wanted: Mapping[str, int], together: int, seed: int) -> list[Round]:
    """So many of each kind, each fault of a kind as often as its neighbours; every third round has one alone."""
    chance = random.Random(f"plan {seed}")
    drawn: list[Fault] = []
    for kind, count in wanted.items():
        of_kind = [fault for fault in faults if fault.kind == kind]
        chance.shuffle(of_kind)
        drawn += islice(cycle(of_kind), count)
    chance.shuffle(drawn)
    rounds = []
    while drawn:
        size = chance.choice((1, *range(2, together + 1)))
        chosen: list[Fault] = []
        for fault in list(drawn):
            taken = {one.on for one in chosen}
            if len(chosen) < size and fault.on not in taken and (EVERYTHING not in {fault.on, *taken} or not chosen):
                chosen.append(fault)
                drawn.remove(fault)
        delays = [number * chance.uniform(0, APART) for number in range(len(chosen))]
        rounds.append(Round(faults=[(at, one, chance.getrandbits(32)) for at, one in zip(delays, chosen, strict=True)]))
    return rounds


def strike(system: System, round_: Round, *, began_at: float) -> Struck:
    """Strike, wait until it is over, and see how long an event takes then."""
    at, failures = time.monotonic(), []

    def one(delay: float, fault: Fault, seed: int) -> None:
        time.sleep(delay)
        try:
            fault.strike(system, random.Random(seed))
        except Exception as trouble:  # noqa: BLE001 - whatever it is, it is the harness's, and is told
            failures.append(f"{fault.name}: {type(trouble).__name__}: {trouble}")

    threads = [threading.Thread(target=one, args=fault, daemon=True) for fault in round_.faults]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lasted = time.monotonic() - at
    faults = [fault for _, fault, _ in round_.faults]
    return Struck(
        names=tuple(one.name for one in faults), kinds=tuple(one.kind for one in faults), at=at - began_at,
        lasted=lasted, recovered=system.wait_for_probe(), failures=failures,
    )  # fmt: skip
