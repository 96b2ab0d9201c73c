"""The last resort of an end in good order: what isn't over in time ends the process, with one line and exit code 1.

Kafka's client can hang for minutes in a call that no exception reaches. To be cut off there is safe: rows whose
offsets were not committed are known when their records come again.
"""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

import structlog

log = structlog.get_logger(__name__)


@contextmanager
def ended_within(*, seconds: float, what: str) -> Iterator[None]:
    """Give the block so long; `what` it is, in words, for whoever reads why the process has ended."""
    timer = threading.Timer(seconds, give_up, kwargs={"what": what, "seconds": seconds})
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def give_up(*, what: str, seconds: float) -> NoReturn:
    """End the process now, from whatever thread."""
    log.error("ended by force", why=f"{what} was not over in time", seconds=seconds)
    os._exit(1)
