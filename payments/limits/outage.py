"""When Stripe seems down: counted by each process for itself, and told to all by a row (`charging.pause`)."""

import threading
from collections import Counter

from payments.limits.endpoints import Endpoint

# Fewer would open it for one card network's hiccup; more would make that many customers wait for nothing.
FAILURES_TO_OPEN = 10


class Breaker:
    """Counts answers that Stripe's servers failed to give, one after the other, in this process.

    For each endpoint, as an outage may be of one alone while the others answer well; and over all of them.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._failures: Counter[Endpoint | None] = Counter()

    def note(self, *, endpoint: Endpoint, failed: bool) -> bool:
        """Note one answer. Returns True when it is the one that should open the breaker; then counts anew."""
        with self._lock:
            for counted in (endpoint, None):
                self._failures[counted] = self._failures[counted] + 1 if failed else 0
            opens = max(self._failures.values()) >= FAILURES_TO_OPEN
            if opens:
                self._failures.clear()
            return opens

    def forget(self) -> None:
        """Count anew, as a fresh process does."""
        with self._lock:
            self._failures.clear()


breaker = Breaker()
