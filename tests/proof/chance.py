"""A gate at which strikes are drawn: at any operation the process may die, lose its connection, or stand still."""

import random
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, TypeVar

from django.db import connection

from tests.proof.crash import CANT_STALL, Gate, Way

T = TypeVar("T")

# Of a hundred operations: so many that most histories have some, and few that nothing would ever be finished.
STRIKES = 0.03
STANDSTILLS = 0.04
LATE = 0.05

# A request that was given up may still be under way, for as long as proxies and networks keep one; what names a
# customer isn't kept, as Stripe would rightly be left with the older one.
LONGEST_LATE = 3600.0
CAN_BE_LATE = ("/v1/payment_intents", "/confirm", "/cancel", "/refunds")


class Chance(Gate):
    """Strikes by chance while `dangers` are on. `meanwhile`: what others do while a process stands still."""

    def __init__(self, dice: random.Random, *, meanwhile: Callable[[], None], now: Callable[[], datetime]) -> None:
        super().__init__()
        self._dice, self._meanwhile, self._now = dice, meanwhile, now
        self.dangers: set[str] = set()
        self.happened: Counter[str] = Counter()
        self.under_way: list[tuple[datetime, Callable[[], Any]]] = []
        self.calls_in_transactions = 0

    def run(self, kind: str, name: str, do: Callable[[], T], *, lost: Exception) -> T:
        """Let one operation pass, or strike."""
        if not self.open:
            return do()
        self.counts[kind] += 1
        self.calls_in_transactions += kind == "stripe" and connection.in_atomic_block
        lots = [self._dice.random() for _ in range(4)]
        if "strikes" in self.dangers and lots[0] < STRIKES:
            return self._draw_strike(kind, name, do, lost, lots[3])
        if kind == "stripe" and "late" in self.dangers and lots[1] < LATE and name.endswith(CAN_BE_LATE):
            self.happened["late"] += 1
            self.log.append(f"{kind} {name}   <-- late")
            self.under_way.append((self._now() + timedelta(seconds=lots[3] * LONGEST_LATE), do))
            raise lost
        still = "standstills" in self.dangers and lots[2] < STANDSTILLS and kind not in CANT_STALL
        still = still and not connection.in_atomic_block
        self.log.append(f"{kind} {name}" + ("   <-- stands still" if still else ""))
        if still and lots[3] < 0.5:
            self.happened["standstills"] += 1
            self._meanwhile()
        done = do()
        if still and lots[3] >= 0.5:
            self.happened["standstills"] += 1
            self._meanwhile()
        return done

    def let_arrive(self, *, until: datetime | None = None) -> int:
        """What was under way for so long arrives now; nobody waits for its answer. Returns how many."""
        found = [do for at, do in self.under_way if until is None or at <= until]
        self.under_way = [] if until is None else [one for one in self.under_way if one[0] > until]
        for do in found:
            self.log.append("a late request arrives")
            with suppress(Exception):
                do()
        return len(found)

    def _draw_strike(self, kind: str, name: str, do: Callable[[], T], lost: Exception, lot: float) -> T:
        ways = (Way.DIE_BEFORE, Way.DIE_AFTER, Way.LOSE_BEFORE, Way.LOSE_AFTER)
        way = ways[int(lot * len(ways))]
        self.happened[way.value] += 1
        self.log.append(f"{kind} {name}   <-- {way.value}")
        return self._strike(way, kind, do, lost)
