"""What search knows of the PaymentIntents: the past, by a lag."""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Callable, Iterator

from .records import PaymentIntent

# "Under a minute" in fair weather; an hour in outages.
LAG_SECONDS = 60.0


class Searchable:
    """Each PaymentIntent as it was `lag` seconds of the clock ago. The caller holds the ledger's lock."""

    def __init__(self, *, now: Callable[[], float]) -> None:
        self._now = now
        self._lag = LAG_SECONDS
        self._coming: deque[tuple[float, PaymentIntent]] = deque()
        self._known: dict[str, PaymentIntent] = {}

    def set_lag(self, seconds: float) -> None:
        """Let changes be known so many seconds after they were made; what is known already stays so."""
        if seconds < 0:
            raise ValueError("a lag is at least 0 seconds")
        self._learn()
        self._lag = seconds

    def note(self, intent: PaymentIntent) -> None:
        """Take a change, to be known later."""
        self._coming.append((self._now(), copy.copy(intent)))
        self._learn()

    def newest_first(self) -> Iterator[PaymentIntent]:
        """Yield what is known, in the order of creation, last first."""
        self._learn()
        return reversed(self._known.values())

    def _learn(self) -> None:
        until = self._now() - self._lag
        while self._coming and self._coming[0][0] <= until:
            _, intent = self._coming.popleft()
            self._known[intent.id] = intent
