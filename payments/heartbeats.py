"""Heartbeats: each process writes into a row of its own that it is there, so that every other can see who is missing.

A loop only notes that it went round, which never waits; a thread writes that down, on a connection of its own. So a
database that is away neither slows nor ends a process, and a loop that hangs is seen: its thread has nothing new.
"""

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, get_args

import structlog
from django.db import DatabaseError, InterfaceError, close_old_connections, connection

from payments.models import Heartbeat

log = structlog.get_logger(__name__)

Process = Literal["bridge", "relay", "worker", "beat", "web"]
PROCESSES: tuple[Process, ...] = get_args(Process)

# Fewer writes than the doorbells of a single payment, and often enough for whoever judges by `MISSING_AFTER`.
WRITE_EVERY = 5.0
# A loop that waits for Kafka or Redis goes round every 15 s at the latest.
MISSING_AFTER = timedelta(seconds=30)
# Whoever looks for a process that is gone wants to know where and when it was last seen.
KEPT_FOR = timedelta(days=1)
# A process that ends waits for its thread no longer than that: the database may be away.
STOP_WITHIN = 1.0


class Heart:
    """The heartbeat of this process. Safe to share between threads; `note` and `tell` never wait and never raise."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._host = socket.gethostname()
        self._started_at = datetime.now(UTC)
        self._noted_at: datetime | None = None
        self._written_at: datetime | None = None
        self._facts: dict[str, Any] = {}
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._pid = 0
        self._is_away = False

    def note(self) -> None:
        """The loop has gone round."""
        self._noted_at = datetime.now(UTC)

    def tell(self, **facts: Any) -> None:
        """Something about this process that others should see, as JSON; None takes it back."""
        with self._lock:
            told = self._facts | facts
            self._facts = {name: value for name, value in told.items() if value is not None}

    def count(self, name: str, **facts: Any) -> None:
        """One more of something, with facts about the last of them."""
        with self._lock:
            self._facts = self._facts | facts | {name: self._facts.get(name, 0) + 1}

    def start(self) -> None:
        """Write every few seconds from now on, in a thread; once for each process, so after a fork anew."""
        with self._lock:
            if self._pid == os.getpid():
                return
            self._pid, self._started_at = os.getpid(), datetime.now(UTC)
            self._stop.clear()
            self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """End the thread. The row stays: it says when the process was last there."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(STOP_WITHIN)
        self._thread, self._pid = None, 0

    @contextmanager
    def beating(self) -> Iterator["Heart"]:
        """As long as the block lasts."""
        self.note()
        self.start()
        try:
            yield self
        finally:
            self.stop()

    def write(self) -> bool:
        """Write what is new, on the caller's connection. Returns whether there was anything, and it is written."""
        noted_at, facts = self._noted_at, self._facts
        if noted_at is None or noted_at == self._written_at:
            return False
        try:
            Heartbeat.objects.bulk_create(
                [
                    Heartbeat(
                        process=self._process, host=self._host, pid=os.getpid(), started_at=self._started_at,
                        beat_at=noted_at, facts=facts,
                    )
                ],
                update_conflicts=True,
                unique_fields=["process", "host", "pid"],
                update_fields=["started_at", "beat_at", "facts"],
            )  # fmt: skip
        except (DatabaseError, InterfaceError) as error:
            if not self._is_away:
                log.warning("heartbeat not written", process=self._process, error=type(error).__name__)
            self._is_away = True
            return False
        self._is_away, self._written_at = False, noted_at
        return True

    def _run(self) -> None:
        try:
            while True:
                close_old_connections()
                self.write()
                if self._stop.wait(WRITE_EVERY):
                    return
        finally:
            connection.close()


_hearts: dict[Process, Heart] = {process: Heart(process) for process in PROCESSES}


def heart_of(process: Process) -> Heart:
    """This process's heart; it beats once it is started."""
    return _hearts[process]


def forget_old(*, now: datetime) -> int:
    """Remove the rows of processes that have not been seen for a day. Returns how many."""
    removed, _ = Heartbeat.objects.filter(beat_at__lt=now - KEPT_FOR).delete()
    return removed


def is_there(beat: Heartbeat, *, now: datetime) -> bool:
    """Whether this process has shown itself lately."""
    return beat.beat_at >= now - MISSING_AFTER
