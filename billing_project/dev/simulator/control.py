"""The simulator's own endpoint: what a test or a demo arranges and asks, in Python and over HTTP.

The methods of `Control` are the paths under `/_control/`, their arguments the fields of the JSON body (or
of the query), and what they return is the JSON answer. They may be called from any thread.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from typing import Any

from aiohttp import web

from .access import State
from .cards import Decline, Success, fingerprint_of
from .charging import WAITING, finish
from .errors import StripeError
from .faults import Fault
from .ledger import SUBSCRIPTION
from .records import Customer, PaymentMethod
from .script import Step, find_look_alike, read_step, read_steps
from .shapes import API_VERSION, shape
from .webhooks import Destination
from .world import Latency, World

PREFIX = "/_control/"


class Control:
    """Hands on one simulated account."""

    def __init__(self, world: World) -> None:
        self._world = world

    def ledger(
        self, *, subscription_id: str | None = None, key: str | None = None, value: str | None = None
    ) -> dict[str, Any]:
        """Return every PaymentIntent (of a subscription, or with `key`=`value` in its metadata), totals, and
        the number of answers by endpoint and status."""
        if subscription_id is not None:
            key, value = SUBSCRIPTION, subscription_id
        with self._world.ledger.lock:
            report = self._world.ledger.report(key=key, value=value)
            return report | {"requests": self._world.traffic.counts()}

    def requests(self, *, payment_intent: str | None = None, endpoint: str | None = None) -> list[dict[str, Any]]:
        """Return what was received, oldest first, about one PaymentIntent or for one endpoint or all."""
        with self._world.ledger.lock:
            return [
                asdict(received)
                for received in self._world.traffic.log
                if payment_intent in {None, received.payment_intent} and endpoint in {None, received.endpoint}
            ]

    def add_payment_method(
        self,
        *,
        id: str | None = None,
        like: str = "pm_card_visa",
        behaviour: Step | list[Step] | None = None,
        customer: str | None = None,
        fingerprint: str | None = None,
        **decline: str,
    ) -> dict[str, Any]:
        """Save a card that can be used again and again, over one with that id if there is one; return it.

        It looks `like` a documented one and does what that does, unless `behaviour` says otherwise: one step,
        or a list whose last step lasts. A step is `success`, `authentication`, `processing`, a documented id,
        or the fields of a decline (`{"decline_code": "insufficient_funds"}`); `decline_code` and its like may
        also stand by themselves. `customer` is made if it does not exist. The fingerprint is the id's own.
        """
        card, usual = find_look_alike(like)
        steps = [usual] if behaviour is None else read_steps(behaviour)
        if decline:
            steps = [read_step(decline)]
        with self._world.ledger.lock:
            ledger = self._world.ledger
            identifier = id or ledger.new_id("pm")
            if customer is not None and customer not in ledger.customers:
                ledger.save(Customer(id=customer, created=int(ledger.now())))
            method = PaymentMethod(
                id=identifier,
                created=int(ledger.now()),
                card=card,
                fingerprint=fingerprint or fingerprint_of(identifier),
                steps=steps,
                customer=customer,
                single_use=False,
            )
            ledger.save(method)
            ledger.flush()
            return shape(method)

    def set_latency(self, *, ms: float = 0.0, slow_share: float = 0.0, slow_ms: float = 0.0) -> dict[str, Any]:
        """Let every answer take `ms`, and a share of them `slow_ms`: half before the effect, half after."""
        self._world.latency = Latency(ms, slow_share, slow_ms)
        return asdict(self._world.latency)

    def advance_clock(self, *, seconds: float) -> dict[str, Any]:
        """Move the clock forward."""
        with self._world.ledger.lock:
            self._world.ledger.advance(seconds)
            return {"now": self._world.ledger.now()}

    def forget_keys(self, *, key: str | None = None) -> dict[str, Any]:
        """Forget one idempotency key or all of them, as Stripe may after a day."""
        with self._world.ledger.lock:
            self._world.keys.forget(key)
        return {}

    def set_api_key(self, *, key: str, state: State, account: str | None = None) -> dict[str, Any]:
        """Accept, restrict (403) or revoke (401) an API key, and say whose it is."""
        if state not in {"accepted", "restricted", "revoked"}:
            raise ValueError("state is accepted, restricted or revoked")
        self._world.api_keys.set(key, state=state, account=account)
        return {}

    def resolve(self, *, payment_intent: str, outcome: Step | None = None) -> dict[str, Any]:
        """Let the customer act or the bank decide: end `requires_action` or `processing` as the card has it,
        or as `outcome` (a step: success or a decline) says. Returns the PaymentIntent."""
        with self._world.ledger.lock:
            ledger = self._world.ledger
            intent = ledger.payment_intents.get(payment_intent)
            if intent is None or intent.status not in WAITING:
                raise ValueError(f"{payment_intent} does not wait for anything")
            ending = intent.pending if outcome is None else read_step(outcome)
            method = ledger.payment_methods.get(intent.payment_method or "")
            if method is None or not isinstance(ending, Success | Decline):
                raise ValueError("an outcome is success or a decline")
            ledger.cause = (None, None)
            # A decline is raised as the answer to a request; here nobody waits for one.
            with suppress(StripeError):
                finish(ledger, intent, method, ending)
            ledger.flush()
            return shape(intent)

    def add_fault(self, **fields: Any) -> dict[str, Any]:
        """Append a fault to the script; its fields are those of `faults.Fault`."""
        fault = Fault(**fields)
        with self._world.ledger.lock:
            self._world.faults.lines.append(fault)
        return asdict(fault)

    def faults(self) -> list[dict[str, Any]]:
        """Return the script, with how often each line has struck."""
        with self._world.ledger.lock:
            faults = self._world.faults
            return [asdict(fault) for fault in (*faults.spent, *faults.lines)]

    def clear_faults(self) -> dict[str, Any]:
        """Remove every fault."""
        with self._world.ledger.lock:
            self._world.faults.lines.clear()
        return {}

    def set_webhooks(self, *, url: str | None = None, **fields: Any) -> dict[str, Any]:
        """Send events to `url` from now on, as the fields of `webhooks.Destination` say; without it, nowhere."""
        self._world.webhooks.point(Destination(url, **fields) if url else None)
        return {}

    def webhooks(self) -> dict[str, Any]:
        """Return how many webhooks are under way, and every try to send one, with its status."""
        return self._world.webhooks.report()

    def send_event(
        self,
        *,
        type: str,
        object: dict[str, Any],
        id: str | None = None,
        livemode: bool = False,
        account: str | None = None,
    ) -> dict[str, Any]:
        """Send an event that is not in the ledger: about a foreign object, of another account, or once more
        under an id that was sent already. Returns it."""
        with self._world.ledger.lock:
            ledger = self._world.ledger
            event = {
                "id": id or ledger.new_id("evt"),
                "object": "event",
                "api_version": API_VERSION,
                "created": int(ledger.now()),
                "data": {"object": object},
                "livemode": livemode,
                "request": {"id": None, "idempotency_key": None},
                "type": type,
            }
        event |= {"account": account} if account else {}
        self._world.webhooks.announce(event)
        return event

    def reset(self) -> dict[str, Any]:
        """Begin anew; only the clock goes on."""
        self._world.reset()
        return {}


ROUTES: dict[tuple[str, str], Callable[..., Any]] = {
    ("GET", "ledger"): Control.ledger,
    ("GET", "requests"): Control.requests,
    ("POST", "payment_methods"): Control.add_payment_method,
    ("POST", "latency"): Control.set_latency,
    ("POST", "clock"): Control.advance_clock,
    ("POST", "forget_keys"): Control.forget_keys,
    ("POST", "api_keys"): Control.set_api_key,
    ("POST", "resolve"): Control.resolve,
    ("POST", "faults"): Control.add_fault,
    ("GET", "faults"): Control.faults,
    ("DELETE", "faults"): Control.clear_faults,
    ("POST", "webhooks"): Control.set_webhooks,
    ("GET", "webhooks"): Control.webhooks,
    ("POST", "events"): Control.send_event,
    ("POST", "reset"): Control.reset,
}


async def answer_control(control: Control, request: web.BaseRequest) -> web.Response:
    """Answer a request to `/_control/…`; 400 with a sentence for what cannot be."""
    name = request.path.removeprefix(PREFIX)
    method = ROUTES.get((request.method, name))
    if method is None:
        return web.json_response({"error": f"no {request.method} {PREFIX}{name}"}, status=404)
    try:
        fields: dict[str, Any] = dict(request.query)
        if request.method != "GET":
            fields = json.loads(await request.read() or "{}")
        arguments = inspect.signature(method).bind(control, **fields)
        return web.json_response(method(*arguments.args, **arguments.kwargs))
    except (ValueError, TypeError) as error:
        return web.json_response({"error": str(error)}, status=400)
