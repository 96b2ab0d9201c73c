"""What Stripe can answer, as a closed set: the words in which `gateway` speaks to `charging`.

Must never happen: an answer that proves nothing in a class that proves something. Only `Declined`, `Rejected`
and a `Seen` intent prove anything; whatever isn't listed is `Unknown`.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Generic, TypeVar

T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, kw_only=True)
class CardFace:
    """What a person knows their card by. Empty where Stripe didn't tell, or nothing was paid by card."""

    brand: str = ""
    last4: str = ""


@dataclass(frozen=True, kw_only=True)
class Intent:
    """A PaymentIntent as Stripe told it. `amount` in minor units, `currency` in upper case; `face`: the card of its
    last charge, where that was asked for."""

    id: str
    status: str
    amount: int
    currency: str
    livemode: bool
    payment: str
    charge: str
    created_at: datetime
    face: CardFace = CardFace()


@dataclass(frozen=True, kw_only=True)
class Declined:
    """402: a definite no of the card's issuer or network."""

    code: str
    decline_code: str = ""
    advice_code: str = ""
    network_advice_code: str = ""
    network_decline_code: str = ""
    charge: str = ""
    card: str = ""  # Stripe's fingerprint of it: the same for every payment method of the same card
    face: CardFace = CardFace()
    intent: Intent | None = None
    request: str = ""


@dataclass(frozen=True, kw_only=True)
class Seen:
    """200: the PaymentIntent as it is now. Not by itself a success. `refusal`: what the last confirm that was carried
    out ended with, if it was declined; whether that was ours, only the attempt can tell."""

    intent: Intent
    refusal: Declined | None = None
    request: str = ""


@dataclass(frozen=True, kw_only=True)
class Rejected:
    """400 or 404: this request can't be carried out; it took nothing. `unexpected_state`: look before you judge."""

    code: str
    param: str = ""
    missing: bool = False
    unexpected_state: bool = False
    request: str = ""


@dataclass(frozen=True, kw_only=True)
class Misconfigured:
    """401 or 403, or 404 for an intent that we hold: our key is wrong, not this payment. `everyones`: it would be
    the same for any other payment."""

    http_status: int
    everyones: bool = True
    code: str = ""
    request: str = ""


@dataclass(frozen=True, kw_only=True)
class Unknown:
    """Anything else: time-out, reset, 409, 429, 5xx, a body that can't be read. `key_is_spent`: Stripe may have
    stored this answer under the idempotency key and would replay it. `replayed`: Stripe has just done so."""

    why: str
    http_status: int | None = None
    key_is_spent: bool = False
    replayed: bool = False
    request: str = ""

    @property
    def servers_fault(self) -> bool:
        """Whether it speaks of Stripe being down, and not of this payment or our pace."""
        return self.http_status is None or self.http_status >= 500


Answer = Seen | Declined | Rejected | Misconfigured | Unknown
"""An answer about one payment: what `settle` takes."""


@dataclass(frozen=True, kw_only=True)
class Owner:
    """Whose payment method it is: a customer's id, or empty."""

    customer: str


@dataclass(frozen=True, kw_only=True)
class Account:
    """The account that our key belongs to."""

    id: str


@dataclass(frozen=True, kw_only=True)
class Charge:
    """A charge as Stripe's books have it. `amount` (what was taken) and `refunded` in minor units; `payment` and
    `subscription` are what our metadata says, empty on a charge that isn't ours."""

    id: str
    intent: str
    status: str
    amount: int
    refunded: int
    currency: str
    livemode: bool
    payment: str
    subscription: str
    created_at: datetime

    @property
    def is_given_back(self) -> bool:
        """Whether nothing of it is left with us."""
        return self.refunded >= self.amount


@dataclass(frozen=True, kw_only=True)
class ListedIntent:
    """A PaymentIntent with its past, for whom nothing else tells. `declined_method`: what its last confirm was
    declined with; `canceled_as`: the reason that Stripe was given."""

    seen: Seen
    subscription: str
    customer: str
    declined_method: str = ""
    canceled_as: str = ""

    @property
    def intent(self) -> Intent:
        """The PaymentIntent itself."""
        return self.seen.intent


@dataclass(frozen=True, kw_only=True)
class Page(Generic[T_co]):
    """Part of one of Stripe's lists, newest first. `last`: the id after which the next part begins; empty: none."""

    items: tuple[T_co, ...]
    last: str


@dataclass(frozen=True, kw_only=True)
class StripeRefund:
    """A refund as Stripe told it. `amount` in minor units, `currency` in upper case; `wish` and `payment` are our own
    ids in its metadata, empty where somebody made it in Stripe's dashboard."""

    id: str
    status: str
    amount: int
    currency: str
    intent: str
    wish: str
    payment: str
    failure: str
    created_at: datetime


@dataclass(frozen=True, kw_only=True)
class StripeDispute:
    """A dispute as Stripe told it. `amount` in minor units, `currency` in upper case."""

    id: str
    status: str
    reason: str
    amount: int
    currency: str
    intent: str
    charge: str
    respond_by: datetime | None
    created_at: datetime


@dataclass(frozen=True, kw_only=True)
class StripeLine:
    """One of Stripe's balance transactions. `gross`, `fee` and `net` in minor units of `settled_in`, below zero where
    money leaves; `category` is Stripe's reporting category.

    `source` is the charge, refund, dispute, payout, … that it is about, `amount` and `currency` what that says: minor
    units of the currency that the customer pays in, never below zero. `payment` is our own id in its metadata. All are
    empty where Stripe names none.
    """

    id: str
    category: str
    gross: int
    fee: int
    net: int
    settled_in: str
    exchange_rate: Decimal | None
    source: str
    intent: str
    payment: str
    amount: int | None
    currency: str
    created_at: datetime


@dataclass(frozen=True, kw_only=True)
class RefundSeen:
    """200: the refund as it is now, or, where Stripe replays a stored answer, as it was then."""

    refund: StripeRefund
    request: str = ""


@dataclass(frozen=True, kw_only=True)
class DisputeSeen:
    """200: the dispute as it is now."""

    dispute: StripeDispute


Reply = Owner | Account | RefundSeen | DisputeSeen | Page[StripeRefund] | bool | Answer
"""Whatever a call can end with."""
