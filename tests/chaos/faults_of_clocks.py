"""Clocks that jump, of all processes of one kind, and back: what was ahead is behind then, to whoever noted the time.

A bridge's clock jumps ahead only, as its time is the cap on that of records: two events of one subscription that come
while it is behind are one to it. A worker's jumps are short of a lease, as what it dies with in hand waits for that by
its clock.
"""

import random
from collections.abc import Iterator

from tests.chaos.fault import Fault, Strike, away
from tests.chaos.system import System

# Seconds.
JUMPS = {"bridge": (600,), "worker": (30, -30), "beat": (600, -600), "relay": (600, -600), "web": (600, -600)}


def jumps(kind: str, *, seconds: int) -> Strike:
    """All clocks of the kind, and back after a while."""

    def strike(system: System, chance: random.Random) -> None:
        file = system.clock_of(kind)
        file.write_text(str(seconds))
        away(chance, (1.0, 5.0))
        file.write_text("0")

    return strike


def faults_of_clocks() -> Iterator[Fault]:
    """All of them."""
    for kind, spans in JUMPS.items():
        for seconds in spans:
            name = f"clock of {kind} {abs(seconds)} s {'ahead' if seconds > 0 else 'behind'}"
            yield Fault(kind="clock", name=name, on=f"clock of {kind}", strike=jumps(kind, seconds=seconds))
