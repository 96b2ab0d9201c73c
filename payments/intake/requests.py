"""What comes in: a record as it was delivered, and what it asks for."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

Headers = tuple[tuple[str, bytes | None], ...]


@dataclass(frozen=True, kw_only=True)
class PaymentRequest:
    """A valid wish to collect money. `subscription` and `user_id` are canonical text, `amount` in minor units."""

    subscription: str
    subscription_as_sent: str | int
    user_id: str
    user_as_sent: dict[str, Any]
    email: str
    price: Decimal
    amount: int
    currency: str
    payment_method: str
    customer: str | None
    event_id: str = ""
    traceparent: str = ""

    @property
    def fingerprint(self) -> tuple[int, str, str]:
        """What must be equal for two events to wish the same."""
        return (self.amount, self.currency, self.user_id)


@dataclass(frozen=True, kw_only=True)
class Rejection:
    """Why a record can't be understood, for the person who sent it: `product.price: must be greater than 0`."""

    reason: str


@dataclass(frozen=True, kw_only=True)
class Record:
    """One record as it was delivered. `at` is its time, capped at receipt. `headers`: name and value.

    `value_hash`: SHA-256 of the value as it came, once the value here is another one.
    """

    cluster: str
    topic: str
    partition: int
    offset: int
    at: datetime
    key: bytes | None
    value: bytes | None
    headers: Headers
    wish: PaymentRequest | Rejection
    value_hash: bytes | None = None
