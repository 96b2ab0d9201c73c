"""Refunds whose answers are lost, late or useless: nothing goes back twice, and none is called done or refused."""

from datetime import timedelta
from typing import Any

import pytest

from billing_project.dev.simulator import Simulator
from payments import refunds
from payments.charging.claim import LEASE
from payments.gateway import Gateway
from payments.models import Pause, Refund
from payments.refunds.claim import claim
from payments.refunds.steps import steps
from tests.conftest import Clock
from tests.integration.refunding import ask, audit, carry_out, only, pay, posts, rest, states

pytestmark = pytest.mark.django_db

LOST: list[dict[str, Any]] = [
    {"kind": "reset", "effect": "before"},
    {"kind": "reset", "effect": "after"},
    {"kind": "timeout", "effect": "before", "seconds": 0.0},
    {"kind": "cut", "effect": "before"},
    {"kind": "cut", "effect": "after"},
    {"kind": "garble", "effect": "after"},
    {"kind": "status", "status": 500, "effect": "none"},
    {"kind": "status", "status": 500, "effect": "before"},
    {"kind": "status", "status": 500, "effect": "after"},
    {"kind": "status", "status": 503, "effect": "none"},
    {"kind": "status", "status": 409, "effect": "none"},
    {"kind": "status", "status": 429, "effect": "none"},
    {"kind": "lock_timeout"},
]


def names(fault: dict[str, Any]) -> str:
    """For the test's id."""
    return "-".join(str(value) for value in fault.values())


@pytest.mark.parametrize("amount", [None, 2_500], ids=["all", "a part"])
@pytest.mark.parametrize("fault", LOST, ids=names)
def test_whatever_befalls_the_answer_it_goes_back_exactly_once(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock, fault: dict[str, Any], amount: int | None
) -> None:
    """The row's id in Stripe's metadata tells whether it was made; until then it is neither done nor refused."""
    payment = pay(stripe_gateway, clock)
    ask(payment, clock, amount)
    stripe.control.add_fault(endpoint="refunds.create", **fault)
    carry_out(stripe_gateway, clock)
    payment.refresh_from_db()
    if only().state == "unknown":
        assert (payment.refunded, only().in_doubt, only().ended_at) == (0, True, None)
    assert rest(stripe_gateway, clock) == ["succeeded"]
    assert len(stripe.ledger.refunds_of(payment.intent_id or "")) == 1
    audit(stripe)


@pytest.mark.parametrize("endpoint", ["refunds.list", "refunds.create"])
@pytest.mark.parametrize("kind", ["reset", "garble", "status"])
def test_several_faults_in_a_row_only_take_time(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock, kind: str, endpoint: str
) -> None:
    """Also where the list is what fails: without it nothing is sent again."""
    payment = pay(stripe_gateway, clock)
    ask(payment, clock, 2_500)
    stripe.control.add_fault(endpoint="refunds.create", kind="reset", effect="after")
    stripe.control.add_fault(endpoint=endpoint, kind=kind, effect="after", count=3)
    assert rest(stripe_gateway, clock) == ["succeeded"]
    audit(stripe)


def test_what_was_made_is_found_in_stripes_list_and_not_sent_again(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock
) -> None:
    """However long the list is: all its pages are read."""
    payment = pay(stripe_gateway, clock)
    refund = ask(payment, clock, 2_500)
    stripe.control.add_fault(endpoint="refunds.create", kind="reset", effect="after")
    carry_out(stripe_gateway, clock)
    for _ in range(101):
        stripe.control.refund(payment_intent=payment.intent_id or "", amount=1)
    clock.advance(seconds=5)
    carry_out(stripe_gateway, clock)
    refund.refresh_from_db()
    assert refund.state == "succeeded"
    assert len(posts(stripe)) == 1
    assert len(stripe.control.requests(endpoint="refunds.list")) == 2
    assert Refund.objects.filter(asked_by="stripe").count() == 101
    audit(stripe)


def test_what_was_not_made_is_sent_again_under_its_key_and_with_its_bytes(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock
) -> None:
    """So that the first send, should it still arrive, is the same refund to Stripe."""
    ask(pay(stripe_gateway, clock), clock)
    stripe.control.add_fault(endpoint="refunds.create", kind="reset", effect="before")
    carry_out(stripe_gateway, clock)
    clock.advance(seconds=5)
    assert carry_out(stripe_gateway, clock) == ["succeeded"]
    first, second = posts(stripe)
    assert (first["idempotency_key"], first["params"]) == (second["idempotency_key"], second["params"])


def test_a_refusal_does_not_undo_a_send_in_doubt(stripe: Simulator, stripe_gateway: Gateway, clock: Clock) -> None:
    """400 while an earlier send may be on its way proves nothing; after minutes of it, with nothing listed, it does."""
    payment = pay(stripe_gateway, clock)
    refund = ask(payment, clock, 2_500)
    stripe.control.add_fault(endpoint="refunds.create", kind="reset", effect="before")
    carry_out(stripe_gateway, clock)
    stripe.control.dispute(payment_intent=payment.intent_id or "")
    clock.advance(seconds=5)
    assert carry_out(stripe_gateway, clock) == ["unknown"]
    asked_at = refund.created_at
    assert rest(stripe_gateway, clock) == ["rejected"]
    refund.refresh_from_db()
    assert refund.code == "charge_disputed"
    assert clock() - asked_at >= timedelta(minutes=3)
    audit(stripe)


def test_a_refusal_that_comes_of_the_lost_send_itself_is_found_out_at_once(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock
) -> None:
    """Two workers, one refund: the first's send was carried out after the second had listed, under a forgotten key."""
    payment = pay(stripe_gateway, clock)
    refund = ask(payment, clock)
    stripe.control.add_fault(endpoint="refunds.create", kind="reset", effect="before")
    carry_out(stripe_gateway, clock)
    clock.advance(seconds=5)
    [claimed] = claim(refund_ids=[refund.id], now=clock())
    its_steps = steps(claim=claimed, gateway=stripe_gateway, clock=clock)
    listed = next(its_steps)()
    late = stripe_gateway.refund(
        intent=claimed.intent, amount=claimed.amount, key="forgotten",
        metadata={"refund_id": str(refund.id), "payment_id": str(payment.id)},
    )  # fmt: skip
    assert late
    send = its_steps.send(listed)
    list_again = its_steps.send(send())
    with pytest.raises(StopIteration):
        its_steps.send(list_again())
    assert states() == ["succeeded"]
    audit(stripe)


def test_an_outcome_that_stays_unknown_is_shown_within_three_minutes_and_never_given_up(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock
) -> None:
    """P5: 5 s, 30 s, 1 min, 2 min, 10 min, 1 h, then hourly; on a person's list by the last look before 3 minutes."""
    payment = pay(stripe_gateway, clock)
    ask(payment, clock)
    asked_at = clock()
    stripe.control.add_fault(endpoint="refunds.create", kind="reset", effect="before", count=None)
    for seconds in (5, 30, 60, 120, 600, 3600, 3600, 3600):
        carry_out(stripe_gateway, clock)
        assert only().due_at == clock() + timedelta(seconds=seconds)
        assert bool(only().attention) == (clock() + timedelta(seconds=seconds) > asked_at + timedelta(minutes=3))
        clock.advance(seconds=seconds)
    stripe.control.clear_faults()
    assert carry_out(stripe_gateway, clock) == ["succeeded"]
    assert only().attention == ""


def test_a_worker_killed_between_row_and_call_leaves_it_to_the_next(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock
) -> None:
    """It was marked as sent, so the list is asked first; its lease ran out, so somebody may."""
    refund = ask(pay(stripe_gateway, clock), clock)
    [claimed] = claim(refund_ids=[refund.id], now=clock())
    next(steps(claim=claimed, gateway=stripe_gateway, clock=clock))  # and no further
    refund.refresh_from_db()
    assert (refund.state, refund.in_doubt) == ("sending", True)
    assert refunds.find_due(now=clock(), limit=1) == []
    clock.now += LEASE
    assert carry_out(stripe_gateway, clock) == ["succeeded"]
    assert [one["endpoint"] for one in stripe.control.requests()][-2:] == ["refunds.list", "refunds.create"]
    audit(stripe)


def test_a_worker_killed_after_the_call_left_everything_at_stripe(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock
) -> None:
    """The answer died with it; the list has it."""
    refund = ask(pay(stripe_gateway, clock), clock)
    [claimed] = claim(refund_ids=[refund.id], now=clock())
    next(steps(claim=claimed, gateway=stripe_gateway, clock=clock))()
    clock.now += LEASE
    assert carry_out(stripe_gateway, clock) == ["succeeded"]
    assert len(posts(stripe)) == 1
    audit(stripe)


def test_a_worker_that_dies_each_time_is_shown(stripe: Simulator, stripe_gateway: Gateway, clock: Clock) -> None:
    """P5 where no answer ever comes to be settled."""
    refund = ask(pay(stripe_gateway, clock), clock)
    for _ in range(3):
        assert claim(refund_ids=[refund.id], now=clock())
        clock.now += LEASE
    refund.refresh_from_db()
    assert refund.attention == "it is still not known whether it went through"


def test_an_outage_opens_the_breaker_and_refunds_wait(stripe: Simulator, stripe_gateway: Gateway, clock: Clock) -> None:
    """As charges do: it is asked no more until the probe is answered."""
    for number in range(10):
        ask(pay(stripe_gateway, clock, subscription=f"sub_{number}"), clock)
    stripe.control.add_fault(endpoint="refunds.create", kind="status", status=503, effect="none", count=None)
    assert set(carry_out(stripe_gateway, clock)) == {"unknown"}
    assert Pause.objects.get().cause == "outage"
    clock.advance(seconds=5)
    asked = len(stripe.control.requests())
    carry_out(stripe_gateway, clock)
    assert len(stripe.control.requests()) == asked
