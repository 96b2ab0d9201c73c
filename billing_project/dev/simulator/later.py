"""What was promised for later: effects that come after their answer, by the simulator's clock.

Not in the journal: what has not happened when the process ends never does.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(slots=True, eq=False)
class Promise:
    """`run` tells what came of it. `due`: the clock's second, or None for when it is asked for."""

    run: Callable[[], dict[str, Any]]
    due: float | None


class Later:
    """Effects to come, in the order of their promise. The caller holds the ledger's lock."""

    def __init__(self, *, now: Callable[[], float]) -> None:
        self._now = now
        self._promises: list[Promise] = []

    def clear(self) -> None:
        """Forget all of them."""
        self._promises.clear()

    def add(self, run: Callable[[], dict[str, Any]], *, seconds: float | None) -> Promise:
        """Promise an effect in so many seconds of the clock, or for when somebody asks."""
        promise = Promise(run, None if seconds is None else self._now() + seconds)
        self._promises.append(promise)
        return promise

    def keep(self, promise: Promise) -> dict[str, Any] | None:
        """Run one, unless it has been run or forgotten meanwhile."""
        if promise not in self._promises:
            return None
        self._promises.remove(promise)
        return promise.run()

    def keep_due(self) -> None:
        """Run what is due."""
        now = self._now()
        for promise in [p for p in self._promises if p.due is not None and p.due <= now]:
            self.keep(promise)

    def keep_all(self) -> list[dict[str, Any]]:
        """Run everything, due or not, and tell what came of each."""
        return [told for promise in list(self._promises) if (told := self.keep(promise)) is not None]
