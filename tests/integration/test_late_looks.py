"""A look at an earlier attempt whose answer comes while a newer attempt is under way."""

from dataclasses import replace
from typing import Any

import pytest

from billing_project.dev.simulator import Simulator
from payments import charging
from payments.answers import Declined, Rejected, Seen, Unknown
from payments.gateway import Gateway
from payments.models import Attempt, OutboxMessage, Payment
from tests.conftest import Clock
from tests.integration.events import accept, event, record

pytestmark = pytest.mark.django_db


@pytest.fixture
def look(stripe: Simulator, stripe_gateway: Gateway, clock: Clock) -> Any:
    """A declined attempt, a second one under way, and a way to settle what a look for the first one saw."""
    accept(record(event(method="pm_card_chargeDeclined"), at=clock()), now=clock())
    [payment] = Payment.objects.all()
    charging.charge(payment_ids=[payment.id], gateway=stripe_gateway, clock=clock)
    charging.replay(payment_id=payment.id, who="aida", reason="called", now=clock())
    charging.claim(payment_ids=[payment.id], now=clock())
    payment.refresh_from_db()
    seen = stripe_gateway.retrieve(intent=payment.intent_id or "")
    assert isinstance(seen, Seen)

    def settle(answer: Any) -> tuple[str, list[str]]:
        answer = replace(seen, intent=replace(seen.intent, status=answer)) if isinstance(answer, str) else answer
        clock.advance(seconds=1)
        charging.settle(attempt_id=Attempt.objects.get(number=1).id, answer=answer, now=clock())
        states = Attempt.objects.order_by("number").values_list("state", flat=True)
        return Payment.objects.get().status, list(states)

    return settle


def test_canceled_ends_the_attempt_that_is_under_way(look: Any) -> None:
    """P1, P4: a closed payment has no open attempt, and who waits for this one is told once."""
    assert look("canceled") == ("failed", ["declined", "rejected"])
    assert Payment.objects.get().closed_at
    assert OutboxMessage.objects.count() == 2
    assert look("canceled") == ("failed", ["declined", "rejected"])
    assert OutboxMessage.objects.count() == 2


def test_succeeded_overtakes_the_attempt_that_is_under_way(look: Any) -> None:
    """P1: the intent has its one charge; nothing more can be taken."""
    assert look("succeeded") == ("success", ["declined", "superseded"])


@pytest.mark.parametrize("status", ["requires_action", "requires_payment_method", "processing"])
def test_what_isnt_final_is_left_to_the_attempt_that_is_under_way(look: Any, status: str) -> None:
    """P3: it may speak of either attempt, so it proves nothing; and nobody waits longer for it."""
    due_at = Payment.objects.get().due_at
    assert look(status) == ("pending", ["declined", "sending"])
    assert Payment.objects.get().due_at == due_at
    assert OutboxMessage.objects.count() == 1


@pytest.mark.parametrize("answer", [Unknown(why="reset"), Declined(code="card_declined"), Rejected(code="x")])
def test_an_answer_to_an_earlier_attempt_ends_no_other(look: Any, answer: Any) -> None:
    """P3: it was asked for another attempt."""
    due_at = Payment.objects.get().due_at
    assert look(answer) == ("pending", ["declined", "sending"])
    assert Payment.objects.get().due_at == due_at
