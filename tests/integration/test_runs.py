"""Many payments side by side: none waits for another, and what goes wrong with one is told after the others."""

import time
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import DataError, IntegrityError, OperationalError

from billing_project.dev.simulator import Simulator
from payments import charging, limits
from payments.charging import Pace
from payments.charging.calls import CALL_DEADLINE
from payments.charging.claim import LEASE
from payments.charging.turns import connections
from payments.gateway import CONNECTIONS, Gateway
from payments.limits import Endpoint, Priority
from payments.models import Attempt, Payment, Transition
from tests.conftest import Clock
from tests.integration.events import accept, event, record
from tests.integration.ledger_rows import attempt, restoring

pytestmark = pytest.mark.django_db


def take_in(clock: Clock, *names: str) -> list[Payment]:
    """Accepted payments, in this order."""
    accept(*(record(event(name, method="pm_1"), at=clock()) for name in names), now=clock())
    return [Payment.objects.get(subscription_id=name) for name in names]


@pytest.mark.parametrize("more", [timedelta(0), timedelta(microseconds=1)])
def test_whoever_has_too_little_time_left_makes_no_further_call(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock, more: timedelta
) -> None:
    """Somebody else may take the payment over while it is waited for: two must not ask at once."""
    [row] = take_in(clock, "a")
    claimed_at = [clock()]
    clock.now += LEASE - CALL_DEADLINE + more
    made = charging.charge(
        payment_ids=[row.id], gateway=stripe_gateway, clock=lambda: claimed_at.pop() if claimed_at else clock()
    )
    row.refresh_from_db()
    assert made == 1
    assert bool(stripe.control.requests()) == (not more)
    assert row.status == ("pending" if more else "success")
    assert (row.lease_until is None) == (not more)
    assert Attempt.objects.get().sent_at is None if more else True


def test_what_goes_wrong_with_one_is_raised_when_the_others_have_come_to_rest(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock
) -> None:
    """It keeps its lease, and the sweep finds it after that."""
    before, first, second, third = take_in(clock, "before", "a", "b", "c")
    charging.charge(payment_ids=[before.id], gateway=stripe_gateway, clock=clock)
    before.refresh_from_db()

    class Repeats(Gateway):
        """Has made one PaymentIntent for two payments."""

        def creating(self, **sent: Any) -> Any:
            question: Any = super().creating(**sent)

            def ask() -> Any:
                made = question()
                return replace(made, intent=replace(made.intent, id=before.intent_id))

            return ask if sent["wish"].subscription == "b" else question

    gateway = Repeats(stripe_gateway._client)
    with pytest.raises(ExceptionGroup, match=r"^payments were interrupted") as raised:
        charging.charge(payment_ids=[first.id, second.id, third.id], gateway=gateway, clock=clock)
    assert [type(one) for one in raised.value.exceptions] == [IntegrityError]
    rows = Payment.objects.exclude(id=before.id).order_by("subscription_id").values_list("status", "lease_until")
    assert list(rows) == [("success", None), ("pending", clock() + LEASE), ("success", None)]


def test_a_call_that_breaks_and_a_word_for_all_that_can_not_be_kept_leave_the_others_settled(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """P5: what else an answer means is noted, or fails, beside what it means for its payment."""
    first, second, third = take_in(clock, "a", "b", "c")

    class Breaks(Gateway):
        """Has a mistake of ours in it."""

        def creating(self, **sent: Any) -> Any:
            def ask() -> Any:
                raise RuntimeError("a mistake")

            return ask if sent["wish"].subscription == "b" else super().creating(**sent)

    def heed(**_: Any) -> None:
        raise OperationalError("the database is away for a moment")

    monkeypatch.setattr("payments.charging.run.heed", heed)
    with pytest.raises(ExceptionGroup, match=r"^payments were interrupted") as raised:
        charging.charge(
            payment_ids=[first.id, second.id, third.id], gateway=Breaks(stripe_gateway._client), clock=clock
        )
    assert {type(one) for one in raised.value.exceptions} == {RuntimeError, OperationalError}
    rows = Payment.objects.order_by("subscription_id").values_list("status", "lease_until")
    assert list(rows) == [("success", None), ("pending", clock() + LEASE), ("success", None)]


def test_a_call_that_never_ends_is_given_up_and_its_neighbours_do_not_wait(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock
) -> None:
    """P3, P5: its outcome is unknown, when its own deadline has passed; what it was asked about is left as it is."""
    slow, first, second = take_in(clock, "a", "b", "c")
    Payment.objects.exclude(id=slow.id).update(customer="")
    stripe.control.add_fault(kind="timeout", endpoint="payment_methods.retrieve", effect="before", seconds=10)

    def when_the_others_are_paid() -> datetime:
        paid = Payment.objects.filter(status="success").count() == 2
        return clock() + CALL_DEADLINE if paid else clock()

    ids = [slow.id, first.id, second.id]
    assert charging.charge(payment_ids=ids, gateway=stripe_gateway, clock=when_the_others_are_paid) == 3
    slow.refresh_from_db()
    assert (slow.status, slow.intent_id, slow.attempts.get().state) == ("pending", None, "unknown")
    assert Transition.objects.filter(payment=slow).latest("id").why == "outcome unknown: deadline"


def test_what_can_not_be_claimed_hands_back_its_tokens_and_its_connections(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock
) -> None:
    """A fault of the database: raised, and nothing is held that others wait for."""
    limits.connect_redis().flushdb()
    [row] = take_in(clock, "a")
    with restoring():
        attempt(row, number=32_767, state="declined", ended_at=clock())  # the highest that there is room for
    pace = Pace(live=True, patience=60)
    began = time.monotonic()
    with pytest.raises(ExceptionGroup, match="payments were interrupted") as raised:
        charging.charge(payment_ids=[row.id], gateway=stripe_gateway, clock=clock, pace=pace)
    assert [type(one) for one in raised.value.exceptions] == [DataError]
    assert time.monotonic() - began < 30, "it waits for no more tokens"
    assert connections.take(wanted=2 * CONNECTIONS, leave=0) == CONNECTIONS
    connections.free(CONNECTIONS)
    confirm = limits.Wish(calls=frozenset({Endpoint.CONFIRM}), priority=Priority.LIVE)
    assert limits.take(wishes=[confirm]).places == (0,)


def test_what_goes_wrong_frees_its_connection(stripe: Simulator, stripe_gateway: Gateway, clock: Clock) -> None:
    """Whether a payment is settled, left for want of time, or interrupted."""
    limits.connect_redis().flushdb()
    limits.give_back(calls=[*Endpoint] * 100)
    ids = [row.id for row in take_in(clock, "a", "b")]
    Payment.objects.filter(id=ids[0]).update(customer="")
    claimed_at = [clock(), clock()]
    clock.now += LEASE

    def late() -> datetime:
        return claimed_at.pop() if claimed_at else clock()

    pace = Pace(live=True, patience=60)
    assert charging.charge(payment_ids=ids, gateway=stripe_gateway, clock=late, pace=pace) == 2
    assert stripe.control.requests() == []
    assert connections.take(wanted=2 * CONNECTIONS, leave=0) == CONNECTIONS
    connections.free(CONNECTIONS)
