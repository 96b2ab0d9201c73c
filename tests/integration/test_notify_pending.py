"""NOTIFY_PENDING: who wants to know is told, once per attempt, that an outcome is not known yet."""

from typing import Any

import pytest

from billing_project.dev.simulator import Simulator
from payments import charging
from payments.gateway import Gateway
from payments.models import Attempt, OutboxMessage, Payment
from tests.conftest import Clock
from tests.integration.events import accept, event, record
from tests.integration.one_payment import told
from tests.unit.test_event_schemas import OUTGOING

pytestmark = pytest.mark.django_db(transaction=True)


def live(stripe_gateway: Gateway, clock: Clock, *, rounds: int = 4) -> None:
    """Charge what is due, again and again, as the sweep does."""
    for _ in range(rounds):
        due = list(Payment.objects.filter(due_at__lte=clock()).values_list("id", flat=True))
        charging.charge(payment_ids=due, gateway=stripe_gateway, clock=clock)
        clock.advance(minutes=5)


def test_an_unknown_outcome_is_told_once_and_then_its_end(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock, settings: Any
) -> None:
    """`pending` comes once however often it is looked at in vain, and `success` after it, under ids of their own."""
    settings.NOTIFY_PENDING = True
    stripe.control.add_fault(kind="reset", endpoint="confirm", effect="after")
    stripe.control.add_fault(kind="reset", endpoint="retrieve", count=2)
    accept(record(event(), at=clock()), now=clock())
    live(stripe_gateway, clock)
    assert [one["payment"]["status"] for one in told()] == ["pending", "success"]
    assert told()[0]["payment"]["metadata"] == {"attempt": 1}
    assert OutboxMessage.objects.values("message_id").distinct().count() == 2
    for one in told():
        OUTGOING.validate(one)


def test_a_payment_that_is_processed_is_told_once(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock, settings: Any
) -> None:
    """The bank takes days: one `pending`, not one for each look."""
    settings.NOTIFY_PENDING = True
    stripe.control.add_payment_method(id="pm_slow", behaviour="processing")
    accept(record(event(method="pm_slow"), at=clock()), now=clock())
    live(stripe_gateway, clock)
    assert [one["payment"]["status"] for one in told()] == ["pending"]


def test_by_default_nobody_is_told_of_what_is_not_settled(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock
) -> None:
    """The mailer would write to customers about nothing."""
    stripe.control.add_fault(kind="reset", endpoint="confirm", effect="after")
    accept(record(event(), at=clock()), now=clock())
    live(stripe_gateway, clock)
    assert [one["payment"]["status"] for one in told()] == ["success"]


def test_an_unknown_outcome_that_turns_out_to_be_under_way_is_told_once(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock, settings: Any
) -> None:
    """First no answer, then the bank takes its time: to the customer both are the same `pending`."""
    settings.NOTIFY_PENDING = True
    stripe.control.add_payment_method(id="pm_slow", behaviour="processing")
    stripe.control.add_fault(kind="reset", endpoint="confirm", effect="after")
    accept(record(event(method="pm_slow"), at=clock()), now=clock())
    live(stripe_gateway, clock, rounds=2)
    attempt = Attempt.objects.get()
    assert list(attempt.history.order_by("id").values_list("attempt_state", flat=True)) == [
        "sending", "unknown", "processing",
    ]  # fmt: skip
    assert [one["payment"]["status"] for one in told()] == ["pending"]
