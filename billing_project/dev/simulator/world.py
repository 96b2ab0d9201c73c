"""Everything that the server holds between two requests, in one place that can be reset."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

from .access import ApiKeys
from .faults import Faults
from .idempotency import IdempotencyKeys, Stored
from .journal import Journal
from .later import Later
from .ledger import Ledger
from .records import Event
from .shapes import shape
from .traffic import Traffic
from .webhooks import Destination, Webhooks


@dataclass(frozen=True, slots=True)
class Latency:
    """How long an answer takes: `ms`, or `slow_ms` for a share of them (0 to 1)."""

    ms: float = 0.0
    slow_share: float = 0.0
    slow_ms: float = 0.0


NO_LATENCY = Latency()


class World:
    """The state of one simulated Stripe account."""

    def __init__(
        self,
        *,
        latency: Latency = NO_LATENCY,
        journal: Path | None = None,
        seed: int | None = None,
        webhooks: Destination | None = None,
        behind: float = 0.0,
    ) -> None:
        self._first_latency = latency
        self._random = random.Random(seed)  # noqa: S311 - only spreads latency
        self._journal = Journal(journal) if journal else None
        self.ledger = Ledger(journal=self._journal, seed=seed, behind=behind)
        self.later = Later(now=self.ledger.now)
        self.webhooks = Webhooks(destination=webhooks, seed=seed)
        self.ledger.listener = self._announce
        self._begin()
        if self._journal is not None:
            self._remember(self._journal)

    def reset(self) -> None:
        """Forget all but the clock: objects, keys, faults, requests, changed latency and webhooks, the journal."""
        with self.ledger.lock:
            self.ledger.clear()
            self.later.clear()
            self.webhooks.reset()
            if self._journal is not None:
                self._journal.erase()
            self._begin()

    def close(self) -> None:
        """Close the journal."""
        if self._journal is not None:
            self._journal.close()

    def draw_latency(self) -> float:
        """Return the seconds that this answer is to take."""
        latency = self.latency
        slow = latency.slow_share > 0 and self._random.random() < latency.slow_share
        return (latency.slow_ms if slow else latency.ms) / 1000

    def _announce(self, event: Event) -> None:
        if self.webhooks.destination is not None:
            self.webhooks.announce(shape(event))

    def _remember(self, journal: Journal) -> None:
        newest = 0
        for record in journal.read():
            if isinstance(record, Stored):
                self.keys.restore(record)
            else:
                self.ledger.restore(record)
                newest = max(newest, record.created)
        # The clock may have been ahead, and lists rely on the order of creation.
        self.ledger.advance(max(0.0, newest - self.ledger.now()))
        journal.open()

    def _begin(self) -> None:
        self.keys = IdempotencyKeys(now=self.ledger.now, keep=self.ledger.write)
        self.api_keys = ApiKeys()
        self.faults = Faults()
        self.traffic = Traffic()
        self.latency = self._first_latency
