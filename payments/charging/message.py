"""A message in hand: the payments that it has rung for, from the first one's turn until the last has come to rest."""

import threading
import uuid
from collections.abc import Sequence
from contextvars import Context, copy_context
from dataclasses import dataclass, field

from opentelemetry.trace import Span
from structlog.contextvars import get_contextvars

from payments.charging.claim import Claim
from payments.charging.steps import Clock, Steps
from payments.charging.turns import Pace, Turns, connections
from payments.gateway import Gateway
from payments.limits import Endpoint


@dataclass(kw_only=True, eq=False)
class Begun:
    """A payment under way. `tokens`: what it may call without asking; None: whatever it likes."""

    message: "Message"
    claim: Claim
    steps: Steps
    tokens: set[Endpoint] | None
    span: Span


@dataclass(kw_only=True, eq=False)
class Message:
    """The payments of one message, from the first one's turn until the last one has come to rest: `ended`.

    Without a `pace` they don't wait for their turns; `turns` are planned by whoever runs it.
    """

    payment_ids: Sequence[uuid.UUID]
    gateway: Gateway
    clock: Clock
    pace: Pace | None = None
    turns: Turns | None = None
    under_way: set[Begun] = field(default_factory=set)
    claimed: int = 0
    connections: int = 0
    troubles: list[Exception] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)
    task: str = field(default_factory=lambda: get_contextvars().get("task", ""))
    context: Context = field(default_factory=copy_context)
    """Of whoever has the message in hand: its payments' spans are linked to its span."""

    @property
    def is_at_rest(self) -> bool:
        """Whether nobody is under way, or waits for its turn."""
        return not self.under_way and not (self.turns and self.turns.is_waiting)

    def free(self, count: int) -> None:
        """So many are at Stripe no more."""
        self.connections -= count
        connections.free(count)

    def stop(self) -> None:
        """Nobody waits for its turn any more."""
        if self.turns:
            self.turns.stop()

    def fail(self, trouble: Exception) -> None:
        """Raised when those under way have come to rest; nobody else begins."""
        self.troubles.append(trouble)
        self.stop()

    def end(self) -> None:
        """It is at rest, or nobody looks after it any more."""
        self.free(self.connections)
        self.ended.set()

    def result(self) -> int:
        """How many were claimed. Raises an `ExceptionGroup` of what was unexpected."""
        if self.troubles:
            raise ExceptionGroup("payments were interrupted", self.troubles)
        return self.claimed
