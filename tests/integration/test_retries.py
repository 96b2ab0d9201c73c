"""Retries that nobody asks for (off by default), and the card networks' cap."""

import json
from datetime import timedelta
from typing import Any

import pytest

from billing_project.dev.simulator import Simulator
from payments import charging
from payments.gateway import Gateway
from payments.models import Attempt, OutboxMessage, Payment, Transition
from tests.conftest import Clock
from tests.integration.events import accept, event, record

pytestmark = pytest.mark.django_db


def charge(gateway: Gateway, clock: Clock) -> Payment:
    """Charge what is due; the first payment."""
    charging.charge(payment_ids=list(Payment.objects.values_list("id", flat=True)), gateway=gateway, clock=clock)
    return Payment.objects.earliest("accepted_at")


def told() -> list[dict[str, Any]]:
    """What the outbox says of payments."""
    rows = OutboxMessage.objects.filter(channel="notifications").order_by("id")
    return [json.loads(bytes(row.value or b""))["payment"] for row in rows]


def test_by_default_nothing_is_tried_again_by_itself(stripe: Simulator, stripe_gateway: Gateway, clock: Clock) -> None:
    """The customer is told at once, and decides."""
    accept(record(event(method="pm_card_chargeDeclinedInsufficientFunds"), at=clock()), now=clock())
    payment = charge(stripe_gateway, clock)
    assert payment.retry_at is None
    for _ in range(5):
        clock.advance(days=1)
        charge(stripe_gateway, clock)
    assert Attempt.objects.count() == 1


def test_a_soft_decline_is_tried_again_by_schedule_and_told_once(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock, settings: Any
) -> None:
    """With RETRY_SOFT_AFTER=1h,24h: the first failure says when, the second is silent, the success is told."""
    settings.RETRY_SOFT_AFTER = [timedelta(hours=1), timedelta(hours=24)]
    poor = {"decline_code": "insufficient_funds"}
    stripe.control.add_payment_method(id="pm_poor", behaviour=[poor, poor, "success"])
    accept(record(event(method="pm_poor"), at=clock()), now=clock())
    payment = charge(stripe_gateway, clock)
    assert payment.retry_at == clock() + timedelta(hours=1)
    assert told()[0]["metadata"]["willRetryAt"] == "2026-01-31T13:00:00.000Z"
    clock.advance(minutes=59)
    assert charge(stripe_gateway, clock).status == "failed"
    clock.advance(minutes=1)
    payment = charge(stripe_gateway, clock)
    assert (payment.status, payment.retry_at) == ("failed", clock() + timedelta(hours=24))
    clock.advance(hours=24)
    payment = charge(stripe_gateway, clock)
    assert (payment.status, payment.retry_at, payment.due_at) == ("success", None, None)
    assert [one["status"] for one in told()] == ["failed", "success"]
    assert list(Attempt.objects.order_by("number").values_list("asked_by", flat=True)) == [
        "event",
        "schedule",
        "schedule",
    ]
    assert len(stripe.ledger.successes("sub_1")) == 1


@pytest.mark.parametrize("method", ["pm_card_chargeDeclinedLostCard", "pm_card_authenticationRequired"])
def test_what_is_not_soft_is_never_tried_again_by_itself(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock, settings: Any, method: str
) -> None:
    """A hard decline needs another card, and an authentication its customer."""
    settings.RETRY_SOFT_AFTER = [timedelta(hours=1)]
    accept(record(event(method=method), at=clock()), now=clock())
    assert charge(stripe_gateway, clock).retry_at is None


def test_a_new_event_takes_the_place_of_a_scheduled_retry(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock, settings: Any
) -> None:
    """Or the customer who pressed again would be tried twice."""
    settings.RETRY_SOFT_AFTER = [timedelta(hours=1)]
    stripe.control.add_payment_method(id="pm_poor", decline_code="insufficient_funds")
    accept(record(event(method="pm_poor"), at=clock()), now=clock())
    charge(stripe_gateway, clock)
    clock.advance(minutes=5)
    accept(record(event(method="pm_poor"), at=clock()), now=clock())
    payment = charge(stripe_gateway, clock)
    assert payment.retry_at is None, "the schedule has one entry, and this was the second failure"
    assert Attempt.objects.count() == 2


def test_a_card_that_the_networks_have_seen_declined_too_often_is_refused_over_all_payments(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock, settings: Any
) -> None:
    """15 declines in 30 days, by the card's fingerprint and not by the payment or the method's id."""
    settings.RETRY_SOFT_AFTER = [timedelta(hours=1)]
    for number in range(15):
        method = f"pm_same_{number}"
        stripe.control.add_payment_method(id=method, fingerprint="same", decline_code="insufficient_funds")
        accept(record(event(f"sub_{number}", method=method), at=clock()), now=clock())
    charge(stripe_gateway, clock)
    assert Attempt.objects.filter(card="same", state="declined").count() == 15
    assert Payment.objects.filter(retry_at__isnull=True).count() == 1, "the fifteenth isn't tried again by itself"
    clock.advance(minutes=10)
    accepted = accept(record(event("sub_3", method="pm_same_3"), at=clock()), now=clock())
    assert accepted.due == []
    refused = Attempt.objects.get(state="refused")
    assert (refused.number, refused.code, refused.asked_by) == (2, "network_cap", "event")
    assert (refused.payment_method, refused.created_at, refused.ended_at) == ("pm_same_3", clock(), clock())
    step = Transition.objects.get(attempt=refused)
    assert (step.payment_id, step.from_status, step.to_status) == (refused.payment_id, "failed", "failed")
    assert (step.attempt_state, step.who, step.at) == ("refused", "event", clock())
    assert "30 days" in step.why
    told = OutboxMessage.objects.filter(payment=refused.payment).latest("id")
    assert json.loads(bytes(told.value or b""))["payment"]["metadata"]["attempt"] == 2
    replayed = charging.replay(
        payment_id=Payment.objects.get(subscription_id="sub_5").id, who="aida", reason="", now=clock()
    )
    assert isinstance(replayed, charging.NotReplayable)
    assert replayed.code == "network_cap"
    clock.advance(days=31)
    accepted = accept(record(event("sub_3", method="pm_same_3"), at=clock()), now=clock())
    assert len(accepted.due) == 1
