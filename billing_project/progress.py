"""Worker and beat under watch: a file that is fresh as long as they make progress, and the worker's numbers on a port.

As with bridge and relay: one that waits for Redis or for the database is alive, as a restart would bring neither back.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from bridge.metrics import SettingUnusable, served
from payments import counters

TOUCH_EVERY = 1.0
# Seconds in which no slot comes free where all are busy, or in which a charge does not end: no task takes minutes but a
# long comparison of books, of which there is one at a time. One thread charges for all; others come and go beside it.
STUCK_AFTER = 600.0


class Progress:
    """Of this process. Safe to share between threads."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._path: Path | None = None
        self._slots: int | None = None
        self._touched_at = 0.0
        self._moved_at = clock()
        self._began: dict[str, float] = {}
        self._charges: dict[str, float] = {}
        self._until_the_end = ExitStack()

    def begin(self, *, path: str | None, slots: int | None = None, port: int | None = None) -> None:
        """Keep this file, and answer on this port. Raises `SystemExit` with one line where that can't be done."""
        self._path, self._slots, self._moved_at = Path(path) if path else None, slots, self._clock()
        try:
            if self._path is not None:
                self._path.touch()
            if port is not None:
                self._until_the_end.enter_context(served(counters.WORKER, port=port))
        except OSError as error:
            raise SystemExit(
                f"HEALTH_FILE: can't be written ({error.strerror}): name a file in a folder that we may write to"
            ) from None
        except SettingUnusable as unusable:
            raise SystemExit(str(unusable)) from None

    def end(self) -> None:
        """The file is gone, and nobody answers any more."""
        self._until_the_end.close()
        if self._path is not None:
            self._path.unlink(missing_ok=True)
        self._path = None

    def touch(self) -> None:
        """The loop has gone round. Writes once a second at most, and nothing while slots or charges are stuck. Raises
        nothing: a file that can't be written grows old, which says it."""
        path, now = self._path, self._clock()
        if path is None or now < self._touched_at + TOUCH_EVERY or self._is_stuck(now):
            return
        self._touched_at = now
        with suppress(OSError):
            path.touch()

    def take_up(self, task_id: str, *, charges: bool = False) -> None:
        """A slot is at work on this."""
        self._began[task_id] = self._clock()
        if charges:
            self._charges[task_id] = self._clock()

    def put_down(self, task_id: str) -> float | None:
        """It has ended. Returns its seconds; None where nobody saw it begin."""
        began = self._began.pop(task_id, None)
        self._charges.pop(task_id, None)
        self._moved_at = self._clock()
        return None if began is None else self._moved_at - began

    @contextmanager
    def waiting(self, each_second: Callable[[], None]) -> Iterator[None]:
        """The loop stands still as long as the block lasts, since a service is away: the file stays fresh."""
        over = threading.Event()

        def stay() -> None:
            while not over.wait(TOUCH_EVERY):
                self.touch()
                each_second()

        thread = threading.Thread(target=stay, name="waiting", daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def _is_stuck(self, now: float) -> bool:
        if self._slots is not None and len(self._began) >= self._slots and now > self._moved_at + STUCK_AFTER:
            return True
        return any(now > began + STUCK_AFTER for began in list(self._charges.values()))


progress = Progress()
