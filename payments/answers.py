"""What Stripe can answer, as a closed set: the words in which `gateway` speaks to `charging`.

Must never happen: an answer that proves nothing in a class that proves something. Only `Declined`, `Rejected`
and a `Seen` intent prove anything; whatever isn't listed is `Unknown`.
"""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, kw_only=True)
class Intent:
    """A PaymentIntent as Stripe told it. `amount` in minor units, `currency` in upper case."""

    id: str
    status: str
    amount: int
    currency: str
    livemode: bool
    payment: str
    charge: str
    created_at: datetime


@dataclass(frozen=True, kw_only=True)
class Seen:
    """200: the PaymentIntent as it is now. Not by itself a success."""

    intent: Intent
    request: str = ""


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
    intent: Intent | None = None
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
    stored this answer under the idempotency key and would replay it."""

    why: str
    http_status: int | None = None
    key_is_spent: bool = False
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


Reply = Owner | Account | bool | Answer
"""Whatever a call can end with."""
