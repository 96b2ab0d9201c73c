"""What nobody has heard of: a code that isn't listed, a reply to another question, and words for both."""

import pytest

from billing_project.dev.simulator import Simulator
from payments import charging, outbox
from payments.gateway import Gateway
from payments.models import Attempt, Payment
from tests.conftest import Clock
from tests.integration.events import accept, event, record
from tests.integration.kafka_client import lines
from tests.stepping import steps

pytestmark = pytest.mark.django_db


def test_a_decline_with_a_code_that_is_new_is_a_decline_and_said_in_the_log(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """P3: nothing was taken. The customer hears nothing of the code, an engineer does."""
    stripe.control.add_payment_method(id="pm_new", decline_code="brand_new")
    accepted = accept(record(event(method="pm_new"), at=clock()), now=clock())
    charging.charge(payment_ids=accepted.due, gateway=stripe_gateway, clock=clock)
    payment = Payment.objects.get()
    assert (payment.status, payment.code, payment.attempts.get().decline_code) == ("failed", "brand_new", "brand_new")
    assert payment.reason
    assert "brand_new" not in payment.reason
    assert [line["code"] for line in lines(caplog, "unknown decline code")] == ["brand_new"]


def test_a_reply_that_is_no_answer_about_the_payment_settles_nothing(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock
) -> None:
    """The claim ends with its lease, and whoever comes next asks again."""
    stripe.control.add_fault(kind="reset", endpoint="confirm", effect="after")
    accepted = accept(record(event(method="pm_1"), at=clock()), now=clock())
    charging.charge(payment_ids=accepted.due, gateway=stripe_gateway, clock=clock)
    clock.advance(seconds=5)
    [claim] = charging.claim(payment_ids=accepted.due, now=clock())
    before = (Payment.objects.values().get(), Attempt.objects.values().get())
    its_steps = steps(claim=claim, gateway=stripe_gateway, clock=clock)
    next(its_steps)
    with pytest.raises(StopIteration):
        its_steps.send(True)
    assert (Payment.objects.values().get(), Attempt.objects.values().get()) == before
    clock.advance(minutes=3)
    charging.charge(payment_ids=accepted.due, gateway=stripe_gateway, clock=clock)
    assert Payment.objects.get().status == "success"


def test_what_was_told_to_nobody_can_not_be_told_again(clock: Clock) -> None:
    """Its id is made from how often it was told: there is nothing to be another one of."""
    accept(record(event(), at=clock()), now=clock())
    payment = Payment.objects.get()
    with pytest.raises(ValueError, match="nothing was told yet"):
        outbox.tell_again(payment=payment, now=clock())
    assert not payment.notifications.exists()
