"""Calls to Stripe under way, heard of in the order in which they end.

A call that never ends is given up by its own deadline.
"""

import functools
import time
from collections.abc import Iterator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from queue import Empty, SimpleQueue
from typing import Any

from opentelemetry.trace import Span

from payments import limits, tracing
from payments.answers import Reply, Unknown
from payments.charging.message import Begun
from payments.charging.steps import Call
from payments.gateway import CONNECT_TIMEOUT, CONNECTIONS, READ_TIMEOUT, Question, start
from payments.limits import Endpoint

# The read time-out counts from one byte to the next; this one counts from the start.
CALL_DEADLINE = timedelta(seconds=CONNECT_TIMEOUT + READ_TIMEOUT + 2)

# A call that nobody planned waits for its token no longer: its deadline runs meanwhile.
LONGEST_WAIT_UNPLANNED = 10.0


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A call under way, whose it is, and until when it is waited for."""

    begun: Begun
    endpoint: Endpoint
    deadline: datetime


class Calls:
    """Those of one run. For one thread at a time; `knock` is for any."""

    def __init__(self) -> None:
        self._asked: dict[Future[Reply], Asked] = {}
        self._nearest: Asked | None = None
        self._ended: SimpleQueue[Future[Reply] | None] = SimpleQueue()

    def ask(self, begun: Begun, call: Call, deadline: datetime) -> None:
        """Begin one."""
        future = _begin(call, begun)
        asked = self._asked[future] = Asked(begun=begun, endpoint=call.endpoint, deadline=deadline)
        if self._nearest is None or deadline < self._nearest.deadline:
            self._nearest = asked
        future.add_done_callback(self._ended.put)

    @property
    def asking(self) -> set[Begun]:
        """Whose call is under way."""
        return {one.begun for one in self._asked.values()}

    def knock(self) -> None:
        """Have `hear` return: there is something else to do."""
        self._ended.put(None)

    def hear(self, *, seconds: float | None) -> Iterator[tuple[Asked, Reply | Exception]]:
        """Wait for the next answers or deadlines, or for so long: what each call has brought."""
        for future in self._next(seconds):
            asked = self._asked.pop(future, None)
            if not self._asked:
                self._nearest = None
            if asked is None:
                continue  # given up long ago
            # One that waits for its thread is taken back; any other may still be carried out.
            gave_up = not future.done()
            future.cancel()
            yield asked, Unknown(why="deadline") if gave_up else _answer(future)

    def _next(self, seconds: float | None) -> Iterator["Future[Reply]"]:
        nearest = self._nearest  # of a call that may have ended: looking through hundreds each time would cost more
        if nearest:
            left = max(0.0, (nearest.deadline - nearest.begun.message.clock()).total_seconds())
            seconds = left if seconds is None else min(seconds, left)
        with suppress(Empty):
            one = self._ended.get(timeout=seconds)
            while True:
                if one is not None:
                    yield one
                one = self._ended.get_nowait()
        if nearest and nearest.deadline <= nearest.begun.message.clock():
            yield from [one for one, asked in self._asked.items() if asked.deadline <= asked.begun.message.clock()]
            self._nearest = min(self._asked.values(), key=lambda one: one.deadline, default=None)


def _answer(future: "Future[Reply]") -> Reply | Exception:
    """What a call has brought; what went wrong with it is for its payment's steps."""
    try:
        return future.result()
    except CancelledError:
        return Unknown(why="no_answer")  # its connection was closed under it
    except Exception as trouble:  # noqa: BLE001 - as above
        return trouble


def _begin(call: Call, begun: Begun) -> "Future[Reply]":
    """The calls of which there are many wait on the event loop; the others, and what has to wait for its token, in
    threads."""
    planned = begun.tokens is None or call.endpoint in begun.tokens
    if planned and begun.tokens is not None:
        begun.tokens.remove(call.endpoint)
    if planned and isinstance(call.ask, Question):
        return start(_later(call.ask, call.endpoint, begun.span))
    return _threads().submit(_now, call, begun.span, waits=not planned)


async def _later(ask: Question[Any], endpoint: Endpoint, span: Span) -> Reply:
    with tracing.within(span, f"stripe {endpoint.value}"):
        reply: Reply = await ask.later()
        return reply


def _now(call: Call, span: Span, *, waits: bool) -> Reply:
    with tracing.within(span, f"stripe {call.endpoint.value}"):
        if waits:
            time.sleep(min(limits.reserve(endpoint=call.endpoint), LONGEST_WAIT_UNPLANNED))
        return call()


@functools.cache
def _threads() -> ThreadPoolExecutor:
    """Shared by all messages of this process; made after the fork, if any."""
    return ThreadPoolExecutor(max_workers=CONNECTIONS, thread_name_prefix="stripe")
