"""The crew of a random history: three workers, the doorbells that they hear or don't, and the sweep."""

import random
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING

from tests.proof.crash import Died
from tests.proof.workers import Worker

if TYPE_CHECKING:
    from tests.proof.crowd import Crowd

# Of a hundred sweeps, after so many somebody has mended the key and ended the pause: nothing goes on before.
HASTE_TO_MEND = 0.4

# Of a hundred doorbells, so many that nobody hears.
LOST_RINGS = 0.25


class Crew:
    """Workers by turns. `_on_stack`: those that stand still in the middle of something, while others go on."""

    def __init__(self, world: "Crowd", dice: random.Random) -> None:
        self._world, self._dice = world, dice
        self._on_stack: set[str] = set()
        self.workers = [Worker(world, world.dice(name), name) for name in ("worker 1", "worker 2", "worker 3")]

    @property
    def is_busy(self) -> bool:
        """Whether any of them holds anything."""
        return any(worker.is_busy for worker in self.workers)

    def go_on(self) -> bool:
        """Each takes its steps, by turns, until none has anything in hand. Returns whether there was anything to do."""
        was_busy = self.is_busy
        while self.is_busy:
            for worker in self.workers:
                worker.step()
        return was_busy

    def set_clocks_right(self) -> None:
        """All clocks show the same again."""
        for worker in self.workers:
            worker.skew = timedelta()

    def claim(self) -> None:
        """A worker answers a doorbell, of which some get lost and some come twice."""
        worker = self._dice.choice(self.workers)
        lost = self._dice.random() < LOST_RINGS and "lost rings" in self._world.on
        ids, self._world.rung = self._world.rung, []
        if lost:
            self._world.note("lost rings")
        elif worker.name not in self._on_stack:
            # Without a doorbell it is the sweep's, and of two that ring at once one finds nothing.
            found = ids or (self._world.due() if self._dice.random() < 0.5 else [])
            self._as(worker, lambda: worker.claim(found))

    def step(self) -> None:
        """A few steps of any of those that have something in hand."""
        for _ in range(self._dice.randint(1, 5)):
            busy = [worker for worker in self.workers if worker.is_busy and worker.name not in self._on_stack]
            if busy:
                worker = self._dice.choice(busy)
                self._as(worker, worker.step)

    def _as(self, worker: Worker, do: Callable[[], None]) -> None:
        self._on_stack.add(worker.name)
        try:
            do()
        except Died:
            worker.begin()
            self._world.deaths += 1
        finally:
            self._on_stack.discard(worker.name)

    def sweep(self) -> None:
        """Ring for what is due, and see whether what has paused charging is over."""
        self._world.probe()
        self._world.ring(self._world.due())
        if self._dice.random() < HASTE_TO_MEND:
            self._world.accidents.mend_key()
            self._world.staff.end()

    def set_clock(self) -> None:
        """One worker's clock is ahead or behind."""
        worker = self._dice.choice(self.workers)
        worker.skew = timedelta(seconds=self._dice.choice((-30, -2, 0, 1, 5)))
        self._world.note("skew")

    def kill_one(self) -> None:
        """A worker dies between two steps."""
        worker = self._dice.choice(self.workers)
        if worker.name not in self._on_stack:
            self._world.note("deaths of workers")
            worker.begin()
