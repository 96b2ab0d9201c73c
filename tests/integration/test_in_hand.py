"""Several messages in one process: one thread runs all; no message waits for another one, or hears of its lot."""

from collections.abc import Iterator
from typing import Any

import pytest

from billing_project.dev.simulator import Simulator
from payments import limits
from payments.gateway import CONNECTIONS, Gateway
from payments.limits import Endpoint
from tests.conftest import Clock
from tests.integration.simulated import wait_until
from tests.integration.slots import Holding, Start, free_connections, paid, slots, take_in

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _tokens(stripe: Simulator) -> None:
    limits.connect_redis().flushdb()
    limits.give_back(calls=[*Endpoint] * 100)


@pytest.fixture
def gateway(stripe_gateway: Gateway) -> Holding:
    """Whoever is held goes on with `may_go_on`."""
    return Holding(stripe_gateway)


@pytest.fixture
def start(clock: Clock) -> Iterator[Start]:
    """Charge in a thread of its own, as a slot of a worker does."""
    with slots(clock) as begin:
        yield begin


def test_each_payment_of_each_message_is_charged_once(
    stripe: Simulator, gateway: Holding, clock: Clock, start: Start
) -> None:
    """P1: each message tells how many of its own were claimed."""
    names = [f"sub_{number}" for number in range(10)]
    ids = take_in(clock, *names)
    running = [start(ids[first : first + 2], gateway) for first in range(0, 10, 2)]
    assert [one.result(60) for one in running] == [2] * 5
    assert paid() == set(names)
    assert [len(stripe.ledger.successes(name)) for name in names] == [1] * 10


def test_a_message_that_arrives_is_begun_beside_the_one_that_waits_and_neither_waits_for_the_other(
    stripe: Simulator, gateway: Holding, clock: Clock, start: Start
) -> None:
    """P5: nor the one that comes after both."""
    held, quick, last = take_in(clock, "held", "quick", "last")
    first = start([held], gateway)
    wait_until(lambda: gateway.reached == {"held"})
    assert start([quick], gateway).result(60) == 1
    assert paid() == {"quick"}
    assert start([last], gateway).result(60) == 1
    assert not first.done()
    gateway.may_go_on.set()
    assert first.result(60) == 1
    assert paid() == {"held", "quick", "last"}


def test_a_message_whose_payments_need_nothing_ends_at_once(
    stripe: Simulator, gateway: Holding, clock: Clock, start: Start
) -> None:
    """P5: its slot is wanted by others; it waits for no answer to anybody else."""
    held, done = take_in(clock, "held", "done")
    assert start([done], gateway).result(60) == 1
    first = start([held], gateway)
    wait_until(lambda: "held" in gateway.reached)
    assert start([done], gateway).result(20) == 0
    assert not first.done()


def test_who_has_come_to_rest_is_at_stripe_no_more_though_its_neighbours_are(
    stripe: Simulator, gateway: Holding, clock: Clock, start: Start
) -> None:
    """Others wait for its connection; and when all are at rest, all connections are free."""
    running = start(take_in(clock, "held", "quick", "other"), gateway)
    wait_until(lambda: paid() == {"quick", "other"})
    wait_until(lambda: free_connections() == CONNECTIONS - 1)
    gateway.may_go_on.set()
    assert running.result(60) == 3
    assert free_connections() == CONNECTIONS


def test_what_goes_wrong_is_raised_by_its_own_message_alone(
    stripe: Simulator, gateway: Holding, clock: Clock, start: Start
) -> None:
    """Whoever waits for a neighbour hears of nothing."""
    held, broken = take_in(clock, "held", "broken")

    class Breaks(Gateway):
        """Has a mistake of ours in it."""

        def creating(self, **_: Any) -> Any:
            raise RuntimeError("a mistake")

    good = start([held], gateway)
    wait_until(lambda: gateway.reached == {"held"})
    bad = start([broken], Breaks(gateway._client))
    with pytest.raises(ExceptionGroup, match="payments were interrupted") as raised:
        bad.result(60)
    assert [type(one) for one in raised.value.exceptions] == [RuntimeError]
    gateway.may_go_on.set()
    assert good.result(60) == 1
    assert paid() == {"held"}
