"""Run the steps of many payments side by side: the calls elsewhere, the database in the caller's thread alone.

One payment's trouble must never touch its neighbours: each is settled as soon as its own answer is there, together
with those whose answers came at the same moment; a call that never ends is given up by its own deadline, and an
unexpected error is raised only after the others have come to rest. Nobody waits for the slowest either: whose turn
comes later begins beside those under way.
"""

import uuid
from collections.abc import Mapping, Sequence

import structlog
from django.db import connection

from payments import limits, tracing
from payments.answers import Reply
from payments.charging.calls import CALL_DEADLINE, Calls
from payments.charging.claim import Claim, claim
from payments.charging.message import Begun, Message
from payments.charging.pause import heed, is_paused
from payments.charging.steps import Call, Clock, steps
from payments.charging.together import is_lost, renew_connection, session
from payments.charging.turns import Pace, Turns, plan, take
from payments.charging.writes import Write, Wrote, carry_out
from payments.gateway import Gateway
from payments.limits import Wish

log = structlog.get_logger(__name__)

# What a payment's steps are sent: nothing at first, then what a call or a write has brought.
Brought = Reply | Wrote | Exception


def charge(*, payment_ids: Sequence[uuid.UUID], gateway: Gateway, clock: Clock, pace: Pace | None = None) -> int:
    """Claim what is due of these payments and bring each as far as it goes. Returns how many were claimed.

    With a `pace`, payments wait for the tokens of the rate limit, and what is still waiting when its patience ends
    is left as it is; without one, all go at once. Raises an `ExceptionGroup` after all have come to rest, if
    something unexpected happened to some of them; those keep their lease and are found by the sweep.
    """
    with tracing.span("charge", count=len(payment_ids)):
        message = Message(payment_ids=payment_ids, gateway=gateway, clock=clock, pace=pace)
        run = Run()
        if pace is None:
            # Its lines in the log are written in the caller's thread, and tell of its task by themselves.
            run.begin([(message, one, None) for one in claim(payment_ids=payment_ids, now=clock())])
        run.take_in(message)
        try:
            while not message.ended.is_set():
                run.go_round()
        finally:
            message.end()
        return message.result()


class Run:
    """Messages under way. For one thread at a time; `knock` is for any."""

    def __init__(self) -> None:
        self._messages: list[Message] = []
        self._calls = Calls()

    @property
    def is_idle(self) -> bool:
        """Whether it has no message."""
        return not self._messages

    def take_in(self, message: Message) -> None:
        """From the next round on it goes along."""
        self._messages.append(message)

    def knock(self) -> None:
        """Have the round end that waits for answers: there is something else to do."""
        self._calls.knock()

    def go_round(self, *, after_rest: bool = False) -> None:
        """Begin with those whose turn it is, hear the next answers, end messages that are at rest. Raises nothing."""
        try:
            if after_rest or connection.errors_occurred:
                renew_connection()  # it may be gone; and while anybody is at Stripe there is no rest
            self._plan([one for one in self._messages if one.pace and one.turns is None])
            self._let([(one, one.turns) for one in self._messages if one.turns and one.turns.is_time])
            # Whoever has nothing left to wait for ends at once, whatever the others wait for.
            if self._messages and not any(one.is_at_rest for one in self._messages):
                self._hear()
        except Exception as trouble:  # noqa: BLE001 - every message raises it when it has ended
            self._give_up(trouble)
        for message in [one for one in self._messages if one.is_at_rest]:
            self._messages.remove(message)
            message.end()

    def begin(self, claims: Sequence[tuple[Message, Claim, Wish | None]]) -> None:
        """Ask the first question of each; without a wish it may call whatever it likes."""
        begun = []
        for message, one, wish in claims:
            log.info(
                "taken up", payment=str(one.payment), attempt=one.number, step=one.step.value,
                trace=tracing.id_of(one.traceparent), **tracing.task_of(one.task),
            )  # fmt: skip
            span = message.context.run(
                tracing.begin, "charge payment", traceparent=one.traceparent, payment=str(one.payment)
            )
            begun.append(
                Begun(
                    message=message, claim=one, span=span,
                    steps=steps(claim=one, gateway=message.gateway, clock=message.clock),
                    tokens=None if wish is None else set(wish.calls),
                )
            )  # fmt: skip
            message.claimed += 1
            message.under_way.add(begun[-1])
        self._advance([(one, None) for one in begun])

    def _plan(self, messages: Sequence[Message]) -> None:
        """What those that have just come in may call, by one look at the rows of all that are alike."""
        alike: dict[tuple[Pace, bool], list[Message]] = {}
        for message in messages:
            if message.pace:
                alike.setdefault((message.pace, bool(message.gateway.account)), []).append(message)
        for (pace, knows_account), group in alike.items():
            ids = [one for message in group for one in message.payment_ids]
            wishes: Mapping[uuid.UUID, Wish] = {}
            trouble = None
            try:
                wishes = plan(payment_ids=ids, live=pace.live, knows_account=knows_account, now=group[0].clock())
            except Exception as error:  # noqa: BLE001 - the others are under way
                trouble = error
            for message in group:
                waiting = {one: wishes[one] for one in message.payment_ids if one in wishes}
                message.turns = Turns(waiting=waiting, pace=pace)
                if trouble:
                    message.fail(trouble)

    def _let(self, messages: Sequence[tuple[Message, Turns]]) -> None:
        """Claim those whose turn it is. What can't be claimed gives its tokens back."""
        if not messages:
            return
        taken = dict(zip([one for one, _ in messages], take([turns for _, turns in messages]), strict=True))
        whose: dict[uuid.UUID, Message] = {}
        for message, wishes in taken.items():
            message.connections += len(wishes)
            for one in wishes:
                whose.setdefault(one, message)  # it may have been rung for twice
        claims = {one.payment: one for one in self._claim(whose)} if whose else {}
        for message, wishes in taken.items():
            unclaimed = [wish for one, wish in wishes.items() if one not in claims or whose[one] is not message]
            if unclaimed:
                limits.give_back(calls=[call for wish in unclaimed for call in wish.calls])
                message.free(len(unclaimed))
        self.begin([(whose[one], made, taken[whose[one]][one]) for one, made in claims.items()])

    def _claim(self, whose: Mapping[uuid.UUID, Message]) -> list[Claim]:
        """Those of all messages together; where one of them is to blame, each message for itself."""
        messages = dict.fromkeys(whose.values())
        tasks = {one: message.task for one, message in whose.items()}
        claims: list[Claim] = []
        before = None
        try:
            before = session()
            claims = claim(payment_ids=list(whose), now=next(iter(messages)).clock(), tasks=tasks)
            if len(claims) < len(whose) and is_paused():
                # Whoever waits here would go ahead of what matters more when charging goes on: the sweep knows.
                for message in messages:
                    message.stop()
        except Exception as trouble:  # noqa: BLE001 - raised when those under way have come to rest
            if claims or len(messages) == 1 or is_lost(before):
                for message in messages:
                    message.fail(trouble)
                return claims
            log.warning("claimed one message after the other", count=len(messages), error=type(trouble).__name__)
        else:
            return claims
        return [
            claimed for message in messages
            for claimed in self._claim({one: message for one, its in whose.items() if its is message})
        ]  # fmt: skip

    def _hear(self) -> None:
        """Wait for the next answers, deadlines or turns, and take each payment a step further."""
        heard: list[tuple[Begun, Brought]] = []
        seconds = [one.turns.seconds for one in self._messages if one.turns and one.turns.seconds is not None]
        for asked, answer in self._calls.hear(seconds=min(seconds, default=None)):
            heard.append((asked.begun, answer))
            message = asked.begun.message
            try:
                heed(endpoint=asked.endpoint, reply=answer, now=message.clock())
            except Exception as trouble:  # noqa: BLE001 - the answers that came with it are settled all the same
                message.troubles.append(trouble)
        self._advance(heard)

    def _advance(self, brought: Sequence[tuple[Begun, Brought]]) -> None:
        """Take each a step further, up to its next call; what several write on the way is written together."""
        while brought:
            writes: list[tuple[Begun, Write]] = []
            for begun, what in brought:
                wish = self._next(begun, what)
                if isinstance(wish, Call):
                    self._ask(begun, wish)
                elif wish is not None:
                    writes.append((begun, wish))
            if not writes:
                return
            if connection.errors_occurred:
                renew_connection()  # what broke under one payment must not break the next one
            wrote = carry_out([write for _, write in writes], now=writes[0][0].message.clock())
            brought = [(begun, what) for (begun, _), what in zip(writes, wrote, strict=True)]

    def _next(self, begun: Begun, brought: Brought) -> Call | Write | None:
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
                error=type(trouble).__name__, exc_info=trouble, **tracing.task_of(begun.claim.task),
            )  # fmt: skip
            begun.message.troubles.append(trouble)
            self._leave(begun)
        return None

    def _ask(self, begun: Begun, call: Call) -> None:
        deadline = begun.message.clock() + CALL_DEADLINE
        if deadline > begun.claim.lease_until:
            # Somebody else may take it over while we wait; whoever does goes on from the row.
            said = tracing.task_of(begun.claim.task)
            log.warning("lease too short for another call", payment=str(begun.claim.payment), **said)
            begun.steps.close()
            self._leave(begun)
            return
        try:
            self._calls.ask(begun, call, deadline)
        except Exception as trouble:  # noqa: BLE001 - this payment's alone: no thread could be started, say
            begun.message.troubles.append(trouble)
            begun.steps.close()
            self._leave(begun)

    def _leave(self, begun: Begun) -> None:
        begun.span.end()
        begun.message.under_way.discard(begun)
        if begun.tokens is not None:
            begun.message.free(1)

    def _give_up(self, trouble: Exception) -> None:
        """Something that is nobody's own went wrong. Whoever was in hand then is left: its lease runs out."""
        asking = self._calls.asking
        for message in self._messages:
            message.fail(trouble)
            for begun in message.under_way - asking:
                self._leave(begun)
