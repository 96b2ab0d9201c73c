"""What two connections do to one attempt at the same time: neither may undo what the other has written."""

import uuid
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import OperationalError, connection, connections, transaction

from payments import charging, notifications
from payments.answers import Declined, Intent, Seen, Unknown
from payments.charging import together
from payments.charging.steps import Call, steps
from payments.charging.writes import Send, Sending, Settle, Write, carry_out
from payments.gateway import Gateway
from payments.limits import Endpoint
from payments.models import Attempt, Pause, Payment
from tests.conftest import Clock
from tests.integration.ledger_rows import attempt, payment, restoring

pytestmark = pytest.mark.django_db(transaction=True)
PATIENCE = 20.0


def elsewhere(threads: ThreadPoolExecutor, do: Callable[[], object]) -> "Future[None]":
    """Run on another connection."""

    def run() -> None:
        try:
            do()
        finally:
            connections.close_all()

    return threads.submit(run)


def waiting() -> int:
    """How many other connections to this database wait for a lock."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_clear_snapshot()")  # else a transaction sees the same answer for ever
        cursor.execute("""
            SELECT count(*) FROM pg_stat_activity
            WHERE datname = current_database() AND pid <> pg_backend_pid() AND wait_event_type = 'Lock'
        """)
        return int(cursor.fetchone()[0])


@pytest.mark.parametrize("written", ["sent_at", "idempotency_key"])
def test_settling_never_undoes_what_a_worker_writes_before_it_confirms(clock: Clock, written: str) -> None:
    """P3: that a confirm may have left, and under which key, is known to whoever judges the next answer."""
    row = attempt(payment(), idempotency_key="old")
    new = {"sent_at": clock(), "idempotency_key": "new"}[written]

    def settle() -> None:
        charging.settle(attempt_id=row.id, answer=Unknown(why="reset"), now=clock() + timedelta(seconds=1))

    with ThreadPoolExecutor(1) as threads:
        with transaction.atomic():
            Attempt.objects.filter(id=row.id).update(**{written: new})
            settling = elsewhere(threads, settle)
            while not waiting():  # it wants the attempt, to read it or to write it
                assert not settling.done()
        settling.result(PATIENCE)
    row.refresh_from_db()
    assert row.in_doubt is (written == "sent_at")
    assert (row.state, getattr(row, written)) == ("unknown", new)


def test_a_method_that_comes_in_while_a_decline_is_settled_is_tried(clock: Clock) -> None:
    """P5: whoever settles sees what an event has just written, or nobody would ever try what it has brought."""
    row = attempt(bound("sub_1"), idempotency_key="key", sent_at=clock())

    def settle() -> None:
        charging.settle(attempt_id=row.id, answer=Declined(code="card_declined"), now=clock() + timedelta(seconds=1))

    with ThreadPoolExecutor(1) as threads:
        with transaction.atomic():
            Payment.objects.update(next_payment_method="pm_2")
            settling = elsewhere(threads, settle)
            while not waiting():  # it wants the payment, to read it or to write it
                assert not settling.done()
        settling.result(PATIENCE)
    found = Payment.objects.get()
    assert (found.status, found.payment_method, found.next_payment_method) == ("pending", "pm_2", "")


def test_a_payment_that_somebody_holds_keeps_no_other_from_being_settled(clock: Clock) -> None:
    """P5: a forgotten transaction of whoever sits at a psql prompt is the trouble of one payment."""
    rows = []
    for name in ("sub_1", "sub_2", "sub_3"):
        row = payment(subscription_id=name, id=notifications.payment_id(subscription=name, number=1))
        rows.append(attempt(row, idempotency_key=name))
    *others, held = sorted(rows, key=lambda one: one.payment_id)
    answers: list[Write] = [Settle(attempt=row.id, answer=Unknown(why="reset")) for row in (*others, held)]
    unknown = Attempt.objects.filter(state="unknown")

    with ThreadPoolExecutor(1) as threads:
        with transaction.atomic():
            Payment.objects.select_for_update().get(id=held.payment_id)
            settling = elsewhere(threads, lambda: carry_out(answers, now=clock() + timedelta(seconds=1)))
            while unknown.count() < len(others):
                assert not settling.done()
            assert not unknown.filter(id=held.id).exists()
        settling.result(PATIENCE)
    assert unknown.count() == len(rows)


def bound(name: str) -> Payment:
    """A payment with a PaymentIntent."""
    return payment(
        subscription_id=name, intent_id=f"pi_{name}", intent_customer="", account_id="acct_1", livemode=False
    )


@pytest.mark.parametrize("is_spent", [False, True])
def test_an_attempt_that_somebody_holds_keeps_no_other_from_being_sent(
    clock: Clock, monkeypatch: pytest.MonkeyPatch, is_spent: bool
) -> None:
    """P5: whether it is marked as sent or gets another key, it is waited for as long as one payment may cost."""
    monkeypatch.setattr(together, "LONGEST_WAIT", "50ms")
    monkeypatch.setattr(together, "LONGEST_WAIT_ALONE", "100ms")
    rows = [
        attempt(bound(name), idempotency_key=name, key_made_at=clock(), key_is_spent=is_spent)
        for name in ("sub_1", "sub_2", "sub_3")
    ]
    _, held, _ = rows
    sends: list[Write] = [Send(attempt=row.id, intent=str(row.payment.intent_id)) for row in rows]
    brought: list[object] = []

    with ThreadPoolExecutor(1) as threads, transaction.atomic():
        Attempt.objects.select_for_update().get(id=held.id)
        elsewhere(threads, lambda: brought.extend(carry_out(sends, now=clock()))).result(PATIENCE)
    assert [type(one) for one in brought] == [Sending, OperationalError, Sending]
    assert set(Attempt.objects.filter(sent_at=None)) == {held}


def test_whose_intent_was_moved_to_its_customer_is_waited_for_no_longer_than_others(
    stripe_gateway: Gateway, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """P5: it keeps its lease, and Stripe is told once more."""
    monkeypatch.setattr(together, "LONGEST_WAIT_ALONE", "50ms")
    row = payment(intent_id="pi_1", customer="cus_2", intent_customer="cus_1", livemode=False)
    [claim] = charging.claim(payment_ids=[row.id], now=clock())
    going = steps(claim=claim, gateway=stripe_gateway, clock=clock)
    call = next(going)
    assert isinstance(call, Call)
    assert call.endpoint is Endpoint.UPDATE
    intent = Intent(
        id="pi_1", status="requires_confirmation", amount=10_000, currency="KZT", livemode=False, payment=str(row.id),
        charge="", created_at=clock(),
    )  # fmt: skip

    with ThreadPoolExecutor(1) as threads, transaction.atomic():
        Payment.objects.select_for_update().get(id=row.id)
        moving = elsewhere(threads, lambda: going.send(Seen(intent=intent, request="req_1")))
        with pytest.raises(OperationalError, match="lock timeout"):
            moving.result(PATIENCE)


def test_a_commit_of_which_no_answer_came_is_not_carried_out_twice(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """P3: Django has connected anew when it says so; a try that counts twice would put off the next look."""
    rows = [attempt(payment(subscription_id=name), idempotency_key=name) for name in ("sub_1", "sub_2", "sub_3")]
    commit, lost = connection.commit, list[Exception]()

    def commit_unheard() -> None:
        commit()
        if not lost:
            lost.append(OperationalError("server closed the connection unexpectedly"))
            connection.connection.close()
            raise lost[0]

    monkeypatch.setattr(connection, "commit", commit_unheard)
    brought = carry_out([Settle(attempt=row.id, answer=Unknown(why="reset")) for row in rows], now=clock())
    assert brought == lost * 3
    assert list(Attempt.objects.values_list("state", "tries")) == [("unknown", 1)] * 3


def test_the_end_of_an_outage_locks_payments_in_their_usual_order(stripe_gateway: Gateway, clock: Clock) -> None:
    """Or it and a batch of answers, each with rows that the other wants, would end one of the two."""
    ids = sorted((uuid.uuid4() for _ in range(3)), reverse=True)
    for number, one in enumerate(ids):  # the highest comes first in the table
        bound = payment(id=one, subscription_id=f"sub_{number}", intent_id=f"pi_{number}", livemode=False)
        with restoring():
            attempt(bound, state="unknown", sent_at=clock())
    charging.pause(cause=Pause.Cause.OUTAGE, reason="Stripe is down", who="breaker", now=clock())

    def probe() -> None:
        charging.probe(gateway=stripe_gateway, now=clock() + timedelta(hours=1))

    with ThreadPoolExecutor(1) as threads:
        with transaction.atomic():
            Payment.objects.select_for_update().get(id=ids[0])
            probing = elsewhere(threads, probe)
            while not waiting():
                assert not probing.done()
            with pytest.raises(OperationalError, match="could not obtain lock"), transaction.atomic():
                Payment.objects.select_for_update(nowait=True).get(id=ids[2])
        probing.result(PATIENCE)
    assert set(Payment.objects.values_list("due_at", flat=True)) == {clock() + timedelta(hours=1)}
