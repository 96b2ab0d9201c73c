"""The event loop of this process, in a thread of its own: where calls wait that take no thread each."""

import asyncio
import atexit
import functools
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, TypeVar

import uvloop

T = TypeVar("T")

# At the end of the process nobody waits longer for connections to be closed.
PATIENCE = 1.0


def start(coroutine: Coroutine[Any, Any, T]) -> "Future[T]":
    """Have it run there. What it brings, and what goes wrong with it, is the future's."""
    with _making:
        loop = _loop()
    return asyncio.run_coroutine_threadsafe(coroutine, loop)


def close_at_exit(close: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """When the process ends, in an orderly way."""
    _closing.append(close)


_making = threading.Lock()
_closing: list[Callable[[], Coroutine[Any, Any, None]]] = []


@functools.cache
def _loop() -> asyncio.AbstractEventLoop:
    """Made after the fork, if any. Of libuv, as a call costs a worker less of its processor there."""
    loop = uvloop.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="stripe", daemon=True)
    thread.start()
    atexit.register(_end, loop, thread)
    return loop


def _end(loop: asyncio.AbstractEventLoop, thread: threading.Thread) -> None:
    for close in _closing:
        with suppress(Exception):
            asyncio.run_coroutine_threadsafe(close(), loop).result(PATIENCE)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(PATIENCE)
