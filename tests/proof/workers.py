"""Workers that race: each holds claims of its own, and goes on with one of them by one step when it is told to.

A step is smaller than a call: a call leaves, and later its answer arrives, and between the two anything can happen,
also that so much time passes that the lease runs out and somebody else has settled the payment. As `charging.run`
does, a worker gives up what its lease is too short for, and counts failures for the breaker.
"""

import random
import uuid
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from bridge.loop import DATABASE_ERRORS
from payments import charging, limits
from payments.answers import Reply, Unknown
from payments.charging.calls import CALL_DEADLINE
from payments.charging.claim import Claim
from payments.charging.pause import heed
from payments.charging.steps import Call, Calls
from payments.limits import Endpoint
from tests.stepping import steps

if TYPE_CHECKING:
    from tests.proof.crowd import Crowd

# More at once would be one more of the same.
MOST_CLAIMS = 8


@dataclass
class _Running:
    claim: Claim
    steps: Calls
    call: Call | None = None
    answer: Reply | None = None
    asked: Endpoint = Endpoint.LIST
    deadline: datetime | None = None


class Worker:
    """One process. `skew`: how far its clock is ahead of the others', negative: behind."""

    def __init__(self, world: "Crowd", dice: random.Random, name: str) -> None:
        self._world, self._dice, self.name = world, dice, name
        self.skew = timedelta()
        self.begin()

    def begin(self) -> None:
        """A process that knows nothing: what it held stays leased until its time."""
        self._running: list[_Running] = []
        self._gateway = self._world.connect()
        self._breaker = limits.Breaker()

    @property
    def is_busy(self) -> bool:
        """Whether it holds anything."""
        return bool(self._running)

    def clock(self) -> datetime:
        """The time, as this process sees it."""
        return self._world.clock() + self.skew

    def claim(self, ids: Sequence[uuid.UUID]) -> None:
        """Answer a doorbell."""
        if len(self._running) >= MOST_CLAIMS:
            return
        try:
            claims = charging.claim(payment_ids=ids, now=self.clock())
        except DATABASE_ERRORS:
            return
        for claim in sorted(claims, key=lambda one: str(one.payment)):
            its = _Running(claim=claim, steps=steps(claim=claim, gateway=self._gateway, clock=self.clock))
            self._running.append(its)
            self._advance(its, None)

    def step(self) -> None:
        """Let one call leave, or take one answer."""
        if not self._running:
            return
        its = self._dice.choice(self._running)
        if its.call is not None:
            call, its.call = its.call, None
            its.asked, its.answer = call.endpoint, call()
            return
        answer, its.answer = its.answer, None
        late = its.deadline is not None and self.clock() > its.deadline
        if answer is None or (late and self._dice.random() < 0.5):
            # Given up by its deadline; or the process stood still, and finds the answer when it goes on.
            answer = Unknown(why="deadline")
        limits.breaker = self._breaker
        with suppress(*DATABASE_ERRORS):
            heed(endpoint=its.asked, reply=answer, now=self.clock())
        self._advance(its, answer)

    def _advance(self, its: _Running, answer: Reply | None) -> None:
        try:
            its.call = next(its.steps) if answer is None else its.steps.send(answer)
        except (StopIteration, *DATABASE_ERRORS):
            self._running.remove(its)
            return
        its.deadline = self.clock() + CALL_DEADLINE
        if its.deadline > its.claim.lease_until:
            its.steps.close()
            self._running.remove(its)
