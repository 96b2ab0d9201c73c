"""The network between any two parts: cut, slow, resetting, truncating; and connections that are lost at a COMMIT."""

import random
import time
from collections.abc import Callable, Iterator

from tests.chaos.fault import Fault, InVain, Strike, away
from tests.chaos.network import Link, slowed
from tests.chaos.parts import LINKS
from tests.chaos.system import System

# In a cut nobody is told anything, so it has to last for a while to be noticed.
CUT = (2.0, 10.0)
SLOW = (0.05, 0.6)
# Some links are used now and then.
MET_WITHIN = 12.0


def cut(link: Link, _: System, chance: random.Random) -> None:
    """Nothing passes, and nobody is told; afterwards what was on its way arrives."""
    link.is_cut = True
    away(chance, CUT)
    until_met(link)
    link.is_cut = False


def slow(link: Link, _: System, chance: random.Random) -> None:
    """Each piece takes its time."""
    with slowed(link, by=chance.uniform(*SLOW)):
        away(chance, CUT)
        until_met(link)


def resetting(link: Link, system: System, chance: random.Random) -> None:
    """Connections end with a reset, new ones too."""
    link.resets = True
    system.network.reset(link)
    away(chance)
    until_met(link)
    link.resets = False


def truncating(link: Link, _: System, chance: random.Random) -> None:
    """Connections end in the middle of an answer."""
    link.truncates = True
    away(chance)
    until_met(link)
    link.truncates = False


def until_met(link: Link) -> None:
    """It lasts until somebody is on that link, but not for ever."""
    before, deadline = link.met_before, time.monotonic() + MET_WITHIN
    while link.times_met == before and time.monotonic() < deadline:
        time.sleep(0.05)


def on_link(name: str, made: Callable[[Link, System, random.Random], None]) -> Strike:
    """On this link."""

    def strike(system: System, chance: random.Random) -> None:
        link = system.network[name]
        link.met_before = link.times_met
        made(link, system, chance)
        if link.times_met == link.met_before:
            raise InVain

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
            yield Fault(kind="network", name=f"{made.__name__} {link}", on=link, strike=on_link(link, made))
    for kind in ("bridge", "worker", "relay"):
        for arrives in (True, False):
            name = f"{kind} cut off at COMMIT, which {'arrives' if arrives else 'is lost'}"
            strike = cut_at_commit(kind, arrives=arrives)
            yield Fault(kind="postgres", name=name, on=f"{kind}-postgres", strike=strike)
