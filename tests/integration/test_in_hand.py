"""Several messages in one process: one thread runs all; no message waits for another one, or hears of its lot."""

import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
from django.db import DEFAULT_DB_ALIAS, OperationalError, connection, connections

from billing_project.dev.simulator import Simulator
from payments import limits
from payments.charging import InHand, Pace
from payments.charging.claim import LEASE
from payments.charging.turns import connections as at_stripe
from payments.gateway import CONNECTIONS, Gateway
from payments.limits import Endpoint
from payments.models import Payment
from tests.conftest import Clock
from tests.integration.events import accept, record
from tests.integration.events import event as sent
from tests.integration.kafka_client import lines
from tests.integration.simulated import wait_until

pytestmark = pytest.mark.django_db(transaction=True)

PACE = Pace(live=True, patience=60)
Start = Callable[..., "Future[int]"]


class Holding(Gateway):
    """Begins to make a PaymentIntent, and goes on when it may."""

    def __init__(self, gateway: Gateway) -> None:
        super().__init__(gateway._client)
        self.may_go_on, self.reached = threading.Event(), set[str]()
        self.held: dict[str, threading.Event] = {}

    def creating(self, **sent: Any) -> Any:
        """Only those whose subscription begins with `held` wait."""
        question, subscription = super().creating(**sent), sent["wish"].subscription
        self.reached.add(subscription)

        def ask() -> Any:
            assert self.held.get(subscription, self.may_go_on).wait(60)
            return question()

        return ask if subscription.startswith("held") else question


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
    """Charge in a thread of its own, as a slot of a worker does; it needs no connection to PostgreSQL."""
    in_hand = InHand()

    def charge(ids: Sequence[uuid.UUID], gateway: Gateway) -> int:
        claimed = in_hand.charge(payment_ids=ids, gateway=gateway, clock=clock, pace=PACE)
        assert connections[DEFAULT_DB_ALIAS].connection is None
        return claimed

    held: list[Gateway] = []

    def begin(ids: Sequence[uuid.UUID], gateway: Gateway) -> "Future[int]":
        held.append(gateway)
        return slots.submit(charge, ids, gateway)

    with ThreadPoolExecutor() as slots:
        yield begin
        for one in held:
            if isinstance(one, Holding):
                for event in (one.may_go_on, *one.held.values()):
                    event.set()  # nobody is held when the test is over
    in_hand.end()


def take_in(clock: Clock, *names: str) -> list[uuid.UUID]:
    """Accepted payments, in this order."""
    accept(*(record(sent(name, method="pm_1"), at=clock()) for name in names), now=clock())
    return [Payment.objects.get(subscription_id=name).id for name in names]


def paid() -> set[str]:
    return set(Payment.objects.filter(status="success").values_list("subscription_id", flat=True))


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


def free_connections() -> int:
    """Of this process."""
    free = at_stripe.take(wanted=2 * CONNECTIONS, leave=0)
    at_stripe.free(free)
    return free


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


def test_a_lost_connection_costs_who_was_writing_and_nobody_else(
    stripe: Simulator, gateway: Holding, clock: Clock, start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    """P2: it keeps its lease, and the sweep finds it. Who leads then gets a new connection."""
    others = Holding(gateway), Holding(gateway)
    broken, beside, later, quick = take_in(clock, "held broken", "held beside", "held later", "quick")
    first = start([broken], gateway)
    wait_until(lambda: gateway.reached == {"held broken"})
    rest = [start([one], its) for one, its in zip((beside, later), others, strict=True)]
    wait_until(lambda: all(one.reached for one in others))
    lose_all_connections()
    gateway.may_go_on.set()
    with pytest.raises(ExceptionGroup, match="payments were interrupted") as raised:
        first.result(60)
    assert [type(one) for one in raised.value.exceptions] == [OperationalError]
    assert start([quick], gateway).result(60) == 1
    for holding in others:
        holding.may_go_on.set()
    assert [one.result(60) for one in rest] == [1, 1]
    assert paid() == {"held beside", "held later", "quick"}
    assert Payment.objects.get(id=broken).lease_until == clock() + LEASE


def test_who_leads_goes_on_after_its_connection_was_lost(
    stripe: Simulator, gateway: Holding, clock: Clock, start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    """P2: its own message has more payments, and others have come meanwhile."""
    others = Holding(gateway)
    broken, later = take_in(clock, "held broken", "held later")
    [quick] = take_in(clock, "quick")
    gateway.held = {"held later": threading.Event()}
    first = start([broken, later], gateway)
    wait_until(lambda: len(gateway.reached) == 2)
    lose_all_connections()
    gateway.may_go_on.set()
    wait_until(lambda: bool(lines(caplog, "payment interrupted")))
    assert start([quick], others).result(60) == 1
    gateway.held["held later"].set()
    with pytest.raises(ExceptionGroup, match="payments were interrupted"):
        first.result(60)
    assert paid() == {"held later", "quick"}


def lose_all_connections() -> None:
    """As when PostgreSQL starts anew; but this test's own."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
