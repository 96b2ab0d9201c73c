"""The body of `notification.paying`, byte for byte: what the e-mail service of our neighbours reads.

Must never happen: a body that a NestJS consumer can't stand. So: compact UTF-8 JSON, first byte `{`, no NaN,
and never a client secret, a raw error of Stripe's or a network code.
"""

import json
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Literal

from payments import money

# Ids of payments and notifications are derived, not drawn, so that a restored database says the same thing
# under the same id. This namespace is arbitrary and must never change.
NAMESPACE = uuid.UUID("6f1a3d53-93c0-4a3b-9d0e-2b1a5c0f7e11")

NotificationStatus = Literal["success", "failed", "pending"]


@dataclass(frozen=True, kw_only=True)
class Told:
    """What there is to tell. `subscription` and `user` are JSON values as they came in."""

    payment: uuid.UUID
    subscription: str | int
    user: dict[str, Any]
    price: Decimal
    currency: str
    status: NotificationStatus
    transaction: str | None
    created_at: datetime
    metadata: dict[str, Any]


def payment_id(*, subscription: str, number: int) -> uuid.UUID:
    """The id of the `number`-th payment (from 1) of a subscription."""
    return uuid.uuid5(NAMESPACE, f"payment/{subscription}/{number}")


def notification_id(*, payment: uuid.UUID, transition: str) -> str:
    """`ce_id`: the same for the same transition of the same payment, however often it is told."""
    return str(uuid.uuid5(NAMESPACE, f"notification/{payment}/{transition}"))


def body(told: Told) -> bytes:
    """The record's value."""
    return json.dumps(
        {
            "payment": {
                "id": str(told.payment),
                "subscriptionId": told.subscription,
                "amount": money.as_json_number(told.price),
                "currency": told.currency,
                "status": told.status,
                "transactionId": told.transaction,
                "metadata": told.metadata,
                "createdAt": iso(told.created_at),
            },
            "user": told.user,
        },
        separators=(",", ":"),
        ensure_ascii=False,
        allow_nan=False,
    ).encode()


def headers(*, notification: str, kind: str, at: datetime, traceparent: str = "") -> dict[str, str]:
    """CloudEvents in binary mode, and the trace that the incoming record belonged to."""
    found = {
        "ce_id": notification,
        "ce_type": kind,
        "ce_source": "/billing/payments",
        "ce_specversion": "1.0",
        "ce_time": iso(at),
        "content-type": "application/json",
    }
    return found | {"traceparent": traceparent} if traceparent else found


def iso(at: datetime) -> str:
    """As JavaScript's `toISOString` writes it: `2026-01-31T12:00:00.000Z`."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"
