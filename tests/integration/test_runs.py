"""Many payments side by side: none waits for another, and what goes wrong with one is told after the others."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError

from billing_project.dev.simulator import Simulator
from payments import charging
from payments.charging.claim import LEASE
from payments.charging.run import CALL_DEADLINE
from payments.gateway import Gateway
from payments.models import Attempt, Payment
from tests.conftest import Clock
from tests.integration.events import accept, event, record

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

        def create(self, **sent: Any) -> Any:
            made: Any = super().create(**sent)
            again = replace(made, intent=replace(made.intent, id=before.intent_id))
            return again if sent["wish"].subscription == "b" else made

    gateway = Repeats(stripe_gateway._client)
    with pytest.raises(ExceptionGroup, match=r"^payments were interrupted") as raised:
        charging.charge(payment_ids=[first.id, second.id, third.id], gateway=gateway, clock=clock)
    assert [type(one) for one in raised.value.exceptions] == [IntegrityError]
    rows = Payment.objects.exclude(id=before.id).order_by("subscription_id").values_list("status", "lease_until")
    assert list(rows) == [("success", None), ("pending", clock() + LEASE), ("success", None)]
