"""What a fault is: a function that breaks one thing, for a while, and returns when that is over."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass

from tests.chaos.system import System

# How long something is away, in seconds: drawn anew each time.
AWAY = (0.5, 3.0)

# Whoever is about this strikes alone.
EVERYTHING = "everything"

Strike = Callable[[System, random.Random], None]


class InVain(Exception):
    """It was there, and met nobody."""


@dataclass(frozen=True, kw_only=True)
class Fault:
    """`on`: what it is about, as two faults on the same thing don't strike at once."""

    kind: str
    name: str
    on: str
    strike: Strike


def away(chance: random.Random, span: tuple[float, float] = AWAY) -> None:
    """For so long it stays broken."""
    time.sleep(chance.uniform(*span))
