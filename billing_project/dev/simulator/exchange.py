"""One request on its way: idempotency key, latency around the effect, the effect itself, the answer."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from .calls import Call, Found, Page, Result
from .endpoints import Endpoint
from .errors import StripeError
from .idempotency import Stored
from .parameters import check
from .records import Charge, Dispute, PaymentIntent, Refund
from .shapes import expand, shape
from .traffic import Received

if TYPE_CHECKING:
    from .world import World

# How often a held request looks whether anybody still waits for it.
HOLD_POLL_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back. Status 0 is nothing at all: the connection is reset. `cut`: half of the body."""

    status: int
    body: str = ""
    subject: str | None = None
    original_request: str | None = None
    replayed: bool = False
    kept: bool = True
    cut: bool = False

    @classmethod
    def of_error(cls, error: StripeError, *, subject: str | None = None) -> Answer:
        """Return the answer of a refusal."""
        return cls(error.status, _json(error.body()), subject=subject, kept=error.kept)


@dataclass(frozen=True, slots=True)
class About:
    """What a fault can be matched with: the request, and the PaymentIntent as it is when the request comes."""

    endpoint: str
    payment_intent: str | None
    payment_methods: tuple[str | None, ...]
    metadata: dict[str, str]
    replay: bool


@dataclass(slots=True)
class Exchange:
    """A request that has come in with a good key for a known endpoint."""

    world: World
    received: Received
    endpoint: Endpoint
    subject: str
    account: str
    fingerprint: str
    gone: Callable[[], bool]
    stopping: asyncio.Event
    about: About = field(init=False)

    def __post_init__(self) -> None:
        intent = self.world.ledger.payment_intents.get(self.subject)
        params, key = self.received.params, self.received.idempotency_key
        sent = params.get("metadata")
        self.about = About(
            endpoint=self.endpoint.name,
            payment_intent=intent.id if intent else params.get("payment_intent"),
            payment_methods=(params.get("payment_method"), intent.payment_method if intent else None),
            metadata=(intent.metadata if intent else {}) | (sent if isinstance(sent, dict) else {}),
            replay=key is not None and self.world.keys.find(key, self.fingerprint) is not None,
        )

    async def execute(self, *, instead: Answer | None = None, effect: bool = True) -> Answer:
        """Run the endpoint once, or replay what its key stored, and take the time that it takes.

        `instead` is answered (and stored) in place of the endpoint's answer; without `effect` the endpoint
        doesn't run at all.
        """
        keys, key = self.world.keys, self.received.idempotency_key
        seconds = self.world.draw_latency()
        try:
            stored = keys.begin(key, self.fingerprint) if key else None
        except StripeError as error:
            return Answer.of_error(error, subject=self.about.payment_intent)
        if stored is not None:
            await _pass(seconds)
            return Answer(stored.status, stored.body, stored.subject, stored.request_id, replayed=True)
        answer: Answer | None = None
        try:
            await _pass(seconds / 2)
            answer = self._run(instead, effect)
            await _pass(seconds / 2)
        finally:
            if key:
                self._settle(key, answer)
        return answer

    def carry_out(self) -> dict[str, Any]:
        """Let the effect happen after all, though it was answered long ago, and tell what came of it."""
        ledger = self.world.ledger
        ledger.cause = (self.received.request_id, self.received.idempotency_key)
        status, subject = 200, self.about.payment_intent
        try:
            params = check(self.endpoint.parameters, self.received.params, answer=self.endpoint.answer)
            subject = _subject_of(self.endpoint.run(ledger, Call(params, self.subject, self.account))) or subject
        except StripeError as error:
            status = error.status
        ledger.flush()
        return {"endpoint": self.endpoint.name, "payment_intent": subject, "status": status}

    async def hold(self, seconds: float | None) -> bool:
        """Wait, and return whether the request goes on.

        With `seconds` it does after them, whether or not anybody still waits; without, it never does and the
        wait ends when the caller has gone.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds if seconds is not None else float("inf")
        while (left := until - loop.time()) > 0:
            if self.stopping.is_set() or (seconds is None and self.gone()):
                return False
            await asyncio.sleep(min(left, HOLD_POLL_SECONDS))
        return True

    def _run(self, instead: Answer | None, effect: bool) -> Answer:
        ledger = self.world.ledger
        with ledger.lock:
            ledger.cause = (self.received.request_id, self.received.idempotency_key)
            try:
                params = check(self.endpoint.parameters, self.received.params, answer=self.endpoint.answer)
                if instead is not None and not effect:
                    return instead
                result = self.endpoint.run(ledger, Call(params, self.subject, self.account))
                answer = Answer(200, _json(self._render(result, params)), subject=_subject_of(result))
            except StripeError as error:
                answer = Answer.of_error(error, subject=self.about.payment_intent or _subject_in(error))
            finally:
                ledger.flush()
        return answer if instead is None or not answer.kept else replace(instead, subject=answer.subject)

    def _render(self, result: Result, params: dict[str, Any]) -> dict[str, Any]:
        body = self._render_rows(result) if isinstance(result, Page | Found) else shape(result)
        expand(self.world.ledger, body, params.get("expand", []))
        return body

    def _render_rows(self, result: Page | Found) -> dict[str, Any]:
        rows: dict[str, Any] = {"data": [shape(row) for row in result.rows], "url": self.received.path}
        if isinstance(result, Page):
            return {"object": "list", **rows, "has_more": result.has_more}
        more = result.next_page is not None
        return {"object": "search_result", **rows, "has_more": more, "next_page": result.next_page}

    def _settle(self, key: str, answer: Answer | None) -> None:
        if answer is None or not answer.kept:
            self.world.keys.release(key)
            return
        stored = Stored(
            key=key,
            fingerprint=self.fingerprint,
            at=self.world.ledger.now(),
            status=answer.status,
            body=answer.body,
            request_id=self.received.request_id,
            subject=answer.subject,
        )
        with self.world.ledger.lock:
            self.world.keys.finish(stored)
            self.world.ledger.flush()


async def _pass(seconds: float) -> None:
    if seconds > 0:
        await asyncio.sleep(seconds)


def _subject_of(result: Result) -> str | None:
    if isinstance(result, PaymentIntent):
        return result.id
    return result.payment_intent if isinstance(result, Charge | Refund | Dispute) else None


def _subject_in(error: StripeError) -> str | None:
    intent = error.fields.get("payment_intent")
    return str(intent["id"]) if isinstance(intent, dict) else None


def _json(body: dict[str, Any]) -> str:
    return json.dumps(body, separators=(",", ":"))
