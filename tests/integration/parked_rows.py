"""Parked records for tests, and what staff do with them."""

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

from payments import intake
from payments.models import InboxMessage, Payment
from tests.conftest import Clock
from tests.integration.events import accept, event, record


def value(*arguments: Any, **changes: Any) -> bytes:
    """An event as somebody types it in."""
    return json.dumps(event(*arguments, **changes)).encode()


def park(sent: dict[str, Any] | bytes | None, clock: Callable[[], datetime], **where: Any) -> InboxMessage:
    """A record that the front door sets aside."""
    accept(record(sent, at=clock(), **where), now=clock())
    row = InboxMessage.objects.latest("id")
    assert row.verdict in InboxMessage.PARKED
    return row


def replay(row: InboxMessage, clock: Clock, *, corrected: bytes | None = None) -> Any:
    """As staff do."""
    return intake.replay(record_id=row.id, who="staff: aida", why="agreed by phone", now=clock(), value=corrected)


def conflict(clock: Clock) -> tuple[Payment, InboxMessage]:
    """A payment of 100, and a record that wants 200 for the same subscription."""
    accept(record(event(), at=clock()), now=clock())
    clock.advance(seconds=1)
    return Payment.objects.get(), park(event(price=200), clock)


def dismiss(row: InboxMessage, clock: Clock) -> Any:
    """As staff do."""
    return intake.dismiss(record_id=row.id, who="staff: aida", why="a test", now=clock())
