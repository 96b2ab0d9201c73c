"""The objects that the simulator remembers, as plain data.

A record holds what varies; `shapes` adds what is always the same and gives it Stripe's JSON. Nested values
are replaced and never changed in place, so that a shallow copy is a true snapshot for an event.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from .cards import Behaviour, Card, Returns


@dataclass(slots=True)
class Customer:
    id: str
    created: int
    email: str | None = None
    name: str | None = None
    phone: str | None = None
    description: str | None = None
    metadata: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class PaymentMethod:
    """A card, and what it will do.

    The n-th attempt to charge meets `steps[n]`, and the last step for ever after: a card that changes its
    mind. `single_use` is Stripe's rule for a method made through the API and attached to nobody: one
    attempt, whatever its outcome, uses it up.
    """

    id: str
    created: int
    card: Card
    fingerprint: str
    steps: list[Behaviour]
    taken: int = 0
    customer: str | None = None
    single_use: bool = True
    used_up: bool = False
    metadata: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class PaymentIntent:
    """`charges` lists every attempt, failed ones too; `pending` is what follows once the customer has
    acted or the bank has processed."""

    id: str
    created: int
    amount: int
    currency: str
    status: str
    client_secret: str
    metadata: dict[str, str] = field(default_factory=dict)
    customer: str | None = None
    description: str | None = None
    payment_method: str | None = None
    automatic_payment_methods: dict[str, Any] | None = None
    capture_method: str = "automatic_async"
    receipt_email: str | None = None
    setup_future_usage: str | None = None
    statement_descriptor_suffix: str | None = None
    amount_received: int = 0
    latest_charge: str | None = None
    last_payment_error: dict[str, Any] | None = None
    next_action: dict[str, Any] | None = None
    canceled_at: int | None = None
    cancellation_reason: str | None = None
    charges: list[str] = field(default_factory=list)
    pending: Behaviour | None = None


@dataclass(slots=True)
class Charge:
    """`amount_refunded` counts refunds that are pending too, as Stripe does; `returns` is the card's."""

    id: str
    created: int
    payment_intent: str
    payment_method: str
    fingerprint: str
    card: Card
    amount: int
    currency: str
    status: str
    outcome: dict[str, Any]
    customer: str | None = None
    description: str | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    statement_descriptor_suffix: str | None = None
    amount_refunded: int = 0
    failure_code: str | None = None
    failure_message: str | None = None
    disputed: bool = False
    returns: Returns = "succeeded"
    balance_transaction: str | None = None


@dataclass(slots=True)
class Refund:
    """`pending` -> `succeeded`, `failed` or `canceled`; `succeeded` -> `failed`."""

    id: str
    created: int
    charge: str
    payment_intent: str
    amount: int
    currency: str
    status: str = "succeeded"
    reason: str | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    failure_reason: str | None = None
    balance_transaction: str | None = None
    failure_balance_transaction: str | None = None


@dataclass(slots=True)
class Dispute:
    """`due_by`: until when the seller may answer, in seconds since 1970. `moves`: what was taken from the seller
    and given back so far. An inquiry (`warning_…`) takes nothing."""

    id: str
    created: int
    charge: str
    payment_intent: str
    card_brand: str
    amount: int
    currency: str
    reason: str
    status: str
    due_by: int
    metadata: dict[str, str] = field(default_factory=dict)
    moves: list[BalanceTransaction] = field(default_factory=list)


@dataclass(slots=True)
class BalanceTransaction:
    """Money that came to the seller's balance or left it: `amount` and `fee` in minor units of the currency in which
    the account is settled. `source`: the charge, refund or dispute; `charge`: the charge that it is about."""

    id: str
    created: int
    category: str
    type: str
    amount: int
    fee: int
    currency: str
    source: str
    charge: str
    exchange_rate: float | None = None


Subject = Customer | PaymentMethod | PaymentIntent | Charge | Refund | Dispute


@dataclass(slots=True)
class Event:
    """One change: `snapshot` is the object as it was right after it."""

    id: str
    created: int
    type: str
    snapshot: Subject
    request_id: str | None = None
    idempotency_key: str | None = None


@dataclass(slots=True)
class Account:
    id: str


Record = Subject | BalanceTransaction | Event | Account
