"""What bridge and relay have in common: run until told to stop, and outlive the services they need.

A service that is away is named in one line, tried again with growing pauses, and picked up again when it is
back. What needs a person ends the process with one line and exit code 1.
"""

import signal
import socket
import threading
import time
from collections.abc import Callable
from types import FrameType

import structlog
from django.db import DatabaseError, InterfaceError, OperationalError, ProgrammingError, connection

from bridge.deadline import give_up
from bridge.kafka import KafkaAway

log = structlog.get_logger(__name__)

FIRST_PAUSE = 0.5
LONGEST_PAUSE = 15.0
# A session that ran this long was well: its next trouble starts with a short pause again.
WELL_AFTER = 30.0

SIGNALS = (signal.SIGTERM, signal.SIGINT)
UNDEFINED_TABLE = "42P01"
DATABASE_ERRORS = (OperationalError, InterfaceError)


class Stop:
    """Set by SIGTERM and SIGINT; loops look at it between steps."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def listen(self, *, within: float) -> None:
        """Take over the signals of this process, which then has so many seconds to end. Call from the main thread.

        A thread of its own is told of them: a handler would have to wait for the call that the main thread is in.
        """
        told, self._tells = socket.socketpair()
        self._tells.setblocking(False)
        signal.set_wakeup_fd(self._tells.fileno(), warn_on_full_buffer=False)
        for number in SIGNALS:
            signal.signal(number, _leave_it_to_the_thread)
        threading.Thread(target=self._wait_for_signal, args=[told, within], name="signals", daemon=True).start()

    def set(self) -> None:
        """Ask the loop to end."""
        self._event.set()

    def __bool__(self) -> bool:
        return self._event.is_set()

    def wait(self, seconds: float) -> None:
        """Sleep, unless it is time to stop."""
        self._event.wait(seconds)

    def _wait_for_signal(self, told: socket.socket, within: float) -> None:
        [number] = told.recv(1)
        log.info("stopping", why=signal.Signals(number).name)
        self._event.set()
        time.sleep(within)
        give_up(what="stopping", seconds=within)


def _leave_it_to_the_thread(_: int, __: FrameType | None) -> None:
    """Python's own handlers would end the process."""


def is_away(error: Exception) -> bool:
    """Whether the database is what this error is about, and not what it was asked. A connection that is reset at some
    moments of an answer is psycopg2's bare `DatabaseError`, without a code; all others have a class of their own."""
    return isinstance(error, DATABASE_ERRORS) or type(error) is DatabaseError


def pauses() -> Callable[[], float]:
    """Growing pauses: 0.5, 1, 2, … 15 seconds."""
    pause = FIRST_PAUSE / 2

    def following() -> float:
        nonlocal pause
        pause = min(pause * 2, LONGEST_PAUSE)
        return pause

    return following


def keep_running(*, process: str, session: Callable[[Stop], None], stop: Stop) -> None:
    """Run sessions until `stop`; one that ends because a service is away is followed by another."""
    next_pause = pauses()
    while not stop:
        began = time.monotonic()
        try:
            session(stop)
        except KafkaAway as away:
            why = str(away)
        except ProgrammingError as error:
            if getattr(error.__cause__, "pgcode", "") != UNDEFINED_TABLE:
                raise
            why = "the database lacks tables of this version: run manage.py migrate"
        except (DatabaseError, InterfaceError) as error:
            if not is_away(error):
                raise
            why = "the database does not answer (DATABASE_URL)"
            connection.close()
        else:
            continue
        if time.monotonic() - began > WELL_AFTER:
            next_pause = pauses()
        pause = next_pause()
        log.warning("waiting", process=process, why=why, pause=pause)
        stop.wait(pause)
