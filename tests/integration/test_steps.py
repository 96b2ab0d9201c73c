"""The steps of a payment's first charge: what is asked, in which order, and what is written in between."""

import pytest

from billing_project.dev.simulator import Simulator
from payments import charging
from payments.answers import Seen, Unknown
from payments.gateway import Gateway
from payments.limits import Endpoint
from payments.models import Attempt, Payment
from tests.conftest import Clock
from tests.integration.one_step import WISH, begin, go, take_in

pytestmark = pytest.mark.django_db


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


def test_who_knows_the_account_does_not_ask_for_it(stripe: Simulator, stripe_gateway: Gateway, clock: Clock) -> None:
    """Nor whose method it is, where the event says that it is nobody's."""
    stripe_gateway.ask_account()
    take_in(clock, customer="")
    assert go(begin(stripe_gateway, clock)[1]) == ["CREATE", "CONFIRM"]
    row = Payment.objects.get()
    assert (row.status, row.intent_customer, row.account_id) == ("success", "", stripe_gateway.account)
    [create] = stripe.control.requests(endpoint="payment_intents.create")
    assert "customer" not in create["params"]


@pytest.mark.parametrize("endpoint", [Endpoint.PAYMENT_METHOD, Endpoint.CREATE, Endpoint.CONFIRM])
def test_without_an_answer_nothing_further_is_asked(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock, endpoint: Endpoint
) -> None:
    """P3: unknown, and only what may have left is in doubt."""
    take_in(clock)
    made = go(begin(stripe_gateway, clock)[1], instead={endpoint: Unknown(why="reset", request="req_9")})
    assert made[-1] == endpoint.name
    tried = Attempt.objects.get()
    assert (tried.state, tried.in_doubt, tried.request_id) == ("unknown", endpoint == Endpoint.CONFIRM, "req_9")
    assert (Payment.objects.get().intent_id is not None) == (endpoint == Endpoint.CONFIRM)


def test_a_payment_is_never_bound_to_what_was_made_for_another_one(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock
) -> None:
    """P1: whatever has mixed up the answers. It is tried again, as nothing was sent that could take money."""
    take_in(clock)
    another = stripe_gateway.create(wish=WISH, key="another")
    assert go(begin(stripe_gateway, clock)[1], instead={Endpoint.CREATE: another})[-1] == "CREATE"
    tried = Attempt.objects.get()
    assert (tried.state, tried.in_doubt, Payment.objects.get().intent_id) == ("unknown", False, None)


def test_a_method_that_came_meanwhile_does_not_get_the_other_ones_customer(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock
) -> None:
    """What was learned is of the method that was asked about."""
    stripe.control.add_payment_method(id="pm_saved", customer="cus_1")
    take_in(clock, method="pm_saved")
    _, its_steps = begin(stripe_gateway, clock)
    owner = next(its_steps)()
    Payment.objects.update(payment_method="pm_other")
    its_steps.send(owner)
    assert Payment.objects.get().customer is None


def test_an_intent_that_lost_the_race_to_a_close_is_cancelled_and_never_confirmed(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock
) -> None:
    """P1: nothing is bound to a closed payment, so nothing can be taken with it."""
    stripe_gateway.ask_account()
    row = take_in(clock, customer="")
    _, its_steps = begin(stripe_gateway, clock)
    made = next(its_steps)()
    assert isinstance(made, Seen)
    assert charging.close(payment_id=row.id, who="ann", reason="", gateway=stripe_gateway, now=clock()) is None
    cancel = its_steps.send(made)
    assert cancel.endpoint == Endpoint.CANCEL
    with pytest.raises(StopIteration):
        its_steps.send(cancel())
    [left] = stripe.ledger.payment_intents_of("subscription_id", "sub_1")
    assert (left.id, left.status, Payment.objects.get().intent_id) == (made.intent.id, "canceled", None)
