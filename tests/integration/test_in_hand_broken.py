"""Several messages in one process whose thread, or its connection to PostgreSQL, is lost, or that want a row that
somebody holds: the others go on."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import OperationalError, transaction

from billing_project.dev.simulator import Simulator
from payments import limits
from payments.charging.claim import LEASE, confirm_request
from payments.charging.run import Run
from payments.gateway import Gateway
from payments.limits import Endpoint
from payments.models import Attempt, Payment
from tests.conftest import Clock
from tests.integration.kafka_client import lines
from tests.integration.ledger_rows import attempt
from tests.integration.simulated import wait_until
from tests.integration.slots import Holding, Start, lose_all_connections, paid, slots, take_in

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


def test_a_connection_that_was_lost_costs_one_message_though_somebody_is_at_stripe_all_the_while(
    stripe: Simulator, gateway: Holding, clock: Clock, start: Start
) -> None:
    """P5: at a hundred payments a second there always is."""
    held, first, second = take_in(clock, "held", "first", "second")
    slow = start([held], gateway)
    wait_until(lambda: gateway.reached == {"held"})
    lose_all_connections()
    with pytest.raises(ExceptionGroup, match="payments were interrupted"):
        start([first], gateway).result(60)
    assert start([second], gateway).result(60) == 1
    assert not slow.done()
    assert paid() == {"second"}


def test_where_no_thread_can_be_started_the_next_message_starts_one(
    stripe: Simulator, gateway: Holding, clock: Clock, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """P5: the machine had no room for another one just then."""
    begin, refused = threading.Thread.start, list[str]()

    def refuse_once(thread: threading.Thread) -> None:
        if thread.name == "charging" and not refused:
            refused.append(thread.name)
            raise RuntimeError("can't start new thread")
        begin(thread)

    monkeypatch.setattr(threading.Thread, "start", refuse_once)
    first, second = take_in(clock, "first", "second")
    with pytest.raises(RuntimeError, match="can't start new thread"):
        start([first], gateway).result(60)
    assert start([second], gateway).result(60) == 1
    assert paid() == {"second"}


def test_where_the_thread_has_ended_the_next_message_starts_another_one_for_all(
    stripe: Simulator, gateway: Holding, clock: Clock, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """P5: whoever it left is charged, too."""
    go_round, ended = Run.go_round, threading.Event()

    def end_once(run: Run, **how: Any) -> None:
        if not ended.is_set():
            ended.set()
            raise RuntimeError("a mistake")
        go_round(run, **how)

    monkeypatch.setattr(Run, "go_round", end_once)
    monkeypatch.setattr(threading, "excepthook", lambda _: None)
    first, second = take_in(clock, "first", "second")
    left = start([first], gateway)
    wait_until(lambda: ended.is_set() and "charging" not in {one.name for one in threading.enumerate()})
    assert start([second], gateway).result(60) == 1
    assert left.result(60) == 1
    assert paid() == {"first", "second"}


@pytest.mark.parametrize("is_one_message", [False, True])
def test_a_payment_whose_attempt_somebody_holds_keeps_no_other_from_being_charged(
    stripe: Simulator, gateway: Holding, clock: Clock, start: Start, is_one_message: bool
) -> None:
    """P5: a forgotten transaction at a psql prompt; its own payment is charged when that is over."""
    locked, good = take_in(clock, "locked", "good")
    row = attempt(
        Payment.objects.get(id=locked), sent_at=clock(), idempotency_key="key", key_made_at=clock(),
        request=confirm_request(payment_method="pm_1"),
    )  # fmt: skip
    with transaction.atomic():
        Attempt.objects.select_for_update().get(id=row.id)
        running = [start(ids, gateway) for ids in ([[locked, good]] if is_one_message else [[locked], [good]])]
        wait_until(lambda: paid() == {"good"})
        assert [one.result(60) for one in running] == ([1] if is_one_message else [0, 1])
    assert start([locked], gateway).result(60) == 1
    row.refresh_from_db()
    assert (row.in_doubt, paid()) == (True, {"locked", "good"})
