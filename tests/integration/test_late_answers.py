"""Answers that come when all is over: a worker stood still, and others settled the payment meanwhile."""

from dataclasses import replace

import pytest

from billing_project.dev.simulator import Simulator
from payments import charging
from payments.answers import Misconfigured, Seen
from payments.charging import writes
from payments.gateway import Gateway
from payments.models import Attempt, Payment
from tests.conftest import Clock
from tests.integration.events import accept, event, record
from tests.stepping import steps

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(("method", "status"), [("pm_1", "success"), ("pm_card_chargeDeclined", "failed")])
def test_a_refused_key_shows_no_settled_payment_to_a_person(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock, method: str, status: str
) -> None:
    """P5: nothing is left to do with it, so nobody is asked to look; the pause says what is wrong."""
    accepted = accept(record(event(method=method), at=clock()), now=clock())
    charging.charge(payment_ids=accepted.due, gateway=stripe_gateway, clock=clock)
    payment = Payment.objects.get()
    charging.settle(attempt_id=payment.attempts.get().id, answer=Misconfigured(http_status=401), now=clock())
    payment.refresh_from_db()
    assert (payment.status, payment.attention) == (status, "")
    assert charging.is_paused()


def test_a_spent_key_of_an_attempt_that_others_have_settled_stays_as_it_is(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """P1: who stood still before giving it a new key finds that it is over, and neither writes nor sends anything."""
    accepted = accept(record(event(method="pm_1"), at=clock()), now=clock())
    stripe.control.add_fault(kind="status", endpoint="confirm", effect="after", status=500)
    charging.charge(payment_ids=accepted.due, gateway=stripe_gateway, clock=clock)
    before = Attempt.objects.get()
    assert before.key_is_spent
    clock.advance(seconds=5)
    [claim] = charging.claim(payment_ids=accepted.due, now=clock())
    slow = steps(claim=claim, gateway=stripe_gateway, clock=clock)
    look = next(slow)
    stale = look()
    assert isinstance(stale, Seen)
    # What it saw was true a moment earlier: the charge was not there yet.
    stale = replace(stale, intent=replace(stale.intent, status="requires_payment_method"))

    def settle_meanwhile() -> str:
        charging.settle(
            attempt_id=claim.attempt, answer=stripe_gateway.retrieve(intent=claim.intent or ""), now=clock()
        )
        return "confirm-too-late"

    monkeypatch.setattr(writes, "new_key", settle_meanwhile)
    asked = len(stripe.control.requests(endpoint="payment_intents.confirm"))
    with pytest.raises(StopIteration):
        slow.send(stale)
    after = Attempt.objects.get()
    assert (after.state, after.idempotency_key) == ("succeeded", before.idempotency_key)
    assert len(stripe.control.requests(endpoint="payment_intents.confirm")) == asked
