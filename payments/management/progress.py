"""How far it is: a bar on a terminal, a plain line now and then elsewhere. On stderr, as the answer is on stdout."""

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import IO, TypeVar, cast

from django.core.management.base import OutputWrapper
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

T = TypeVar("T")

# Where nobody looks at a bar, a log is not to be filled either.
LINE_EVERY = 5.0


class Show:
    """One thing of `total` steps. Use it as a context manager."""

    def __init__(
        self, out: OutputWrapper, *, what: str, total: int, clock: Callable[[], float] = time.monotonic
    ) -> None:  # fmt: skip
        self._out, self._what, self._total, self._clock = out, what, total, clock
        self._line_at = clock() + LINE_EVERY
        self._bar: Progress | None = None
        if out.isatty():
            columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
            self._bar = Progress(*columns, console=Console(file=cast("IO[str]", out)), transient=True)
            self._task = self._bar.add_task(what, total=total)

    def __enter__(self) -> "Show":
        if self._bar:
            # A line for each step would break the bar into pieces; whoever looks at it has the history to read.
            self._level = logging.getLogger().level
            logging.getLogger().setLevel(max(self._level, logging.WARNING))
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._bar:
            self._bar.stop()
            logging.getLogger().setLevel(self._level)

    def at(self, done: int) -> None:
        """So many of them are over."""
        if self._bar:
            self._bar.update(self._task, completed=done)
        elif self._clock() >= self._line_at:
            self._line_at = self._clock() + LINE_EVERY
            self._out.write(f"{self._what}: {done} of {self._total}")

    def each(self, things: Iterable[T]) -> Iterator[T]:
        """The same things, counted as they go by."""
        for number, thing in enumerate(things, start=1):
            yield thing
            self.at(number)
