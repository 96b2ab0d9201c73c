"""The steps of one payment at Stripe: what is asked, in which order, and what is written in between.

Each call is carried out by the test itself, so that it can look at the rows before the next one, or put an answer of
its own in the place of Stripe's.
"""

import pytest

from billing_project.dev.simulator import Simulator
from payments import charging
from payments.answers import Reply
from payments.charging.claim import Claim
from payments.charging.steps import Steps, steps
from payments.gateway import Gateway
from payments.limits import Endpoint
from payments.models import Attempt, Payment
from tests.conftest import Clock
from tests.integration.events import accept, event, record

pytestmark = pytest.mark.django_db


def begin(gateway: Gateway, clock: Clock) -> tuple[Claim, Steps]:
    """A claim of the only payment there is, and its steps; a lease of before is over."""
    Payment.objects.update(lease_until=None, due_at=clock())
    [claim] = charging.claim(payment_ids=[Payment.objects.get().id], now=clock())
    return claim, steps(claim=claim, gateway=gateway, clock=clock)


def take_in(clock: Clock, **changes: str) -> Payment:
    """One accepted payment."""
    accept(record(event(**{"method": "pm_1"} | changes), at=clock()), now=clock())
    return Payment.objects.get()


def go(its_steps: Steps, *, instead: dict[Endpoint, Reply] | None = None, until: Endpoint | None = None) -> list[str]:
    """Carry out one call after the other, up to one or to the end. Returns which were made."""
    made: list[str] = []
    answer: Reply | None = None
    while True:
        try:
            call = next(its_steps) if answer is None else its_steps.send(answer)
        except StopIteration:
            return made
        made.append(call.endpoint.name)
        if call.endpoint == until:
            return made
        given = (instead or {}).get(call.endpoint)
        answer = call() if given is None else given


def test_a_first_charge_asks_whose_makes_binds_and_confirms(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock
) -> None:
    """P1: bound, and the attempt marked as sent, before the confirm; Stripe keeps our names for all of it."""
    stripe.control.add_payment_method(id="pm_saved", customer="cus_1")
    row = take_in(clock, method="pm_saved")
    Payment.objects.update(traceparent="00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
    _, its_steps = begin(stripe_gateway, clock)
    clock.advance(seconds=1)
    assert go(its_steps, until=Endpoint.CONFIRM) == ["PAYMENT_METHOD", "CREATE", "ACCOUNT", "CONFIRM"]
    row.refresh_from_db()
    [create] = stripe.control.requests(endpoint="payment_intents.create")
    assert (row.intent_customer, row.customer, row.livemode) == ("cus_1", "cus_1", False)
    assert row.account_id == stripe_gateway.account != ""
    assert Attempt.objects.get().sent_at == clock()
    assert create["idempotency_key"].startswith("create-")
    params = create["params"]
    assert (params["amount"], params["currency"], params["customer"]) == ("10000", "kzt", "cus_1")
    assert params["metadata"]["payment_id"] == str(row.id)
    assert params["metadata"]["subscription_id"] == "sub_1"
    assert params["metadata"]["traceparent"] == row.traceparent
