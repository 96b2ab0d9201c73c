"""A file that is fresh as long as a loop makes its rounds, for whoever has to restart a process that hangs.

A loop that waits for a database or for Kafka makes its rounds: a restart would bring neither back.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from bridge.metrics import SettingUnusable

TOUCH_EVERY = 1.0


class Health:
    """The file, if there is one. Use from the loop's own thread."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._touched_at = 0.0

    @classmethod
    @contextmanager
    def kept(cls, path: Path | None) -> Iterator[Self]:
        """Make it, and remove it at the end of the block. Raises `SettingUnusable`."""
        health = cls(path)
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
        """Once a second at most."""
        now = time.monotonic()
        if self._path is None or now < self._touched_at + TOUCH_EVERY:
            return
        self._path.touch()
        self._touched_at = now
