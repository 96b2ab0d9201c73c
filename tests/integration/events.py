"""Records as Kafka would deliver them, for tests that begin at intake, and what became of them."""

import itertools
import json
from datetime import datetime
from typing import Any

from bridge import schema
from payments import intake
from payments.models import InboxMessage

_offsets = itertools.count()


def event(subscription: str | int = "sub_1", **changes: Any) -> dict[str, Any]:
    """The README's example, with changes: `price=…`, `currency=…`, `method=…`, `user=…`, `customer=…`."""
    user: dict[str, Any] = {
        "id": changes.get("user", "u_1"),
        "email": "a@b.kz",
        "paymentMethod": changes.get("method", "pm_card_visa"),
    }
    if "customer" in changes:
        user["customer"] = changes["customer"]
    return {
        "subId": subscription,
        "user": user,
        "product": {"price": changes.get("price", 100), "currency": changes.get("currency", "KZT")},
    }


def record(
    value: dict[str, Any] | bytes | None,
    *,
    at: datetime,
    offset: int | None = None,
    partition: int = 0,
    headers: tuple[tuple[str, bytes | None], ...] = (),
) -> intake.Record:
    """A record at a new place, unless `offset` says where."""
    raw = json.dumps(value).encode() if isinstance(value, dict) else value
    return intake.Record(
        cluster="test",
        topic="payment.createInitial",
        partition=partition,
        offset=next(_offsets) if offset is None else offset,
        at=at,
        key=None,
        value=raw,
        headers=headers,
        wish=schema.decode(value=raw, headers=headers, price_unit="major"),
    )


def accept(*records: intake.Record, now: datetime) -> intake.Accepted:
    """One batch through the front door."""
    return intake.accept(records=records, group="test-group", now=now)


def verdicts() -> list[str]:
    """In the order in which they were written."""
    return list(InboxMessage.objects.order_by("id").values_list("verdict", flat=True))
