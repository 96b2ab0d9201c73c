"""Payments whose outcome is unknown or may still change: looked at again, settled by what Stripe says, charged once."""

from datetime import timedelta
from typing import Any

import pytest

from billing_project.dev.simulator import Simulator
from payments import charging
from payments.answers import Seen
from payments.charging.claim import LEASE
from payments.gateway import Gateway
from payments.models import Payment
from tests.conftest import Clock
from tests.integration.one_payment import charge, take_in, told
from tests.stepping import steps

pytestmark = pytest.mark.django_db


def requests(stripe: Simulator, endpoint: str) -> list[dict[str, Any]]:
    """What Stripe received of one kind."""
    return stripe.control.requests(endpoint=f"payment_intents.{endpoint}")


@pytest.mark.parametrize("effect", ["before", "after"])
def test_a_reset_confirm_is_pending_until_stripe_says_what_happened(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock, effect: str
) -> None:
    """P1, P3: no answer is neither success nor failure; after the look the charge was made exactly once."""
    take_in(clock, method="pm_1")
    stripe.control.add_fault(kind="reset", endpoint="confirm", effect=effect)
    payment = charge(stripe_gateway, clock)
    assert (payment.status, payment.due_at) == ("pending", clock() + timedelta(seconds=5))
    assert told() == []
    assert charge(stripe_gateway, clock).status == "pending", "it isn't due before its time"
    clock.advance(seconds=5)
    assert charge(stripe_gateway, clock).status == "success"
    assert len(stripe.ledger.successes("sub_1")) == 1
    assert [one["payment"]["status"] for one in told()] == ["success"]


def test_an_attempt_in_doubt_is_sent_again_with_its_own_key_and_bytes(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock
) -> None:
    """So that Stripe's stored answer comes back if there is one, and the decline can be believed."""
    take_in(clock, method="pm_card_chargeDeclined")
    stripe.control.add_fault(kind="cut", endpoint="confirm", effect="after")
    assert charge(stripe_gateway, clock).status == "pending"
    clock.advance(seconds=5)
    payment = charge(stripe_gateway, clock)
    assert (payment.status, payment.code) == ("failed", "generic_decline")
    first, second = requests(stripe, "confirm")
    assert (first["idempotency_key"], first["params"]) == (second["idempotency_key"], second["params"])


def test_a_look_never_settles_a_decline(stripe: Simulator, stripe_gateway: Gateway, clock: Clock) -> None:
    """P3: `requires_payment_method` may be an attempt that is still on its way; only the attempt's own 402 counts."""
    take_in(clock, method="pm_card_chargeDeclined")
    stripe.control.add_fault(kind="reset", endpoint="confirm", effect="after", count=2)
    charge(stripe_gateway, clock)
    clock.advance(seconds=5)
    payment = charge(stripe_gateway, clock)
    intent = stripe_gateway.retrieve(intent=payment.intent_id or "")
    assert isinstance(intent, Seen)
    assert intent.intent.status == "requires_payment_method"
    assert payment.status == "pending"


def test_after_a_stored_500_the_attempt_gets_another_key(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock
) -> None:
    """Stripe replays a stored 500 for as long as the key lives: with it alone nothing would ever be known."""
    take_in(clock, method="pm_1")
    stripe.control.add_fault(kind="status", status=500, endpoint="confirm", effect="before")
    charge(stripe_gateway, clock)
    clock.advance(seconds=5)
    assert charge(stripe_gateway, clock).status == "success"
    first, second = requests(stripe, "confirm")
    assert first["idempotency_key"] != second["idempotency_key"]
    assert len(stripe.ledger.successes("sub_1")) == 1


def test_looks_at_an_unknown_outcome_grow_rarer_and_never_end(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock
) -> None:
    """P5 and P3: 5 s, 30 s, 1 min, 2 min, 10 min, 1 h, then hourly; after a quarter of an hour a person is asked."""
    take_in(clock, method="pm_1")
    stripe.control.add_fault(kind="reset", effect="before", endpoint="confirm", count=1)
    stripe.control.add_fault(kind="status", status=500, effect="none", endpoint="retrieve", count=None)
    pauses = []
    for _ in range(8):
        payment = charge(stripe_gateway, clock)
        assert payment.status == "pending"
        assert payment.due_at is not None
        pauses.append((payment.due_at - clock()).total_seconds())
        clock.now = payment.due_at
    assert pauses == [5, 30, 60, 120, 600, 3600, 3600, 3600]
    assert Payment.objects.get().attention == "its outcome is still unknown"
    stripe.control.clear_faults()
    assert charge(stripe_gateway, clock).status == "success"
    assert Payment.objects.get().attention == ""


def test_create_in_doubt_is_made_again_and_the_orphan_is_harmless(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock
) -> None:
    """An intent that nobody confirms takes no money; the payment is bound to one."""
    take_in(clock, method="pm_1")
    stripe.control.add_fault(kind="reset", endpoint="payment_intents.create", effect="after")
    charge(stripe_gateway, clock)
    clock.advance(seconds=5)
    assert charge(stripe_gateway, clock).status == "success"
    assert len(requests(stripe, "create")) == 2
    assert len(stripe.ledger.successes("sub_1")) == 1


def test_a_worker_that_died_after_the_confirm_is_followed_by_one_that_looks(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock
) -> None:
    """P1: continues from the bound intent; what had been charged is not charged again."""
    payment = take_in(clock, method="pm_1")
    [claim] = charging.claim(payment_ids=[payment.id], now=clock())
    its_steps = steps(claim=claim, gateway=stripe_gateway, clock=clock)
    call = next(its_steps)
    while len(requests(stripe, "confirm")) == 0:
        answer = call()
        if requests(stripe, "confirm"):
            break
        call = its_steps.send(answer)
    its_steps.close()
    assert len(stripe.ledger.successes("sub_1")) == 1
    clock.advance(seconds=LEASE.total_seconds())
    assert charge(stripe_gateway, clock).status == "success"
    assert len(requests(stripe, "confirm")) == 1
    assert len(stripe.ledger.successes("sub_1")) == 1


def test_a_failed_payment_is_looked_at_again_and_may_turn_out_paid(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock
) -> None:
    """`failed → success` when Stripe says so later: after 1 minute, 1 hour and 1 day somebody asks."""
    take_in(clock, method="pm_card_chargeDeclined")
    payment = charge(stripe_gateway, clock)
    looks = []
    while payment.due_at is not None:
        looks.append(payment.due_at - clock())
        clock.now = payment.due_at
        if len(looks) == 3:
            stripe_gateway.confirm(
                intent=payment.intent_id or "", request={"payment_method": "pm_1", "off_session": True}, key="late"
            )
        payment = charge(stripe_gateway, clock)
    assert looks == [timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)]
    assert payment.status == "success"
    assert [one["payment"]["status"] for one in told()] == ["failed", "success"]


def test_looks_at_a_failed_payment_end(stripe: Simulator, stripe_gateway: Gateway, clock: Clock) -> None:
    """Three looks that find nothing new are enough; it says nothing twice."""
    take_in(clock, method="pm_card_chargeDeclined")
    payment = charge(stripe_gateway, clock)
    while payment.due_at is not None:
        clock.now = payment.due_at
        payment = charge(stripe_gateway, clock)
    assert payment.status == "failed"
    assert len(requests(stripe, "retrieve")) == 3
    assert len(told()) == 1


def test_an_intent_that_was_cancelled_closes_its_payment(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock
) -> None:
    """A `canceled` found by any look closes, fails and tells; a closed payment is never due again."""
    take_in(clock, method="pm_1")
    stripe.control.add_fault(kind="reset", endpoint="confirm", effect="before")
    payment = charge(stripe_gateway, clock)
    stripe_gateway.cancel(intent=payment.intent_id or "")
    clock.advance(seconds=5)
    payment = charge(stripe_gateway, clock)
    assert (payment.status, payment.code, payment.closed_at, payment.due_at) == ("failed", "canceled", clock(), None)
    assert [one["payment"]["status"] for one in told()] == ["failed"]


def test_a_failed_payment_whose_intent_is_cancelled_is_closed_and_not_told_again(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock
) -> None:
    """Why it failed has been told; closing it takes nothing and changes nothing of that."""
    take_in(clock, method="pm_card_chargeDeclinedExpiredCard")
    payment = charge(stripe_gateway, clock)
    stripe_gateway.cancel(intent=payment.intent_id or "")
    clock.advance(minutes=1)
    payment = charge(stripe_gateway, clock)
    assert (payment.status, payment.code, payment.closed_at, payment.due_at) == (
        "failed",
        "expired_card",
        clock(),
        None,
    )
    assert len(told()) == 1


def test_a_look_that_sees_nothing_does_not_count(stripe: Simulator, stripe_gateway: Gateway, clock: Clock) -> None:
    """An outage must not use up the three looks at a failed payment."""
    take_in(clock, method="pm_card_chargeDeclined")
    charge(stripe_gateway, clock)
    stripe.control.add_fault(kind="reset", endpoint="retrieve", count=5)
    for _ in range(5):
        clock.advance(minutes=1)
        assert charge(stripe_gateway, clock).looks == 0
    clock.advance(minutes=1)
    assert charge(stripe_gateway, clock).looks == 1


@pytest.mark.parametrize("effect", ["before", "after"])
def test_a_confirmation_that_an_earlier_attempts_customer_has_begun_does_not_settle_the_next_attempt(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock, effect: str
) -> None:
    """P3: `requires_action` is of the first card, whose bank asks; the second one's answer was lost."""
    take_in(clock, method="pm_card_authenticationRequired")
    payment = charge(stripe_gateway, clock)
    assert payment.status == "failed"
    on_session = {"payment_method": "pm_card_authenticationRequired", "off_session": False}
    begun = stripe_gateway.confirm(intent=str(payment.intent_id), request=on_session, key="front end")
    assert isinstance(begun, Seen)
    assert begun.intent.status == "requires_action"
    clock.advance(seconds=1)
    take_in(clock, method="pm_1")
    stripe.control.add_fault(kind="reset", endpoint="confirm", effect=effect)
    assert charge(stripe_gateway, clock).status == "pending"
    clock.advance(seconds=5)
    assert charge(stripe_gateway, clock).status == "success"
    assert [one["payment"]["status"] for one in told()] == ["failed", "success"]
    assert len(stripe.ledger.successes("sub_1")) == 1


def test_a_first_attempt_that_asks_for_the_customer_is_settled_by_a_look(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock
) -> None:
    """There is no other that it could be of."""
    take_in(clock, method="pm_1")
    payment = charge_until_sent(stripe, stripe_gateway, clock)
    on_session = {"payment_method": "pm_card_authenticationRequired", "off_session": False}
    stripe_gateway.confirm(intent=str(payment.intent_id), request=on_session, key="front end")
    confirms = len(requests(stripe, "confirm"))
    clock.advance(seconds=5)
    payment = charge(stripe_gateway, clock)
    assert (payment.status, payment.kind, len(requests(stripe, "confirm"))) == ("failed", "action", confirms)
    assert [one["payment"]["metadata"]["actionRequired"] for one in told()] == [True]


def charge_until_sent(stripe: Simulator, gateway: Gateway, clock: Clock) -> Payment:
    """Its confirm leaves, and never arrives."""
    stripe.control.add_fault(kind="reset", endpoint="confirm", effect="before")
    payment = charge(gateway, clock)
    assert payment.status == "pending"
    return payment
