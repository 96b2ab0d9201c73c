"""SIGTERM: the batch in hand is written and committed, the group is left, and none of it takes longer than it may."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from django.db import connection

from billing_project.dev.services import Kafka
from bridge import loop
from bridge.consumer import Bridge, run_once
from bridge.kafka import source
from bridge.kafka.reading import count_members
from bridge.loop import Stop
from bridge.positions import Positions
from tests.integration.bridge_member import bridge_process, database_away, events, events_in, joined, take, verdicts
from tests.integration.kafka_client import Neighbour, lines, make_all_topics, name_topics, running, wait_until
from tests.integration.watching import receive

pytestmark = pytest.mark.django_db(transaction=True)

CACHE = Path(__file__).parents[2] / ".data" / "cache"


@pytest.fixture
def neighbour(settings: Any) -> Neighbour:
    """Topics of one partition, without records."""
    return make_all_topics(name_topics(settings), partitions=1)


@pytest.fixture(scope="module")
def own_kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka]:
    """A Kafka that may be stopped."""
    kafka = Kafka(folder=tmp_path_factory.mktemp("kafka"), cache=CACHE)
    try:
        yield kafka
    finally:
        kafka.stop()


@pytest.fixture
def lonely(own_kafka: Kafka, settings: Any) -> Neighbour:
    """Topics of one partition on a Kafka that may be stopped."""
    if own_kafka.pid is None:
        own_kafka.start()
    return make_all_topics(name_topics(settings, broker=own_kafka.broker), partitions=1)


@contextmanager
def inbox_locked() -> Iterator[None]:
    """Whoever writes a batch waits in the middle of it until the end of the block."""
    with closing(psycopg2.connect(os.environ["TEST_DATABASE_URL"], dbname=connection.settings_dict["NAME"])) as other:
        with other.cursor() as cursor:
            cursor.execute("LOCK TABLE payments_inboxmessage IN ACCESS EXCLUSIVE MODE")
        yield


def is_in_the_middle_of_a_batch() -> bool:
    """Whether somebody waits for the inbox."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'payments_inboxmessage'::regclass"
        )
        return bool(cursor.fetchone()[0])


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_a_batch_in_hand_is_written_and_committed_before_the_end(
    neighbour: Neighbour, tmp_path: Path, protocol: str
) -> None:
    """SIGTERM comes while the database is at work: exit code 0, rows and offsets, and nobody left in the group."""
    neighbour.send(events("sub_1", "sub_2", "sub_3"))
    with bridge_process(neighbour, log=tmp_path / "log", KAFKA_GROUP_PROTOCOL=protocol) as bridge:
        with inbox_locked():
            wait_until(is_in_the_middle_of_a_batch, what="it writes the batch")
            bridge.send_signal(signal.SIGTERM)
            wait_until(lambda: "stopping" in events_in(tmp_path / "log"), what="it has heard of the signal")
            assert bridge.poll() is None
        assert bridge.wait(20) == 0
    assert verdicts() == {"accepted": 3}
    assert neighbour.committed() == {0: 3}
    assert count_members() == 0


def test_a_batch_that_was_taken_when_the_signal_came_is_written(neighbour: Neighbour) -> None:
    """It may have come at any moment between two steps."""
    neighbour.send(events("sub_1", "sub_2"))
    stop = Stop()
    stop.set()
    with joined() as member:
        wait_until(lambda: run_once(source=member, stop=stop, positions=Positions()) > 0, what="it takes a batch")
        assert neighbour.committed()[0] == sum(verdicts().values()) > 0


def test_a_database_that_is_away_keeps_nobody_from_stopping(
    neighbour: Neighbour, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """However long the pause is that it is in; nothing was written, so nothing is committed."""
    monkeypatch.setattr(loop, "FIRST_PAUSE", 600.0)
    monkeypatch.setattr(loop, "LONGEST_PAUSE", 600.0)
    neighbour.send(events("sub_1"))
    with joined() as member:
        # The group has begun to read. Whoever left in the middle of joining would be waited for, for 45 seconds.
        take(member, records=1)
    with database_away(), running(process="bridge", session=Bridge(start_from="earliest").session):
        wait_until(lambda: bool(lines(caplog, "waiting")), what="it waits for ten minutes")
    assert (verdicts(), neighbour.committed(), neighbour.members()) == ({}, {0: 0}, 0)


def test_a_kafka_that_is_away_keeps_nobody_from_stopping(own_kafka: Kafka, lonely: Neighbour, tmp_path: Path) -> None:
    """Nothing is under way, so there is nothing to wait for."""
    with bridge_process(lonely, log=tmp_path / "log") as bridge:
        lonely.send(events("sub_1"))
        wait_until(lambda: "batch accepted" in events_in(tmp_path / "log"), what="it has committed a batch")
        own_kafka.kill()
        bridge.send_signal(signal.SIGTERM)
        assert bridge.wait(20) == 0


def test_a_commit_that_gets_no_answer_ends_with_the_time_to_stop(
    own_kafka: Kafka, lonely: Neighbour, tmp_path: Path
) -> None:
    """Kafka's client would wait for ever: one line, exit code 1. The rows are known when the records come again."""
    lonely.send(events("sub_1", "sub_2"))
    assert own_kafka.pid
    with bridge_process(lonely, log=tmp_path / "log", STOP_WITHIN="2") as bridge:
        with inbox_locked():
            wait_until(is_in_the_middle_of_a_batch, what="it writes the batch")
            os.kill(own_kafka.pid, signal.SIGSTOP)
        try:
            wait_until(lambda: verdicts() == {"accepted": 2}, what="the rows are there")
            before = time.monotonic()
            bridge.send_signal(signal.SIGTERM)
            assert bridge.wait(15) == 1
            assert time.monotonic() - before > 1.9
        finally:
            os.kill(own_kafka.pid, signal.SIGCONT)
    assert events_in(tmp_path / "log")[-1] == "ended by force"
    assert verdicts() == {"accepted": 2}


def test_a_commit_that_gets_no_answer_lets_the_bridge_go_on(
    own_kafka: Kafka, lonely: Neighbour, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It says so after a while, and stays a member; Kafka's client alone would wait for ever."""
    monkeypatch.setattr(source, "COMMIT_TIMEOUT", 0.5)
    lonely.send(events("sub_1", "sub_2"))
    assert own_kafka.pid
    with joined() as member:
        batch = take(member, records=2)
        os.kill(own_kafka.pid, signal.SIGSTOP)
        try:
            member.commit(batch)
        finally:
            os.kill(own_kafka.pid, signal.SIGCONT)
        [line] = lines(caplog, "offsets not committed, records will come again")
        assert line["error"] == "no answer"
        wait_until(lambda: lonely.committed() == {0: 2}, what="the answer has come after all")


def test_who_is_stopped_as_it_joins_is_not_waited_for(neighbour: Neighbour) -> None:
    """Its group would give nobody a partition for 45 seconds. At which moment of joining, is a matter of milliseconds:
    one in twelve of these left at the wrong one."""
    for number in range(40):
        with joined():
            time.sleep(number / 3000)
    with joined() as next_one:
        wait_until(lambda: receive(next_one), what="the next one has partitions", within=20)


def test_a_group_that_waits_for_who_was_killed_keeps_nobody_from_stopping(neighbour: Neighbour, tmp_path: Path) -> None:
    """Kafka answers a member's commit only when the rebalance is over that it has joined, which waits for the killed
    one until its session ends, in 45 seconds. Committed, the group left, exit code 0 all the same."""
    neighbour.add_partition(1)
    with bridge_process(neighbour, log=tmp_path / "stopped") as bridge:
        wait_until(lambda: neighbour.members() == 1, what="one is a member")
        with bridge_process(neighbour, log=tmp_path / "killed"):
            wait_until(lambda: neighbour.members() == 2, what="so is the other")
            wait_until(lambda: "partitions assigned" in events_in(tmp_path / "killed"), what="it has a partition")
        with bridge_process(neighbour, log=tmp_path / "third"):
            wait_until(neighbour.is_rebalancing, what="a third makes the group rebalance")
            neighbour.send(events(*(f"sub_{number}" for number in range(20))))
            wait_until(lambda: bool(verdicts()), what="the rows are there")
            bridge.send_signal(signal.SIGTERM)
            assert bridge.wait(20) == 0
            # The killed one and the third.
            assert neighbour.members() == 2
            assert sum(neighbour.committed().values()) == sum(verdicts().values())
