"""Many refunds side by side: one's trouble never touches its neighbours, and nobody works without a lease."""

import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from billing_project.dev.simulator import Simulator
from payments import limits, refunds
from payments.charging.calls import CALL_DEADLINE
from payments.gateway import Gateway
from payments.models import Refund
from tests.conftest import Clock
from tests.integration.refunding import ask, audit, carry_out, only, pay, posts, rest, states

pytestmark = pytest.mark.django_db


def clock_that_jumps(
    clock: Clock, *, after: int, by: timedelta, wait: threading.Event | None = None
) -> Callable[[], datetime]:
    """So many looks at it, and then, once that has happened which is waited for, it is so much later."""

    def times() -> Iterator[datetime]:
        for _ in range(after):
            yield clock.now
        assert wait is None or wait.wait(timeout=10)
        clock.now += by
        while True:
            yield clock.now

    ticking = times()
    return lambda: next(ticking)


def test_many_are_carried_out_side_by_side(stripe: Simulator, stripe_gateway: Gateway, clock: Clock) -> None:
    """A slow Stripe is waited for once and not twenty times."""
    payment = pay(stripe_gateway, clock)
    for _ in range(10):
        ask(payment, clock, 100)
    stripe.control.set_latency(ms=300)
    began = time.monotonic()
    assert carry_out(stripe_gateway, clock) == ["succeeded"] * 10
    assert time.monotonic() - began < 10 * 0.3
    audit(stripe)


def test_an_unexpected_error_stops_one_and_no_other(stripe: Simulator, stripe_gateway: Gateway, clock: Clock) -> None:
    """It is raised once the others have come to rest; its refund keeps its lease."""
    payment = pay(stripe_gateway, clock)
    ids = [ask(payment, clock, 100).id for _ in range(3)]
    Refund.objects.filter(id=ids[1]).update(idempotency_key="of nobody's making", key_is_spent=True, tries=9)
    with pytest.raises(ExceptionGroup, match="refunds were interrupted") as raised:
        refunds.carry_out(refund_ids=ids, gateway=stripe_gateway, clock=clock)
    assert [type(one) for one in raised.value.exceptions] == [ValueError]
    assert sorted(states()) == ["sending", "succeeded", "succeeded"]
    assert refunds.find_due(now=clock(), limit=9) == []
    audit(stripe)


def test_a_call_that_breaks_in_a_way_nobody_has_thought_of_stops_one_and_no_other(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock
) -> None:
    """Nor does whatever the client may raise."""

    class Breaks(Gateway):
        def refund(self, **sent: Any) -> Any:
            if sent["amount"] == 200:
                raise ZeroDivisionError
            return super().refund(**sent)

    payment = pay(stripe_gateway, clock)
    ids = [ask(payment, clock, amount).id for amount in (100, 200, 300)]
    with pytest.raises(ExceptionGroup):
        refunds.carry_out(refund_ids=ids, gateway=Breaks(stripe_gateway._client), clock=clock)
    assert sorted(states()) == ["sending", "succeeded", "succeeded"]
    clock.advance(minutes=2)
    assert rest(stripe_gateway, clock) == ["succeeded"] * 3
    audit(stripe)


def test_a_call_that_does_not_end_is_given_up_and_its_late_effect_is_found(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock
) -> None:
    """Its deadline counts from the start; what Stripe makes of it after that is in Stripe's list."""
    payment = pay(stripe_gateway, clock)
    ask(payment, clock, 2_500)
    stripe.control.add_fault(endpoint="refunds.create", kind="timeout", effect="before", seconds=0.5)
    left = threading.Event()

    class Tells(Gateway):
        def refund(self, **sent: Any) -> Any:
            left.set()
            return super().refund(**sent)

    # At the claim, the mark and the start, which may have to wait for a token; and then it is under way.
    jumping = clock_that_jumps(clock, after=3, by=CALL_DEADLINE + timedelta(seconds=10), wait=left)
    refunds.carry_out(refund_ids=[only().id], gateway=Tells(stripe_gateway._client), clock=jumping)
    assert states() == ["unknown"]
    deadline = time.monotonic() + 10
    while not stripe.ledger.refunds_of(payment.intent_id or ""):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert rest(stripe_gateway, clock) == ["succeeded"]
    assert len(posts(stripe)) == 1
    audit(stripe)


def test_nothing_is_sent_that_could_outlive_its_lease(stripe: Simulator, stripe_gateway: Gateway, clock: Clock) -> None:
    """Somebody else may have it by then."""
    ask(pay(stripe_gateway, clock), clock)
    jumping = clock_that_jumps(clock, after=2, by=timedelta(seconds=100))
    refunds.carry_out(refund_ids=[only().id], gateway=stripe_gateway, clock=jumping)
    assert (states(), posts(stripe)) == (["sending"], [])
    clock.advance(seconds=30)
    assert carry_out(stripe_gateway, clock) == ["succeeded"]


def test_refunds_keep_to_the_rate_limit(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock, settings: Any
) -> None:
    """Each call takes a token of its endpoint, as all others do."""
    payment = pay(stripe_gateway, clock)
    for _ in range(8):
        ask(payment, clock, 100)
    limits.connect_redis().flushdb()
    settings.STRIPE_RATE_LIMIT = 4
    began = time.monotonic()
    assert carry_out(stripe_gateway, clock) == ["succeeded"] * 8
    assert time.monotonic() - began > 1
