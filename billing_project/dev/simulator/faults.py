"""Scripted faults: what goes wrong between the caller and the effect.

A fault is data; when a request matches, its kind's function wraps the execution. `effect` says where it
strikes: `before` the effect (which then does not happen), `after` it (only the answer suffers), or `none`
(an answer made up on the way, nothing executes and nothing is stored under the key). Some kinds have their
own place and take no notice of it: `rate_limit`, `lock_timeout` and `conflict` never execute, `roll_forward` does
later. A new kind is a function in `KINDS`.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Literal

from .endpoints import ENDPOINTS
from .errors import key_in_use, object_locked, rate_limited
from .exchange import Answer, Exchange

REMEMBERED_FAULTS = 1000
# "payment_intents.confirm", and "confirm" for short.
OF_INTENTS = "payment_intents."
ENDPOINT_NAMES = {name for e in ENDPOINTS.values() for name in (e.name, e.name.removeprefix(OF_INTENTS))}

Effect = Literal["before", "after", "none"]


@dataclass(slots=True, eq=False)
class Fault:
    """One line of the script.

    It lets `skip` matching requests pass, then strikes `count` times (None: for ever). `endpoint` is a name
    from the table of endpoints, or its last part for PaymentIntents ("confirm"). `seconds`: how long a
    time-out holds; a held request goes on afterwards, so a time-out `before` becomes a late effect. For
    `roll_forward`: how long, by the simulator's clock, the effect is behind its answer (None: until control says).
    """

    kind: str
    endpoint: str | None = None
    effect: Effect = "after"
    count: int | None = 1
    skip: int = 0
    status: int = 500
    seconds: float | None = None
    payment_intent: str | None = None
    payment_method: str | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    struck: int = 0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"unknown kind of fault {self.kind!r}; there are {', '.join(KINDS)}")
        if self.count is not None and self.count < 1:
            raise ValueError("count is at least 1, or nothing for ever")
        if self.endpoint is not None and self.endpoint not in ENDPOINT_NAMES:
            raise ValueError(f"no endpoint {self.endpoint!r}")
        if self.effect not in {"before", "after", "none"}:
            raise ValueError("effect is before, after or none")

    @property
    def used_up(self) -> bool:
        """Whether it has struck as often as it shall."""
        return self.count is not None and self.struck >= self.count

    def matches(self, exchange: Exchange) -> bool:
        """Whether this request is meant."""
        about = exchange.about
        # A stored answer comes before execution, so nothing can be made up in its place.
        if about.replay and (self.kind in WITHIN or (self.kind == "status" and self.effect != "none")):
            return False
        if self.kind == "conflict" and exchange.received.idempotency_key is None:
            return False
        return (
            self.endpoint in {None, about.endpoint, about.endpoint.removeprefix(OF_INTENTS)}
            and self.payment_intent in {None, about.payment_intent}
            and (self.payment_method is None or self.payment_method in about.payment_methods)
            and self.metadata.items() <= about.metadata.items()
        )


class Faults:
    """The script. The first matching line strikes; used-up lines are kept apart, the last ones for a look."""

    def __init__(self) -> None:
        self.lines: list[Fault] = []
        self.spent: deque[Fault] = deque(maxlen=REMEMBERED_FAULTS)

    def take(self, exchange: Exchange) -> Fault | None:
        """Return the fault that strikes this request, if any, and count it."""
        for fault in self.lines:
            if not fault.matches(exchange):
                continue
            if fault.skip > 0:
                fault.skip -= 1
                continue
            fault.struck += 1
            if fault.used_up:
                self.lines.remove(fault)
                self.spent.append(fault)
            return fault
        return None


async def play(fault: Fault | None, exchange: Exchange) -> Answer:
    """Execute the request as the fault has it."""
    if fault is None:
        return await exchange.execute()
    return await KINDS[fault.kind](fault, exchange)


async def _status(fault: Fault, exchange: Exchange) -> Answer:
    answer = _made_up(fault.status)
    if fault.effect == "none":
        return answer
    return await exchange.execute(instead=answer, effect=fault.effect == "after")


async def _rate_limit(_fault: Fault, _exchange: Exchange) -> Answer:
    return Answer.of_error(rate_limited())


async def _lock_timeout(_fault: Fault, exchange: Exchange) -> Answer:
    return Answer.of_error(object_locked(), subject=exchange.about.payment_intent)


async def _conflict(_fault: Fault, exchange: Exchange) -> Answer:
    return Answer.of_error(key_in_use(exchange.received.idempotency_key or ""), subject=exchange.about.payment_intent)


async def _roll_forward(fault: Fault, exchange: Exchange) -> Answer:
    wanted = _made_up(fault.status)
    answer = await exchange.execute(instead=wanted, effect=False)
    if answer is not wanted:
        return answer
    world = exchange.world
    with world.ledger.lock:
        promise = world.later.add(exchange.carry_out, seconds=fault.seconds)

    def keep() -> None:
        with world.ledger.lock:
            world.later.keep(promise)

    if fault.seconds is not None:
        # The clock also goes by itself; whoever moves it forward comes first.
        asyncio.get_running_loop().call_later(fault.seconds, keep)
    return answer


async def _timeout(fault: Fault, exchange: Exchange) -> Answer:
    answer = await exchange.execute() if fault.effect == "after" else None
    if not await exchange.hold(fault.seconds):
        return _lost(answer)
    return answer or await exchange.execute()


async def _reset(fault: Fault, exchange: Exchange) -> Answer:
    return _lost(await exchange.execute() if fault.effect == "after" else None)


async def _cut(fault: Fault, exchange: Exchange) -> Answer:
    answer = await exchange.execute() if fault.effect == "after" else Answer(200, '{"id": "pi_cut", "object": "')
    return replace(answer, cut=True)


async def _garble(fault: Fault, exchange: Exchange) -> Answer:
    answer = await exchange.execute() if fault.effect == "after" else Answer(200, '{"id": "pi_cut", "object": "')
    return replace(answer, body=answer.body[: len(answer.body) // 2])


def _made_up(status: int) -> Answer:
    kind = "api_error" if status >= 500 else "invalid_request_error"
    error = {"type": kind, "message": "An error that the simulator was asked for."}
    return Answer(status, json.dumps({"error": error}))


def _lost(answer: Answer | None) -> Answer:
    return replace(answer, status=0) if answer else Answer(0)


KINDS: dict[str, Callable[[Fault, Exchange], Awaitable[Answer]]] = {
    "status": _status,
    "timeout": _timeout,
    "reset": _reset,
    # The connection breaks in the middle of the body.
    "cut": _cut,
    # The body is whole as HTTP counts it, and no JSON.
    "garble": _garble,
    # 429 before anything is looked at.
    "rate_limit": _rate_limit,
    # 429: another request has the object.
    "lock_timeout": _lock_timeout,
    # 409: another request has the key.
    "conflict": _conflict,
    # A stored 5xx now, the effect later.
    "roll_forward": _roll_forward,
}
# Kinds that a stored answer forestalls.
WITHIN = frozenset({"lock_timeout", "conflict", "roll_forward"})
