"""Two at once: on connections of their own, let go at the same moment. Never more goes back than was taken."""

import threading
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest
from django.db import IntegrityError, connection

from billing_project.dev.simulator import Simulator
from payments import limits, refunds, tasks
from payments.answers import Answer, Misconfigured, Rejected, Unknown
from payments.gateway import Gateway
from payments.models import Payment, Refund
from payments.refunds.claim import claim
from payments.refunds.run import LOCK
from payments.refunds.steps import steps
from tests.conftest import Clock
from tests.integration.refunding import ask, audit, carry_out, deliver, pay, posts, states

pytestmark = pytest.mark.django_db(transaction=True)


def at_once(*calls: Callable[[], Any]) -> list[Any]:
    """Their results, or what they raised; each in a thread and on a connection of its own."""
    barrier = threading.Barrier(len(calls))

    def run(call: Callable[[], Any]) -> Any:
        connection.ensure_connection()
        barrier.wait(timeout=10)
        try:
            return call()
        except IntegrityError as error:
            return error
        finally:
            connection.close()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


def request(payment: Payment, clock: Clock, amount: int) -> Refund | refunds.NotRefundable:
    """Staff ask."""
    return refunds.request(payment_id=payment.id, amount=amount, who="aida", reason="", now=clock())


@pytest.mark.parametrize("count", [2, 6])
def test_of_two_that_ask_for_more_than_there_is_exactly_one_gets_it(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock, count: int
) -> None:
    """The payment's row lock lets one pass after the other, and the second sees what the first has asked for."""
    payment = pay(stripe_gateway, clock)
    found = at_once(*[lambda: request(payment, clock, 6_000)] * count)
    assert sorted(type(one).__name__ for one in found) == ["NotRefundable"] * (count - 1) + ["Refund"]
    assert carry_out(stripe_gateway, clock) == ["succeeded"]
    audit(stripe)


@pytest.mark.parametrize("count", [2, 6])
def test_the_database_itself_refuses_a_sum_above_the_charge(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock, count: int
) -> None:
    """Whatever the code does: two inserts that don't know of each other are counted one after the other."""
    payment = pay(stripe_gateway, clock)

    def insert() -> Refund:
        return Refund.objects.create(
            id=uuid.uuid4(), payment=payment, amount=6_000, asked_by="aida", due_at=clock(), created_at=clock()
        )

    found = at_once(*[insert] * count)
    refused = [one for one in found if isinstance(one, IntegrityError)]
    assert len(refused) == count - 1
    assert all("exceed the charge of 10000" in str(one) for one in refused)
    assert Refund.objects.count() == 1


def test_workers_that_come_for_the_same_refund_send_it_once(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock
) -> None:
    """By the claim: whoever finds the row taken leaves it alone."""
    refund = ask(pay(stripe_gateway, clock), clock, 2_500)

    def work() -> int:
        return refunds.carry_out(refund_ids=[refund.id], gateway=stripe_gateway, clock=clock)

    assert sum(at_once(work, work, work, work)) == 1
    assert len(posts(stripe)) == 1
    audit(stripe)


def test_a_claimed_refund_is_nobody_elses_until_its_lease_ends(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock
) -> None:
    """Neither found nor claimed again; then by one of those who come."""
    refund = ask(pay(stripe_gateway, clock), clock)
    [claimed] = claim(refund_ids=[refund.id], now=clock())
    assert claim(refund_ids=[refund.id], now=clock()) == []
    assert refunds.find_due(now=clock(), limit=1) == []
    clock.now = claimed.lease_until
    assert [one.refund for one in claim(refund_ids=[refund.id], now=clock())] == [refund.id]


def test_a_worker_that_wakes_up_late_sends_nothing(stripe: Simulator, stripe_gateway: Gateway, clock: Clock) -> None:
    """Its lease ran out before it began, and somebody else has carried the refund out."""
    refund = ask(pay(stripe_gateway, clock), clock, 2_500)
    [claimed] = claim(refund_ids=[refund.id], now=clock())
    clock.now = claimed.lease_until
    assert carry_out(stripe_gateway, clock) == ["succeeded"]
    with pytest.raises(StopIteration):
        next(steps(claim=claimed, gateway=stripe_gateway, clock=clock))
    assert len(posts(stripe)) == 1


@pytest.mark.parametrize(
    "late",
    [Unknown(why="no_answer"), Rejected(code="charge_disputed"), Misconfigured(http_status=401)],
    ids=lambda one: type(one).__name__,
)
def test_a_late_answer_changes_nothing_that_is_proven(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock, late: Answer
) -> None:
    """It came after another worker had found the refund in Stripe's list."""
    refund = ask(pay(stripe_gateway, clock), clock, 2_500)
    [claimed] = claim(refund_ids=[refund.id], now=clock())
    its_steps = steps(claim=claimed, gateway=stripe_gateway, clock=clock)
    next(its_steps)()
    clock.now = claimed.lease_until
    assert carry_out(stripe_gateway, clock) == ["succeeded"]
    with suppress(StopIteration):
        call = its_steps.send(late)
        while True:
            call = its_steps.send(call())
    refund.refresh_from_db()
    assert (refund.state, refund.attention, refund.due_at) == ("succeeded", "", None)
    audit(stripe)


def test_workers_that_hold_the_same_refund_make_it_once(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock
) -> None:
    """Leases only save work: with one that ran out, both send, under one key."""
    payment = pay(stripe_gateway, clock)
    refund = ask(payment, clock, 2_500)
    held = []
    for _ in range(2):
        [claimed] = claim(refund_ids=[refund.id], now=clock())
        held.append(claimed)
        Refund.objects.update(lease_until=None)
    first, second = (steps(claim=one, gateway=stripe_gateway, clock=clock) for one in held)
    send_first, send_second = next(first), next(second)
    answers = at_once(send_first, send_second)
    for its_steps, answer in zip((first, second), answers, strict=True):
        call: Any = None
        with pytest.raises(StopIteration):
            call = its_steps.send(answer)
            while True:
                call = its_steps.send(call())
    carry_out(stripe_gateway, clock)
    assert len(posts(stripe)) == 2
    assert len(stripe.ledger.refunds_of(payment.intent_id or "")) == 1
    clock.advance(seconds=5)
    assert carry_out(stripe_gateway, clock) == ["succeeded"]
    audit(stripe)


def test_workers_that_follow_the_same_hint_ask_once(stripe: Simulator, stripe_gateway: Gateway, clock: Clock) -> None:
    """Whoever finds the payment taken leaves it alone."""
    payment = pay(stripe_gateway, clock)
    stripe.control.refund(payment_intent=payment.intent_id or "")
    deliver(stripe, clock, "refund.")
    stripe.control.set_latency(ms=500)

    def work() -> int:
        return refunds.follow_up(gateway=stripe_gateway, clock=clock, limit=20)

    assert sorted(at_once(work, work, work, work)) == [0, 0, 0, 1]
    assert len(stripe.control.requests(endpoint="refunds.retrieve")) == 1
    audit(stripe)


def test_one_task_at_a_time_is_at_work_on_refunds(stripe: Simulator, stripe_gateway: Gateway, clock: Clock) -> None:
    """A Stripe that hangs takes one thread of the workers, and not one after the other."""
    limits.connect_redis().flushdb()
    ask(pay(stripe_gateway, clock), clock)
    held, let_go = threading.Event(), threading.Event()

    def hold() -> None:
        with refunds.alone() as mine:
            assert mine
            held.set()
            assert let_go.wait(timeout=10)
        connection.close()

    with ThreadPoolExecutor(1) as pool:
        holding = pool.submit(hold)
        assert held.wait(timeout=10)
        tasks.give_back()
        assert states() == ["sending"]
        let_go.set()
        holding.result(timeout=10)
    tasks.give_back(added_later=True)
    assert states() == ["succeeded"]
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = %s", [LOCK])
        assert cursor.fetchone() == (0,)
