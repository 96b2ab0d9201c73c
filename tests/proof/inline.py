"""Stand-ins for what would make a history run differently each time: threads, and the machine's clock."""

from collections.abc import Callable
from concurrent.futures import Future
from datetime import datetime, tzinfo
from typing import Any


class InlineThreads:
    """An executor whose calls are over when `submit` returns. Whatever kills a call kills the caller."""

    def submit(self, call: Callable[[], Any]) -> "Future[Any]":
        """Call at once."""
        done: Future[Any] = Future()
        done.set_result(call())
        return done


def clock_of(clock: Callable[[], datetime]) -> type[datetime]:
    """A `datetime` whose now is the history's."""

    class Datetime(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Any:
            return clock()

    return Datetime
