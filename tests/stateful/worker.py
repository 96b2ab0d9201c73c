"""A worker that does one step at a time: a thread with a database connection of its own.

Only one of them moves at any moment, and the test says which, so that a history runs the same way again.
"""

import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from django.db import connection, connections

from payments import charging
from payments.answers import Reply
from payments.charging.steps import Call, Calls
from payments.gateway import Gateway
from tests.conftest import Clock
from tests.stepping import steps

T = TypeVar("T")
PATIENCE = 30.0


class Worker:
    """Holds at most one payment. `call` is what it asks of Stripe; `answer` what Stripe has said, unheard as yet."""

    def __init__(self, *, gateway: Gateway, clock: Clock) -> None:
        self._gateway, self._clock = gateway, clock
        self._thread = ThreadPoolExecutor(1)
        self._steps: Calls | None = None
        self.call: Call | None = None
        self.answer: Reply | None = None

    def claim(self, ids: Sequence[uuid.UUID]) -> None:
        """Take one of these payments, if any is due and free, and go on to the first call."""

        def do() -> None:
            for claimed in charging.claim(payment_ids=ids, now=self._clock())[:1]:
                self._steps = steps(claim=claimed, gateway=self._gateway, clock=self._clock)
                self._next(None)

        self._do(do)

    def ask(self) -> None:
        """Stripe carries out the call; the worker doesn't hear of it yet."""
        assert self.call
        self.answer = self._do(self.call)

    def hear(self, answer: Reply) -> None:
        """The worker learns this, and goes on to its next call, or has finished."""
        self._do(lambda: self._next(answer))

    def die(self) -> None:
        """As a killed process leaves the world: nothing in memory, and its transactions rolled back."""

        def do() -> None:
            if self._steps:
                self._steps.close()
            connection.close()

        self._do(do)
        self._steps = self.call = self.answer = None

    def dismiss(self) -> None:
        """The end of the test."""
        self._do(connections.close_all)
        self._thread.shutdown()

    def _next(self, answer: Reply | None) -> None:
        assert self._steps
        self.call = self.answer = None
        try:
            self.call = next(self._steps) if answer is None else self._steps.send(answer)
        except StopIteration:
            self._steps = None

    def _do(self, what: Callable[[], T]) -> T:
        return self._thread.submit(what).result(PATIENCE)
