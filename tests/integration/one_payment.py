"""What tests of charging share: the one payment there is, taken in and charged, and what was told of it."""

import json
from typing import Any

from payments import charging
from payments.gateway import Gateway
from payments.models import OutboxMessage, Payment
from tests.conftest import Clock
from tests.integration.events import accept, event, record


def take_in(clock: Clock, **changes: Any) -> Payment:
    """One accepted payment."""
    accept(record(event(**changes), at=clock()), now=clock())
    return Payment.objects.get()


def charge(gateway: Gateway, clock: Clock) -> Payment:
    """Charge whatever is due, and return the one payment there is."""
    ids = list(Payment.objects.values_list("id", flat=True))
    charging.charge(payment_ids=ids, gateway=gateway, clock=clock)
    return Payment.objects.get()


def told() -> list[dict[str, Any]]:
    """What the outbox says, oldest first."""
    return [json.loads(bytes(row.value or b"")) for row in OutboxMessage.objects.order_by("id")]
