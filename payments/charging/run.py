"""Run the steps of many payments side by side: HTTP in threads, the database in the caller's thread alone.

One payment's trouble must never touch its neighbours: each is settled as soon as its own answer is there, together
with those whose answers came at the same moment; a call that never ends is given up by its own deadline, and an
unexpected error is raised only after the others have come to rest. Nobody waits for the slowest either: whose turn
comes later begins beside those under way.
"""

import functools
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog
from opentelemetry.trace import Span

from payments import limits, tracing
from payments.answers import Reply, Unknown
from payments.charging.claim import Claim, claim
from payments.charging.pause import heed, is_paused
from payments.charging.steps import Call, Clock, Steps, steps
from payments.charging.turns import Pace, Turns, connections, plan
from payments.charging.writes import Write, Wrote, carry_out
from payments.gateway import CONNECT_TIMEOUT, CONNECTIONS, READ_TIMEOUT, Gateway
from payments.limits import Endpoint, Wish

log = structlog.get_logger(__name__)

# The read time-out counts from one byte to the next; this one counts from the start.
CALL_DEADLINE = timedelta(seconds=CONNECT_TIMEOUT + READ_TIMEOUT + 2)

# A call that nobody planned waits for its token no longer: its deadline runs meanwhile.
LONGEST_WAIT_UNPLANNED = 10.0


# What a payment's steps are sent: nothing at first, then what a call or a write has brought.
Brought = Reply | Wrote | Exception


@dataclass(frozen=True, kw_only=True)
class _Begun:
    """A payment under way. `tokens`: what it may call without asking; None: whatever it likes."""

    claim: Claim
    steps: Steps
    tokens: set[Endpoint] | None
    span: Span


@dataclass(frozen=True, kw_only=True)
class _Asked:
    begun: _Begun
    endpoint: Endpoint
    deadline: datetime


def charge(*, payment_ids: Sequence[uuid.UUID], gateway: Gateway, clock: Clock, pace: Pace | None = None) -> int:
    """Claim what is due of these payments and bring each as far as it goes. Returns how many were claimed.

    With a `pace`, payments wait for the tokens of the rate limit, and what is still waiting when its patience ends
    is left as it is; without one, all go at once. Raises an `ExceptionGroup` after all have come to rest, if
    something unexpected happened to some of them; those keep their lease and are found by the sweep.
    """
    with tracing.span("charge", count=len(payment_ids)):
        return _charge(payment_ids, gateway, clock, pace)


def _charge(payment_ids: Sequence[uuid.UUID], gateway: Gateway, clock: Clock, pace: Pace | None) -> int:
    run = _Run(gateway=gateway, clock=clock)
    if pace is None:
        run.begin(claim(payment_ids=payment_ids, now=clock()), wishes=None)
        return run.rest(None)
    wishes = plan(payment_ids=payment_ids, live=pace.live, knows_account=bool(gateway.account), now=clock())
    try:
        return run.rest(Turns(waiting=wishes, pace=pace))
    finally:
        connections.free(run.connections)


@dataclass(kw_only=True)
class _Run:
    """One message under way."""

    gateway: Gateway
    clock: Clock
    asked: dict["Future[Reply]", _Asked] = field(default_factory=dict)
    troubles: list[Exception] = field(default_factory=list)
    claimed: int = 0
    connections: int = 0

    def rest(self, turns: Turns | None) -> int:
        """Until all who had their turn have come to rest. Returns how many were claimed."""
        while self.asked or (turns and turns.is_waiting):
            if turns and turns.is_time:
                self._let(turns)
            self._hear(at_most=turns.seconds if turns else None)
        if self.troubles:
            raise ExceptionGroup("payments were interrupted", self.troubles)
        return self.claimed

    def begin(self, claims: Sequence[Claim], *, wishes: Mapping[uuid.UUID, Wish] | None) -> None:
        """Ask the first question of each."""
        self.claimed += len(claims)
        begun = []
        for one in claims:
            log.info(
                "taken up", payment=str(one.payment), attempt=one.number, step=one.step.value,
                trace=tracing.id_of(one.traceparent),
            )  # fmt: skip
            its_steps = steps(claim=one, gateway=self.gateway, clock=self.clock)
            tokens = None if wishes is None else set(wishes[one.payment].calls)
            span = tracing.begin("charge payment", traceparent=one.traceparent, payment=str(one.payment))
            begun.append(_Begun(claim=one, steps=its_steps, tokens=tokens, span=span))
        self._advance([(one, None) for one in begun])

    def _let(self, turns: Turns) -> None:
        """Claim those whose turn it is. What can't be claimed gives its tokens back."""
        wishes = turns.take()
        self.connections += len(wishes)
        claims: list[Claim] = []
        try:
            claims = claim(payment_ids=list(wishes), now=self.clock()) if wishes else []
        except Exception as trouble:  # noqa: BLE001 - raised when those under way have come to rest
            self.troubles.append(trouble)
            turns.stop()
        unclaimed = wishes.keys() - {one.payment for one in claims}
        if unclaimed:
            limits.give_back(calls=[call for one in unclaimed for call in wishes[one].calls])
            self._free(len(unclaimed))
            if is_paused():
                # Whoever waits here would go ahead of what matters more when charging goes on: the sweep knows.
                turns.stop()
        self.begin(claims, wishes=wishes)

    def _hear(self, *, at_most: float | None) -> None:
        """Wait for the next answers or deadlines, or for so many seconds, and take each payment a step further."""
        if not self.asked:
            time.sleep(at_most or 0.0)
        heard: list[tuple[_Begun, Brought]] = []
        for future in self._ended(at_most) if self.asked else ():
            ended = self.asked.pop(future)
            # A call that hasn't begun is taken back; one that is under way may still be carried out.
            gave_up = not future.done()
            future.cancel()
            answer = Unknown(why="deadline") if gave_up else _answer(future)
            heard.append((ended.begun, answer))
            try:
                heed(endpoint=ended.endpoint, reply=answer, now=self.clock())
            except Exception as trouble:  # noqa: BLE001 - the answers that came with it are settled all the same
                self.troubles.append(trouble)
        self._advance(heard)

    def _ended(self, at_most: float | None) -> Iterator["Future[Reply]"]:
        nearest = min(one.deadline for one in self.asked.values())
        seconds = max(0.0, (nearest - self.clock()).total_seconds())
        timeout = seconds if at_most is None else min(seconds, at_most)
        done, _ = wait(self.asked, timeout=timeout, return_when=FIRST_COMPLETED)
        yield from done
        now = self.clock()
        yield from [future for future, one in self.asked.items() if one.deadline <= now and future not in done]

    def _advance(self, brought: Sequence[tuple[_Begun, Brought]]) -> None:
        """Take each a step further, up to its next call; what several write on the way is written together."""
        while brought:
            writes: list[tuple[_Begun, Write]] = []
            for begun, what in brought:
                wish = self._next(begun, what)
                if isinstance(wish, Call):
                    self._ask(begun, wish)
                elif wish is not None:
                    writes.append((begun, wish))
            wrote = carry_out([write for _, write in writes], now=self.clock())
            brought = [(begun, what) for (begun, _), what in zip(writes, wrote, strict=True)]

    def _next(self, begun: _Begun, brought: Brought) -> Call | Write | None:
        """What it wants next; None: it has come to rest."""
        try:
            if isinstance(brought, Exception):
                return begun.steps.throw(brought)
            return begun.steps.send(brought)
        except StopIteration:
            self._leave(begun)
        except Exception as trouble:
            log.error(
                "payment interrupted", payment=str(begun.claim.payment), attempt=begun.claim.number,
                error=type(trouble).__name__, exc_info=trouble,
            )  # fmt: skip
            self.troubles.append(trouble)
            self._leave(begun)
        return None

    def _ask(self, begun: _Begun, call: Call) -> None:
        deadline = self.clock() + CALL_DEADLINE
        if deadline > begun.claim.lease_until:
            # Somebody else may take it over while we wait; whoever does goes on from the row.
            log.warning("lease too short for another call", payment=str(begun.claim.payment))
            begun.steps.close()
            self._leave(begun)
            return
        asked = _Asked(begun=begun, endpoint=call.endpoint, deadline=deadline)
        self.asked[_threads().submit(_traced(_with_token(call, begun.tokens), begun.span))] = asked

    def _leave(self, begun: _Begun) -> None:
        begun.span.end()
        if begun.tokens is not None:
            self._free(1)

    def _free(self, count: int) -> None:
        self.connections -= count
        connections.free(count)


def _answer(future: "Future[Reply]") -> Reply | Exception:
    """What a call has brought; what went wrong with it is for its payment's steps."""
    try:
        return future.result()
    except Exception as trouble:  # noqa: BLE001 - as above
        return trouble


def _with_token(call: Call, tokens: set[Endpoint] | None) -> Call:
    """The call itself where its token was taken before the claim; else one that takes its token first."""
    if tokens is None:
        return call
    if call.endpoint in tokens:
        tokens.remove(call.endpoint)
        return call

    def wait_and_ask() -> Reply:
        time.sleep(min(limits.reserve(endpoint=call.endpoint), LONGEST_WAIT_UNPLANNED))
        return call()

    return Call(call.endpoint, wait_and_ask)


def _traced(call: Call, span: Span) -> Call:
    def ask() -> Reply:
        with tracing.within(span, f"stripe {call.endpoint.value}"):
            return call()

    return Call(call.endpoint, ask)


@functools.cache
def _threads() -> ThreadPoolExecutor:
    """Threads that wait for Stripe, shared by all messages of this process; made after the fork, if any."""
    return ThreadPoolExecutor(max_workers=CONNECTIONS, thread_name_prefix="stripe")
