"""The network between any two parts: cut, slow, resetting, truncating; and connections that are lost at a COMMIT."""

import random
from collections.abc import Iterator

from tests.chaos.fault import Fault, InVain, Strike, away
from tests.chaos.parts import LINKS
from tests.chaos.system import System

# In a cut nobody is told anything, so it has to last for a while to be noticed.
CUT = (2.0, 10.0)
SLOW = (0.05, 0.6)


def cut(name: str) -> Strike:
    """Nothing passes, and nobody is told; afterwards what was on its way arrives."""

    def strike(system: System, chance: random.Random) -> None:
        system.network[name].is_cut = True
        away(chance, CUT)
        system.network[name].is_cut = False

    return strike


def slow(name: str) -> Strike:
    """Each piece takes its time."""

    def strike(system: System, chance: random.Random) -> None:
        system.network[name].delay = chance.uniform(*SLOW)
        away(chance, CUT)
        system.network[name].delay = 0.0

    return strike


def resetting(name: str) -> Strike:
    """Connections end with a reset, new ones too."""

    def strike(system: System, chance: random.Random) -> None:
        system.network[name].resets = True
        system.network.reset(system.network[name])
        away(chance)
        system.network[name].resets = False

    return strike


def truncating(name: str) -> Strike:
    """Connections end in the middle of an answer."""

    def strike(system: System, chance: random.Random) -> None:
        system.network[name].truncates = True
        away(chance)
        system.network[name].truncates = False

    return strike


def cut_at_commit(kind: str, *, arrives: bool) -> Strike:
    """A process's COMMIT is never answered; the database has carried it out, or has never seen it."""

    def strike(system: System, chance: random.Random) -> None:
        link = system.network[f"{kind}-postgres"]
        link.cut_word_arrives, before = arrives, link.times_cut
        link.cuts_at = b"COMMIT"
        away(chance)
        link.cuts_at = None
        if link.times_cut == before:
            raise InVain

    return strike


def faults_of_network() -> Iterator[Fault]:
    """All of them."""
    for link in LINKS:
        for made in (cut, slow, resetting, truncating):
            yield Fault(kind="network", name=f"{made.__name__} {link}", on=link, strike=made(link))
    for kind in ("bridge", "worker", "relay"):
        for arrives in (True, False):
            name = f"{kind} cut off at COMMIT, which {'arrives' if arrives else 'is lost'}"
            strike = cut_at_commit(kind, arrives=arrives)
            yield Fault(kind="postgres", name=name, on=f"{kind}-postgres", strike=strike)
