"""Keys of refunds: when a new idempotency key may be used, and what a refused API key does."""

from datetime import timedelta
from typing import Any

import pytest

from billing_project.dev.simulator import Simulator
from payments.gateway import Gateway
from payments.models import Pause
from payments.refunds.claim import key_of
from tests.conftest import Clock
from tests.integration.refunding import ask, audit, carry_out, only, pay, posts, rest, states

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("age", [timedelta(hours=23, minutes=30), timedelta(days=3)])
def test_a_key_does_not_grow_old(stripe: Simulator, stripe_gateway: Gateway, clock: Clock, age: timedelta) -> None:
    """Once Stripe has forgotten it, it makes a new request, as a new one would: the list is asked before."""
    ask(pay(stripe_gateway, clock), clock)
    stripe.control.add_fault(endpoint="refunds.create", kind="reset", effect="before")
    carry_out(stripe_gateway, clock)
    clock.now += age
    stripe.control.advance_clock(seconds=age.total_seconds())
    assert carry_out(stripe_gateway, clock) == ["succeeded"]
    assert len({one["idempotency_key"] for one in posts(stripe)}) == 1
    audit(stripe)


def test_a_new_key_only_after_stripe_has_replayed_a_500_and_some_minutes(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock
) -> None:
    """Whatever still carries the old key makes no refund any more, and Stripe has had time to make good its own."""
    refund = ask(pay(stripe_gateway, clock), clock, 2_500)
    asked_at = clock()
    stripe.control.add_fault(endpoint="refunds.create", kind="status", status=500, effect="before")
    assert rest(stripe_gateway, clock) == ["succeeded"]
    assert clock() - asked_at == timedelta(seconds=5 + 30 + 60 + 120)
    keys = [one["idempotency_key"] for one in posts(stripe)]
    assert keys == [key_of(refund.id, number=1)] * 4 + [key_of(refund.id, number=2)]
    audit(stripe)


def test_a_500_that_was_not_stored_needs_no_new_key(stripe: Simulator, stripe_gateway: Gateway, clock: Clock) -> None:
    """A proxy's 503: the first send may still be on its way, and only its own key keeps it from being a second one."""
    ask(pay(stripe_gateway, clock), clock, 2_500)
    stripe.control.add_fault(endpoint="refunds.create", kind="status", status=503, effect="none", count=6)
    assert rest(stripe_gateway, clock) == ["succeeded"]
    assert len({one["idempotency_key"] for one in posts(stripe)}) == 1
    audit(stripe)


def test_a_refund_that_stripe_makes_after_its_500_is_the_one_that_was_asked_for(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock
) -> None:
    """Stripe stores the 500 and completes the refund a minute later: it is found, and no other one is sent."""
    payment = pay(stripe_gateway, clock)
    ask(payment, clock, 2_500)
    stripe.control.add_fault(endpoint="refunds.create", kind="roll_forward", seconds=60)
    carry_out(stripe_gateway, clock)
    for _ in range(6):
        clock.advance(seconds=65)
        stripe.control.advance_clock(seconds=65)
        carry_out(stripe_gateway, clock)
    assert states() == ["succeeded"]
    assert len(stripe.ledger.refunds_of(payment.intent_id or "")) == 1
    audit(stripe)


@pytest.mark.parametrize(("state", "status"), [("revoked", 401), ("restricted", 403)])
def test_a_refused_key_refuses_no_refund(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock, settings: Any, state: Any, status: int
) -> None:
    """Our fault: nothing is settled, charging stops for everyone, and it is carried out once the key is good."""
    ask(pay(stripe_gateway, clock), clock)
    stripe.control.set_api_key(key=settings.STRIPE_SECRET_KEY, state=state)
    assert carry_out(stripe_gateway, clock) == ["sending"]
    assert only().attention == f"Stripe refuses our key ({status}): check STRIPE_SECRET_KEY"
    pause = Pause.objects.get(ended_at__isnull=True)
    assert pause.cause == "key"
    stripe.control.set_api_key(key=settings.STRIPE_SECRET_KEY, state="accepted")
    Pause.objects.update(ended_at=clock())
    clock.advance(seconds=30)
    assert carry_out(stripe_gateway, clock) == ["succeeded"]
    assert only().attention == ""
    audit(stripe)


def test_a_key_without_the_right_to_refund_stops_nobody_else(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock
) -> None:
    """403 for this, and Stripe takes the key for all else: the refund waits and is shown, charging goes on."""
    ask(pay(stripe_gateway, clock), clock)
    stripe.control.add_fault(endpoint="refunds.create", kind="status", status=403, effect="none")
    assert carry_out(stripe_gateway, clock) == ["sending"]
    assert only().attention.startswith("Stripe refuses our key (403)")
    assert not Pause.objects.exists()
    assert rest(stripe_gateway, clock) == ["succeeded"]
