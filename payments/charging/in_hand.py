"""All messages that a process has in hand go on as one run, in one thread, with one connection to PostgreSQL: what many
of them ask or write at the same moment is asked and written together.

A thread for each message costs more than the payments: all would want the interpreter at once, each a connection and
statements of its own. So whoever has a message in hand waits for its end, and many can.
"""

import threading
import uuid
from collections.abc import Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue

from django.db import connection

from payments import tracing
from payments.charging.message import Message
from payments.charging.run import Run
from payments.charging.steps import Clock
from payments.charging.turns import Pace
from payments.gateway import Gateway


class InHand:
    """What one process has in hand. For any number of threads; its own begins with the first message."""

    def __init__(self) -> None:
        self._run = Run()
        self._arrived: SimpleQueue[Message | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def charge(self, *, payment_ids: Sequence[uuid.UUID], gateway: Gateway, clock: Clock, pace: Pace) -> int:
        """As `run.charge`, beside the other messages."""
        with tracing.span("charge", count=len(payment_ids)):
            message = Message(payment_ids=payment_ids, gateway=gateway, clock=clock, pace=pace)
            with self._lock:
                if self._thread is None or not self._thread.is_alive():
                    # Ours once it runs: where none can be started, the next message tries again.
                    thread = threading.Thread(target=self._go_on, name="charging", daemon=True)
                    thread.start()
                    self._thread = thread
                self._arrived.put(message)
                self._run.knock()
            message.ended.wait()
            return message.result()

    def end(self) -> None:
        """Wait for the end of what is in hand. The next message begins anew."""
        with self._lock:
            if self._thread:
                self._arrived.put(None)
                self._run.knock()
                self._thread.join()
                self._thread = None

    def _go_on(self) -> None:
        try:
            goes_on = True
            while goes_on or not self._run.is_idle:
                was_idle = self._run.is_idle
                goes_on = self._take_in() and goes_on
                self._run.go_round(after_rest=was_idle)
        finally:
            connection.close()

    def _take_in(self) -> bool:
        """What has arrived; where nothing is in hand, wait for it. Returns False where there will be no more."""
        goes_on = True
        with suppress(Empty):
            message = self._arrived.get(block=self._run.is_idle)
            while True:
                if message is None:
                    goes_on = False
                else:
                    self._run.take_in(message)
                message = self._arrived.get_nowait()
        return goes_on
