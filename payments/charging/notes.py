"""What the settlings of one transaction have to write: noted by each, and written for all of them at once."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Model

from payments.models import Attempt, OutboxMessage, Payment, Transition
from payments.models.changes import save_changes, save_new


@dataclass
class Notes:
    """What settlings of one transaction write, each kind in one statement. `rows` with what they held when read."""

    rows: list[tuple[Model, Mapping[str, Any]]] = field(default_factory=list)
    history: list[Transition] = field(default_factory=list)
    told: list[OutboxMessage] = field(default_factory=list)

    def declines_of(self, card: str) -> int:
        """How many declines of this card are noted and not written yet."""
        return sum(isinstance(row, Attempt) and row.card == card != read["card"] for row, read in self.rows)

    def write(self) -> None:
        """All that was noted since the last time, in the order in which it happened."""
        # Attempts before their payments.
        save_changes(sorted(self.rows, key=lambda one: isinstance(one[0], Payment)))
        save_new(self.history)
        save_new(self.told)
        self.rows, self.history, self.told = [], [], []
