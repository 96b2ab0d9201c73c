"""Stand-ins for what would make a history run differently each time: threads, and the machine's clock."""

import itertools
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from datetime import datetime, tzinfo
from typing import Any


class _Numbered(Future[Any]):
    """The product keeps futures in sets, whose order is that of hashes; addresses in memory differ each time."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self._number = number

    def __hash__(self) -> int:
        return self._number


class InlineThreads:
    """An executor whose calls are over when `submit` returns. Whatever kills a call kills the caller."""

    _numbers: Iterator[int] = itertools.count()

    @classmethod
    def begin(cls) -> None:
        """Count from the start: another history begins."""
        cls._numbers = itertools.count()

    def submit(self, call: Callable[[], Any]) -> "Future[Any]":
        """Call at once."""
        done = _Numbered(next(self._numbers))
        done.set_result(call())
        return done


def clock_of(clock: Callable[[], datetime]) -> type[datetime]:
    """A `datetime` whose now is the history's."""

    class Datetime(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Any:
            return clock()

    return Datetime
