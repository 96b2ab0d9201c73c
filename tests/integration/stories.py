"""What tests of a payment's story share: a payment that is taken in or tried, and its story as texts."""

from typing import Any

from payments import charging, explain
from payments.explain import Story
from payments.gateway import Gateway
from payments.models import Payment
from tests.conftest import Clock
from tests.integration.events import accept, event, record


def take_in(clock: Clock, **changes: Any) -> Payment:
    """One accepted payment."""
    [payment_id] = accept(record(event(**({"method": "pm_1"} | changes)), at=clock()), now=clock()).due
    return Payment.objects.get(id=payment_id)


def charge(gateway: Gateway, clock: Clock, **changes: Any) -> Payment:
    """One accepted payment that was tried once."""
    payment = take_in(clock, **changes)
    charging.charge(payment_ids=[payment.id], gateway=gateway, clock=clock)
    payment.refresh_from_db()
    return payment


def tell(payment: Payment, clock: Clock) -> Story:
    """Its story as of the clock."""
    return explain.explain(payment_id=payment.id, now=clock())


def headline(payment: Payment, clock: Clock) -> str:
    """The first line of its story, with plain spaces."""
    return tell(payment, clock).conclusion.headline.replace("\xa0", " ")


def texts(story: Story) -> list[str]:
    """What its time line says, in order."""
    return [event.text for event in story.events]
