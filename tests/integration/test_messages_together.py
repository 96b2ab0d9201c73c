"""Messages that are in hand at the same moment are planned and claimed together; none hears of another's lot."""

import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import InternalError, connection
from django.test.utils import CaptureQueriesContext

from billing_project.dev.simulator import Simulator
from payments import charging, limits
from payments.charging import Pace
from payments.charging.message import Message
from payments.charging.run import Run
from payments.gateway import CONNECTIONS, Gateway
from payments.limits import Endpoint, Granted, Wish
from payments.models import Payment
from tests.conftest import Clock
from tests.integration.events import accept, record
from tests.integration.events import event as sent
from tests.integration.kafka_client import lines
from tests.integration.slots import free_connections

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("empty_redis")]

LIVE, BACKLOG = Pace(live=True, patience=60), Pace(live=False, patience=60)


@pytest.fixture(autouse=True)
def _tokens(empty_redis: None, stripe: Simulator, settings: Any) -> None:
    settings.STRIPE_RATE_LIMIT = 10_000
    limits.give_back(calls=[*Endpoint] * 100)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[list[Wish]]:
    """What the rate limit was asked for, each time."""
    heard: list[list[Wish]] = []
    take = limits.take

    def heard_take(*, wishes: Sequence[Wish]) -> Granted:
        heard.append(list(wishes))
        return take(wishes=wishes)

    monkeypatch.setattr(limits, "take", heard_take)
    return heard


def take_in(clock: Clock, count: int) -> list[uuid.UUID]:
    """So many accepted payments."""
    events = [record(sent(f"sub_{number}", method="pm_1"), at=clock()) for number in range(count)]
    return accept(*events, now=clock()).due


def message(ids: Sequence[uuid.UUID], gateway: Gateway, clock: Clock, *, pace: Pace = LIVE, task: str = "") -> Message:
    return Message(payment_ids=ids, gateway=gateway, clock=clock, pace=pace, task=task)


def run(*messages: Message) -> None:
    """All of them, in one thread, until each has ended."""
    together = Run()
    for one in messages:
        together.take_in(one)
    while not all(one.ended.is_set() for one in messages):
        together.go_round()
    assert together.is_idle


def test_ten_messages_take_one_look_one_question_and_one_claim(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock, asked: list[list[Wish]], caplog: pytest.LogCaptureFixture
) -> None:
    """As one message of ten payments does; each payment's line in the log tells of its own task."""
    messages = [
        message([one], stripe_gateway, clock, task=f"task {number}") for number, one in enumerate(take_in(clock, 10))
    ]
    with CaptureQueriesContext(connection) as queries:
        run(*messages)
    assert [one.result() for one in messages] == [1] * 10
    assert set(Payment.objects.values_list("status", flat=True)) == {"success"}
    assert [len(wishes) for wishes in asked] == [10]
    claims = [one for one in queries if one["sql"].startswith('INSERT INTO "payments_attempt"')]
    looks = [one for one in queries if "SKIP LOCKED" in one["sql"]]
    assert (len(claims), len(looks)) == (1, 1)
    assert sorted(one["task"] for one in lines(caplog, "taken up")) == sorted(f"task {number}" for number in range(10))


def test_who_was_rung_for_twice_is_charged_once_and_its_tokens_come_back(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """P1: of two messages that name it the second has nothing to do."""
    given_back: list[Endpoint] = []
    monkeypatch.setattr(limits, "give_back", lambda *, calls: given_back.extend(calls))
    [one] = take_in(clock, 1)
    first, second = message([one], stripe_gateway, clock), message([one], stripe_gateway, clock)
    run(first, second)
    assert (first.result(), second.result()) == (1, 0)
    assert len(stripe.ledger.successes("sub_0")) == 1
    assert set(given_back) >= {Endpoint.CREATE, Endpoint.CONFIRM}
    assert len(given_back) == len(set(given_back))
    assert free_connections() == CONNECTIONS


def test_who_is_live_goes_before_the_backlog_whoever_came_first(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock, asked: list[list[Wish]]
) -> None:
    """P5: of the tokens that are there the live ones get theirs."""
    old, new = take_in(clock, 2)
    run(message([old], stripe_gateway, clock, pace=BACKLOG), message([new], stripe_gateway, clock))
    assert [one.priority for one in asked[0]] == [limits.Priority.LIVE, limits.Priority.LATE]


def test_what_cannot_be_claimed_is_the_trouble_of_its_own_message(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """The others are claimed one message after the other; its tokens and its connection are free again."""
    good, bad, other = take_in(clock, 3)
    messages = [message([one], stripe_gateway, clock) for one in (good, bad, other)]
    with refused(bad):
        run(*messages)
    assert [messages[0].result(), messages[2].result()] == [1, 1]
    with pytest.raises(ExceptionGroup, match="payments were interrupted") as raised:
        messages[1].result()
    assert [type(one) for one in raised.value.exceptions] == [InternalError]
    assert dict(Payment.objects.values_list("id", "status")) == {good: "success", bad: "pending", other: "success"}
    assert [one["count"] for one in lines(caplog, "claimed one message after the other")] == [3]
    assert free_connections() == CONNECTIONS
    run(again := message([bad], stripe_gateway, clock))
    assert again.result() == 1


def test_while_charging_is_paused_nobody_of_any_message_waits_on(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock, asked: list[list[Wish]]
) -> None:
    """They would go on as live the moment that an outage ends, ahead of the outcomes that nobody knows."""
    first, second = take_in(clock, 40)[:20], take_in(clock, 40)[20:]
    charging.pause(cause="staff", reason="lunch", who="staff", now=clock())
    run(*(messages := [message(ids, stripe_gateway, clock) for ids in (first, second)]))
    assert [one.result() for one in messages] == [0, 0]
    assert len(asked) == 1
    assert stripe.control.requests() == []


def test_a_lost_connection_is_the_trouble_of_all_who_were_to_be_claimed(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Others fare no better: none is tried alone; the sweep finds them."""
    messages = [message([one], stripe_gateway, clock) for one in take_in(clock, 2)]
    tried: list[int] = []
    claim = charging.claim

    def cut(**asked: object) -> object:
        tried.append(1)
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")
        return claim(**asked)  # type: ignore[arg-type]

    monkeypatch.setattr("payments.charging.run.claim", cut)
    run(*messages)
    for one in messages:
        with pytest.raises(ExceptionGroup, match="payments were interrupted"):
            one.result()
    assert tried == [1]
    connection.close()
    assert set(Payment.objects.values_list("status", flat=True)) == {"pending"}


@contextmanager
def refused(payment: uuid.UUID) -> Iterator[None]:
    """PostgreSQL takes no attempt of this payment's."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                IF NEW.payment_id = '{payment}' THEN RAISE EXCEPTION 'refused'; END IF; RETURN NEW;
            END $$;
            CREATE TRIGGER refuse BEFORE INSERT ON payments_attempt FOR EACH ROW EXECUTE FUNCTION refuse()
            """
        )
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP TRIGGER refuse ON payments_attempt; DROP FUNCTION refuse()")
