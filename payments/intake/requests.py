"""What comes in: a record as it was delivered, and what it asks for."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

Headers = tuple[tuple[str, bytes | None], ...]


# Cluster, topic, its id, partition, offset.
Place = tuple[str, str, str, int, int]


class Topic(NamedTuple):
    """A topic as it was made once. `id`: Kafka's, another one when it is made anew; empty where Kafka gives none."""

    cluster: str
    name: str
    id: str = ""


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
    topic_id: str = ""

    @property
    def place(self) -> Place:
        """Where it stands: what makes it itself, together with the hash of its value."""
        return (self.cluster, self.topic, self.topic_id, self.partition, self.offset)
