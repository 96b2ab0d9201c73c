"""All messages that a process has in hand go on as one run: what many of them write at the same moment is written
together, and only one thread at a time works on them.

Of the threads that have a message in hand one leads: it runs for all, until its own message has ended, and then another
one takes over. A thread for each message costs more than the payments: they would all want the interpreter at once.
"""

import threading
import uuid
from collections.abc import Sequence
from contextvars import copy_context
from queue import Empty, SimpleQueue

from structlog.contextvars import unbind_contextvars

from payments import tracing
from payments.charging.message import Message
from payments.charging.run import Run, turns_of
from payments.charging.steps import Clock
from payments.charging.together import renew_connection
from payments.charging.turns import Pace
from payments.gateway import Gateway


class InHand:
    """What one process has in hand. For any number of threads."""

    def __init__(self) -> None:
        self._run = Run()
        self._arrived: SimpleQueue[Message] = SimpleQueue()
        self._changed = threading.Condition()
        self._is_led = False

    def charge(self, *, payment_ids: Sequence[uuid.UUID], gateway: Gateway, clock: Clock, pace: Pace) -> int:
        """As `run.charge`, beside the other messages."""
        with tracing.span("charge", count=len(payment_ids)):
            message = Message(gateway=gateway, clock=clock)
            message.turns = turns_of(payment_ids=payment_ids, gateway=gateway, clock=clock, pace=pace)
            self._arrived.put(message)
            self._run.knock()
            while not self._wait(message):
                copy_context().run(self._lead, message)
            return message.result()

    def _wait(self, mine: Message) -> bool:
        """Until it has ended: True; or until nobody leads: False, and the caller does."""
        with self._changed:
            self._changed.wait_for(lambda: mine.ended or not self._is_led)
            if not mine.ended:
                self._is_led = True
            return mine.ended

    def _lead(self, mine: Message) -> None:
        unbind_contextvars("task")  # what is logged from now on may be about any message
        try:
            renew_connection()  # ours has been idle while another one led, and may be gone
            while not mine.ended:
                self._take_in()
                if self._run.go_round():
                    with self._changed:
                        self._changed.notify_all()
        finally:
            with self._changed:
                self._is_led = False
                self._changed.notify_all()

    def _take_in(self) -> None:
        try:
            while True:
                self._run.take_in(self._arrived.get_nowait())
        except Empty:
            pass
