"""What the demo feeds: one event for each thing that can happen to a payment, the README's example first."""

import json
import logging
import secrets
import time
from dataclasses import dataclass
from typing import Any

from confluent_kafka import Producer

README_EXAMPLE: dict[str, Any] = {
    "subId": "sub_1",
    "user": {"id": "u_1", "email": "a@b.kz", "paymentMethod": "pm_1"},
    "product": {"price": 100, "currency": "KZT"},
}

# What is charged, in which currency, with which of Stripe's documented test cards.
_WISHES: tuple[tuple[Any, str, str], ...] = (
    (4990, "KZT", "pm_card_visa"),
    (19.99, "USD", "pm_card_mastercard"),
    ("1200", "JPY", "pm_card_amex"),
    (7500, "KZT", "pm_card_chargeDeclinedInsufficientFunds"),
    (4990, "KZT", "pm_card_chargeDeclined"),
    (49, "EUR", "pm_card_chargeDeclinedExpiredCard"),
    (12.5, "USD", "pm_card_chargeDeclinedLostCard"),
    (4990, "KZT", "pm_card_authenticationRequired"),
    (15000, "KZT", "pm_card_visa"),
    (8.25, "EUR", "pm_card_mastercard"),
    (4990, "KZT", "pm_card_chargeDeclinedProcessingError"),
    (990, "KZT", "pm_card_visa"),
)


# A card about which Stripe never says what became of it.
STUCK = "pm_stuck"


# The client's own lines about a broker that is still starting would only frighten.
_QUIET = logging.getLogger("librdkafka")
_QUIET.setLevel(logging.CRITICAL)


@dataclass(frozen=True, kw_only=True)
class Fed:
    """How many records were sent."""

    records: int


def feed(*, broker: str, topic: str, stuck: bool = False) -> Fed:
    """Produce the events: paid, declined, to be confirmed by the customer, twice the same, and not understood; with
    `stuck` also one that Stripe does not answer."""
    run = secrets.token_hex(3)
    values: list[bytes] = [_bytes(README_EXAMPLE)]
    for number, (price, currency, method) in enumerate(_WISHES, start=1):
        values.append(_bytes(_event(f"sub_{run}_{number}", price=price, currency=currency, method=method)))
    values.append(values[1])
    values.append(_bytes(_event(f"sub_{run}_1", price=9990, currency="KZT", method="pm_card_visa")))
    values.append(_bytes(_event(f"sub_{run}_free", price=0, currency="KZT", method="pm_card_visa")))
    values.append(b"[object Object]")
    if stuck:
        values.append(_bytes(_event(f"sub_{run}_stuck", price=4990, currency="KZT", method=STUCK)))
    producer = Producer({"bootstrap.servers": broker, "enable.idempotence": True, "logger": _QUIET})
    began = int(time.time() * 1000) - len(values)
    for number, value in enumerate(values):
        # One partition and a time of its own for each, so that they are judged in this order.
        producer.produce(topic, value, key=b"demo", timestamp=began + number)
    if producer.flush(20):
        raise TimeoutError("Kafka did not take the events within 20 s")
    return Fed(records=len(values))


def _event(subscription: str, *, price: Any, currency: str, method: str) -> dict[str, Any]:
    user = subscription.replace("sub", "user")
    return {
        "subId": subscription,
        "user": {"id": user, "email": f"{user}@example.kz", "paymentMethod": method},
        "product": {"price": price, "currency": currency},
    }


def _bytes(event: dict[str, Any]) -> bytes:
    return json.dumps(event, separators=(",", ":")).encode()
