"""The simulator's own endpoint: what a test or a demo arranges and asks, in Python and over HTTP.

The methods of `Control` are the paths under `/_control/`, their arguments the fields of the JSON body (or
of the query), and what they return is the JSON answer. They may be called from any thread. What they do to the
ledger stands in `arrange`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any, get_args

from . import arrange, disputes
from .access import State
from .cards import Returns
from .faults import Fault
from .ledger import SUBSCRIPTION, Ledger
from .script import Step
from .shapes import API_VERSION, shape
from .webhooks import Destination
from .world import Latency, World


class Control:
    """Hands on one simulated account."""

    def __init__(self, world: World) -> None:
        self._world = world

    @contextmanager
    def _change(self) -> Iterator[Ledger]:
        """The ledger under its lock, for a change that no request asked for."""
        with self._world.ledger.lock:
            self._world.ledger.cause = (None, None)
            yield self._world.ledger
            self._world.ledger.flush()

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
        with self._change() as ledger:
            return shape(
                arrange.save_payment_method(
                    ledger,
                    identifier=id,
                    like=like,
                    behaviour=decline or behaviour,
                    customer=customer,
                    fingerprint=fingerprint,
                )
            )

    def set_latency(self, *, ms: float = 0.0, slow_share: float = 0.0, slow_ms: float = 0.0) -> dict[str, Any]:
        """Let every answer take `ms`, and a share of them `slow_ms`: half before the effect, half after."""
        self._world.latency = Latency(ms, slow_share, slow_ms)
        return asdict(self._world.latency)

    def advance_clock(self, *, seconds: float) -> dict[str, Any]:
        """Move the clock forward."""
        with self._world.ledger.lock:
            self._world.ledger.advance(seconds)
            self._world.later.keep_due()
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
        with self._change() as ledger:
            return shape(arrange.resolve(ledger, payment_intent=payment_intent, outcome=outcome))

    def refund(self, *, payment_intent: str, amount: int | None = None, reason: str | None = None) -> dict[str, Any]:
        """Refund `amount` minor units, or all that is left, as a person does in the dashboard: with no metadata.
        Returns the refund."""
        with self._change() as ledger:
            return shape(arrange.refund(ledger, payment_intent=payment_intent, amount=amount, reason=reason))

    def resolve_refund(
        self, *, refund: str, outcome: str | None = None, failure_reason: str | None = None
    ) -> dict[str, Any]:
        """Let the bank decide: a pending refund becomes `succeeded`, `failed` or `canceled`, one that succeeded
        `failed`; without an outcome as the card has it. Returns the refund."""
        with self._change() as ledger:
            return shape(arrange.resolve_refund(ledger, refund=refund, outcome=outcome, failure_reason=failure_reason))

    def set_refunds(self, *, returns: Returns | None = None) -> dict[str, Any]:
        """Say what every refund meets from now on: `succeeded`, `pending`, `fails_later` or `fails` (at once);
        without it, what the card says."""
        if returns not in {None, *get_args(Returns)}:
            raise ValueError(f"returns is one of {', '.join(get_args(Returns))}")
        self._world.ledger.returns = returns
        return {}

    def dispute(
        self,
        *,
        payment_intent: str,
        reason: str = "fraudulent",
        amount: int | None = None,
        respond_by: int | None = None,
        inquiry: bool = False,
    ) -> dict[str, Any]:
        """Let the customer dispute the charge of a PaymentIntent, all of it or `amount` minor units; an answer is
        due by `respond_by` (seconds since 1970). An inquiry withdraws nothing. Returns the dispute."""
        with self._change() as ledger:
            charge = arrange.find_success(ledger, payment_intent)
            return shape(
                disputes.begin(ledger, charge, reason=reason, amount=amount, due_by=respond_by, inquiry=inquiry)
            )

    def resolve_dispute(self, *, dispute: str, outcome: str) -> dict[str, Any]:
        """Move a dispute on: `under_review`, `won`, `lost`; an inquiry `warning_under_review`, `warning_closed`, or
        to a real one, `needs_response`. Returns the dispute."""
        with self._change() as ledger:
            return shape(arrange.resolve_dispute(ledger, dispute=dispute, outcome=outcome))

    def add_foreign_payment(
        self, *, amount: int, currency: str, status: str = "succeeded", metadata: dict[str, str] | None = None
    ) -> dict[str, Any]:
        """Make a PaymentIntent as another program with the same account does, without our metadata. `status` is any
        but `requires_capture`. Returns it."""
        with self._change() as ledger:
            return shape(
                arrange.add_foreign_payment(
                    ledger, amount=amount, currency=currency, status=status, metadata=metadata or {}
                )
            )

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

    def roll_forward(self) -> list[dict[str, Any]]:
        """Carry out now what `roll_forward` faults have put off; return endpoint, PaymentIntent and status of each."""
        with self._change():
            return self._world.later.keep_all()

    def set_search_lag(self, *, seconds: float) -> dict[str, Any]:
        """Let search know from now on only what is older than this, by the simulator's clock."""
        with self._change() as ledger:
            ledger.searchable.set_lag(seconds)
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
