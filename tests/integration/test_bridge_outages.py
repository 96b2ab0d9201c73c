"""The database or Kafka is away: the bridge waits, parks nothing, and goes on by itself."""

import re
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from billing_project.dev.services import Kafka
from bridge.consumer import Bridge
from bridge.kafka import source
from tests.integration.bridge_member import (
    QUICK_TO_NOTICE_MEMBERS,
    database_away,
    events,
    joined,
    run_until,
    verdicts,
)
from tests.integration.kafka_client import (
    Neighbour,
    all_lines,
    lines,
    make_all_topics,
    name_topics,
    running,
    wait_until,
)

pytestmark = pytest.mark.django_db(transaction=True)

CACHE = Path(__file__).parents[2] / ".data" / "cache"


@pytest.fixture
def neighbour(settings: Any) -> Neighbour:
    """Topics of two partitions, without records, and a group that has never read."""
    return make_all_topics(name_topics(settings), partitions=2)


@contextmanager
def stopped_at_last(kafka: Kafka) -> Iterator[None]:
    """After the bridge, which waits for the answer to a commit that is under way."""
    try:
        yield
    finally:
        kafka.stop()


def test_a_database_that_is_away_pauses_and_parks_nothing(
    neighbour: Neighbour, caplog: pytest.LogCaptureFixture
) -> None:
    """P2: the batch in hand is written when it is back, in the same membership, and reading goes on behind it."""
    with running(process="bridge", session=Bridge(start_from="earliest").session):
        neighbour.send(events("sub_0"), partition=0)
        wait_until(lambda: verdicts() == {"accepted": 1}, what="the first record has its row")
        with database_away():
            neighbour.send(events("sub_1", "sub_2"), partition=0)
            wait_until(lambda: bool(lines(caplog, "waiting")), what="it waits")
            neighbour.send(events("sub_3", "sub_4"), partition=0)
            neighbour.send(events("sub_5"), partition=1)
            wait_until(lambda: len(lines(caplog, "waiting")) >= 2, what="it has tried again")
            assert neighbour.committed() == {0: 1, 1: 0}
            assert neighbour.members() == 1
        wait_until(lambda: verdicts() == {"accepted": 6}, what="all records have rows")
        wait_until(lambda: neighbour.committed() == {0: 5, 1: 1}, what="all offsets are committed")
    assert lines(caplog, "waiting")[0]["why"] == "the database does not answer (DATABASE_URL)"
    assert len(lines(caplog, "partitions assigned")) == 1
    assert not any(line["known"] for line in lines(caplog, "batch accepted"))


def test_a_database_may_be_away_for_longer_than_kafka_lets_a_member_be_silent(
    neighbour: Neighbour, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """P2: for hours, if need be. Here six seconds for five minutes: no rebalance, and nobody is lost."""
    settings.KAFKA_PROPERTIES = {"session.timeout.ms": "6000", "max.poll.interval.ms": "6000"}
    with running(process="bridge", session=Bridge(start_from="earliest").session):
        neighbour.send(events("sub_0"), partition=0)
        wait_until(lambda: verdicts() == {"accepted": 1}, what="the first record has its row")
        with database_away():
            neighbour.send(events("sub_1", "sub_2"), partition=0)
            away_since = time.monotonic()
            wait_until(lambda: time.monotonic() > away_since + 14, what="Kafka would have given it up twice")
        wait_until(lambda: neighbour.committed() == {0: 3, 1: 0}, what="all offsets are committed")
    assert verdicts() == {"accepted": 3}
    assert len(lines(caplog, "partitions assigned")) == 1
    assert not lines(caplog, "partitions lost")


@contextmanager
def refusing_twice(sqlstate: str) -> Iterator[None]:
    """PostgreSQL takes back the first two batches, as it does with one of two transactions that wait for each other."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            CREATE SEQUENCE refused;
            CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                IF nextval('refused') <= 2 THEN RAISE EXCEPTION USING ERRCODE = '{sqlstate}'; END IF; RETURN NEW;
            END $$;
            CREATE TRIGGER refuse BEFORE INSERT ON payments_inboxmessage FOR EACH STATEMENT EXECUTE FUNCTION refuse()
            """
        )
        try:
            yield
        finally:
            cursor.execute("DROP TRIGGER refuse ON payments_inboxmessage; DROP FUNCTION refuse; DROP SEQUENCE refused")


@pytest.mark.parametrize("sqlstate", ["40P01", "40001"], ids=["deadlock", "serialization"])
def test_a_transaction_that_the_database_takes_back_is_tried_again_and_parks_nothing(
    neighbour: Neighbour, caplog: pytest.LogCaptureFixture, sqlstate: str
) -> None:
    """SQLSTATE class 40 says nothing about a record: the batch stays in hand."""
    with refusing_twice(sqlstate), running(process="bridge", session=Bridge(start_from="earliest").session):
        neighbour.send(events("sub_1", "sub_2"), partition=0)
        wait_until(lambda: neighbour.committed() == {0: 2, 1: 0}, what="all offsets are committed")
    assert verdicts() == {"accepted": 2}
    assert len(lines(caplog, "waiting")) == 2


def test_a_member_that_waits_for_the_database_takes_part_in_its_group(
    neighbour: Neighbour, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Or a bridge without a database would keep its partitions from all others. Each record is judged once."""
    settings.KAFKA_PROPERTIES = QUICK_TO_NOTICE_MEMBERS
    # The test's own connection has to survive, and not to be found too old (CONN_MAX_AGE) after many other tests.
    connection.close()
    for partition in (0, 1):
        neighbour.send(events(*(f"sub_{partition}_{number}" for number in range(5))), partition=partition)
    with joined() as before:

        def has_begun() -> bool:
            before.wait_paused(seconds=0.05)
            return bool(before.take_assigned())

        wait_until(has_begun, what="the group has begun to read")
    with ExitStack() as outage:
        outage.enter_context(database_away())
        with running(process="bridge", session=Bridge(start_from="earliest").session):
            wait_until(lambda: bool(lines(caplog, "waiting")), what="it waits")
            # This one works on the test's own connection, which has survived.
            with joined() as second:
                run_until(second, records=5)
                assert verdicts() == {"accepted": 5}
                outage.close()
                wait_until(lambda: verdicts() == {"accepted": 10}, what="the first has written what is left to it")
                wait_until(lambda: neighbour.committed() == {0: 5, 1: 5}, what="all offsets are committed")
    assert sum(line["count"] for line in lines(caplog, "batch accepted")) == 10
    assert not any(line["known"] for line in lines(caplog, "batch accepted"))


def test_a_kafka_that_is_away_is_named_in_one_line_and_picked_up_again(
    settings: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """At the start and later. Nobody has to start the bridge again."""
    monkeypatch.setattr(source, "METADATA_TIMEOUT", 0.2)
    kafka = Kafka(folder=tmp_path, cache=CACHE)
    neighbour = name_topics(settings, broker=kafka.broker)
    with stopped_at_last(kafka), running(process="bridge", session=Bridge(start_from="earliest").session):
        wait_until(lambda: len(lines(caplog, "waiting")) == 2, what="it has tried twice")
        for line in lines(caplog, "waiting"):
            assert re.fullmatch(rf"Kafka at {kafka.broker} does not answer \(_[A-Z_]+\)", line["why"])
        assert [line["event"] for line in all_lines(caplog)] == ["waiting", "waiting"]
        kafka.start()
        assert kafka.broker == neighbour.broker
        make_all_topics(neighbour, partitions=1)
        neighbour.send(events("sub_1"))
        wait_until(lambda: verdicts() == {"accepted": 1}, what="the first record has its row")
        kafka.stop()
        wait_until(lambda: bool(lines(caplog, "kafka is in trouble, waiting for it")), what="it has noticed")
        kafka.start()
        neighbour.send(events("sub_2"))
        wait_until(lambda: verdicts() == {"accepted": 2}, what="the second record has its row")
