"""A bank that takes its time: what is processed is neither paid nor declined, until Stripe says which."""

import pytest

from billing_project.dev.simulator import Simulator
from payments import charging
from payments.gateway import Gateway
from payments.models import Attempt, Payment
from tests.conftest import Clock
from tests.integration.events import accept, event, record

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def processed(stripe: Simulator, stripe_gateway: Gateway, clock: Clock) -> Payment:
    """A payment that Stripe is processing."""
    stripe.control.add_payment_method(id="pm_slow", behaviour="processing")
    accept(record(event(method="pm_slow"), at=clock()), now=clock())
    return look(stripe_gateway, clock)


def look(stripe_gateway: Gateway, clock: Clock) -> Payment:
    """Whatever is due at the payment's next time."""
    payment = Payment.objects.get()
    clock.now = max(clock(), payment.due_at or clock())
    charging.charge(payment_ids=[payment.id], gateway=stripe_gateway, clock=clock)
    payment.refresh_from_db()
    return payment


def test_a_bank_that_says_no_later_is_believed(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock, processed: Payment
) -> None:
    """P5: Stripe was seen at our confirm, and it is over: a decline, with its codes, without another confirm."""
    assert (processed.status, processed.attempts.get().state) == ("pending", "processing")
    stripe.control.resolve(payment_intent=str(processed.intent_id), outcome={"decline_code": "insufficient_funds"})
    payment = look(stripe_gateway, clock)
    attempt = payment.attempts.get()
    assert (payment.status, payment.code, attempt.state) == ("failed", "insufficient_funds", Attempt.State.DECLINED)
    assert len(stripe.control.requests(endpoint="payment_intents.confirm")) == 1
    assert stripe.ledger.successes("sub_1") == []


def test_a_bank_that_has_seen_this_charge_before_is_not_believed(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock, processed: Payment
) -> None:
    """P3: `duplicate_transaction` speaks of an earlier charge, which perhaps went through."""
    stripe.control.resolve(payment_intent=str(processed.intent_id), outcome={"decline_code": "duplicate_transaction"})
    assert look(stripe_gateway, clock).status == "pending"


def test_a_bank_that_says_yes_later_is_believed(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock, processed: Payment
) -> None:
    """P3: success when Stripe says succeeded."""
    stripe.control.resolve(payment_intent=str(processed.intent_id), outcome="success")
    assert look(stripe_gateway, clock).status == "success"
