"""What is fresh as long as a loop makes its rounds: a file, for whoever has to restart a process that hangs, and a
heartbeat in the database, for the people at the admin.

A loop that waits for a database or for Kafka makes its rounds: a restart would bring neither back.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from bridge.metrics import SettingUnusable
from payments import intake

TOUCH_EVERY = 1.0


class Health:
    """The file and the heart, if there are any. Use from the loop's own thread."""

    def __init__(self, path: Path | None, *, heart: intake.Heart | None = None) -> None:
        self._path, self._heart = path, heart
        self._touched_at = 0.0
        self._waits = False

    @classmethod
    @contextmanager
    def kept(cls, path: Path | None, *, heart: intake.Heart | None = None) -> Iterator[Self]:
        """Make the file, and remove it at the end of the block. Raises `SettingUnusable`."""
        health = cls(path, heart=heart)
        try:
            health.touch()
        except OSError as error:
            raise SettingUnusable(
                f"HEALTH_FILE: can't be written ({error.strerror}): name a file in a folder that we may write to"
            ) from None
        try:
            yield health
        finally:
            if path is not None:
                path.unlink(missing_ok=True)

    def touch(self) -> None:
        """A round is made. Once a second at most."""
        now = time.monotonic()
        if now < self._touched_at + TOUCH_EVERY:
            return
        if self._waits:
            self._waits = False
            self._tell(None)
        self.show()
        self._touched_at = now

    def waits(self, why: str) -> None:
        """The loop has to wait for a service; until its next round."""
        self._waits = True
        self._tell(why)
        self.show()

    def show(self) -> None:
        """It is there, and goes on with whatever it was at."""
        if self._path is not None:
            self._path.touch()
        if self._heart is not None:
            self._heart.note()

    def _tell(self, why: str | None) -> None:
        if self._heart is not None:
            self._heart.tell(waits_for=why)
