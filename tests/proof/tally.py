"""What a run of the proof has looked at: numbers that add up over the workers of pytest-xdist.

Knows nothing of the product, so that the plugin that prints them can be loaded before Django's settings are read.
"""

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import Any


@dataclass(kw_only=True)
class Tally:
    """Histories, and what happened in them. Adds up as plain JSON."""

    histories: Counter[str] = field(default_factory=Counter)
    """By number of strikes, of those that were cut at given points."""
    random_histories: Counter[str] = field(default_factory=Counter)
    """Histories, subscriptions, records, payments, attempts."""
    ingredients: Counter[str] = field(default_factory=Counter)
    """What happened in the random ones, and how often."""
    ways: Counter[str] = field(default_factory=Counter)
    operations: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    checks: Counter[str] = field(default_factory=Counter)
    behaviours: Counter[str] = field(default_factory=Counter)
    crash_points: set[str] = field(default_factory=set)

    def add(self, other: dict[str, Any]) -> None:
        """Add what another worker has sent."""
        for name, value in other.items():
            getattr(self, name).update(value)

    def note_faults(self, script: list[dict[str, Any]]) -> None:
        """Count what the simulator's script says has struck."""
        for fault in script:
            if fault["struck"]:
                self.faults[f"{fault['kind']} {fault['effect']}"] += fault["struck"]

    def as_json(self) -> str:
        """What a worker sends."""
        return json.dumps(vars(self) | {"crash_points": sorted(self.crash_points)})


# Of this process.
TALLY = Tally()
