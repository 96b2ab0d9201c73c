"""One relay is active: who takes over, what its predecessor can't do any more, and what it does without Kafka."""

import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import KafkaException, Producer
from django.db import OperationalError, connection

from billing_project.dev.services import Kafka
from bridge import relay
from bridge.kafka import Fenced, sink
from bridge.relay import run_once
from payments import outbox
from payments.models import OutboxMessage
from tests.integration.kafka_client import Neighbour, lines, make_all_topics, name_topics, running, wait_until
from tests.integration.relaying import lock_holder, opened, payment, put, tell, wait_until_told, waiting

pytestmark = pytest.mark.django_db(transaction=True)

CACHE = Path(__file__).parents[2] / ".data" / "cache"


@pytest.fixture
def neighbour(settings: Any) -> Neighbour:
    """Topics of two partitions, without records."""
    return make_all_topics(name_topics(settings), partitions=2)


def test_a_standby_takes_over_when_the_active_relay_ends(
    neighbour: Neighbour, caplog: pytest.LogCaptureFixture
) -> None:
    """One is active; the other publishes nothing until then, and everything from then on."""
    paid = payment()
    with ExitStack() as active, running_after(active, caplog):
        first = lock_holder()
        for attempt in range(1, 4):
            tell(paid, attempt=attempt)
        wait_until_told()
        assert (lock_holder(), len(lines(caplog, "relay active"))) == (first, 1)
        active.close()
        tell(paid, attempt=4)
        wait_until_told()
        assert lock_holder() not in (first, None)
    assert lock_holder() is None
    assert len(neighbour.records(neighbour.notifications)) == 4
    assert lines(caplog, "waiting") == lines(caplog, "another relay has taken over, standing by") == []


def test_a_standby_takes_over_when_the_active_relay_loses_its_connection(
    neighbour: Neighbour, caplog: pytest.LogCaptureFixture
) -> None:
    """The lock dies with the connection. Who lost it is the standby from then on, and no process has ended."""
    paid = payment()
    with ExitStack() as active, running_after(active, caplog):
        holders = [lock_holder()]
        for attempt in range(1, 3):
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [holders[-1]])
            tell(paid, attempt=attempt)
            wait_until_told()
            wait_until(lambda: lock_holder() not in (None, holders[-1]), what="somebody has the lock")
            holders.append(lock_holder())
        active.close()
        tell(paid, attempt=3)
        wait_until_told()
    assert len(neighbour.records(neighbour.notifications)) == 3
    assert {line["why"] for line in lines(caplog, "waiting")} == {"the database does not answer (DATABASE_URL)"}


def test_a_connection_that_breaks_while_the_relay_waits_is_a_database_that_is_away() -> None:
    """Without a word from PostgreSQL, as when its machine is gone: the loop knows Django's errors, not the driver's."""
    outbox.listen()
    with socket.socket(fileno=os.dup(connection.connection.fileno())) as broken:
        broken.shutdown(socket.SHUT_RDWR)
    with pytest.raises(OperationalError):
        outbox.wait_for_wake(seconds=30)
    connection.close()


@contextmanager
def running_after(active: ExitStack, caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """A standby, beside a relay that is active until `active` is closed."""
    active.enter_context(running(process="relay", session=relay.session))
    wait_until(lambda: bool(lines(caplog, "relay active")), what="the first is active")
    with running(process="relay", session=relay.session):
        wait_until(lambda: database_connections() >= 3, what="the second has asked for the lock")
        yield


def database_connections() -> int:
    """How many there are to this test's database, its own included."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()")
        return int(cursor.fetchone()[0])


def test_a_relay_that_lost_its_lock_delivers_nothing_any_more(neighbour: Neighbour) -> None:
    """It may not know yet: Kafka does, from the moment on that its successor is there."""
    with opened() as predecessor:
        put(b"1")
        run_once(sink=predecessor)
        put(b"2")
        with opened() as successor:
            with pytest.raises(Fenced):
                run_once(sink=predecessor)
            assert waiting() == 1
            run_once(sink=successor)
    assert waiting() == 0
    assert [one.value for one in neighbour.records(neighbour.notifications)] == [b"1", b"2"]


def test_what_a_predecessor_had_on_its_way_is_never_seen(neighbour: Neighbour) -> None:
    """Its records are in the topic already when the successor comes; it can't commit them, and no reader waits."""
    predecessor = Producer(
        {"bootstrap.servers": neighbour.broker, "transactional.id": f"{neighbour.group}-relay", "log_level": 0}
    )
    predecessor.init_transactions(30)
    predecessor.begin_transaction()
    predecessor.produce(neighbour.notifications, b"late")
    assert predecessor.flush(30) == 0
    put(b"1")
    with opened() as successor:
        with pytest.raises(KafkaException, match="fenced"):
            predecessor.commit_transaction(30)
        run_once(sink=successor)
    assert [one.value for one in neighbour.records(neighbour.notifications)] == [b"1"]


def test_a_fenced_relay_stands_by(neighbour: Neighbour, caplog: pytest.LogCaptureFixture) -> None:
    """It ends nothing, leaves the lock to others, and is active again when there is no other."""
    paid = payment()
    with running(process="relay", session=relay.session):
        wait_until(lambda: bool(lines(caplog, "relay active")), what="it is active")
        with opened():
            pass
        tell(paid)
        wait_until_told()
    assert len(lines(caplog, "another relay has taken over, standing by")) == 1
    assert len(lines(caplog, "relay active")) == 2
    assert len(neighbour.records(neighbour.notifications)) == 1


def test_a_kafka_that_is_away_is_named_and_picked_up_again(
    settings: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Where a relay was active, and where one starts anew. No row is marked before Kafka is back."""
    monkeypatch.setattr(sink, "OPEN_WITHIN", 1.5)
    kafka = Kafka(folder=tmp_path, cache=CACHE)
    with ExitStack() as stack:
        stack.callback(kafka.stop)
        kafka.start()
        neighbour = make_all_topics(name_topics(settings, broker=kafka.broker), partitions=1)
        stack.enter_context(running(process="relay", session=relay.session))
        paid = payment()
        tell(paid, attempt=1)
        wait_until_told()
        caplog.clear()  # a coordinator that loads may have been waited for
        kafka.kill()  # one that is stopped may still answer that it is going
        # Not longer: a commit that Kafka took, but not in time, is rightly published again.
        with monkeypatch.context() as while_away:
            while_away.setattr(sink, "COMMIT_WITHIN", 0.5)
            tell(paid, attempt=2)
            wait_until(lambda: len(lines(caplog, "waiting")) >= 2, what="it has tried twice")
            wait_until(lambda: lock_holder() is None, what="the lock is left to whoever may reach Kafka")
        assert waiting() == 1
        kafka.start()
        wait_until_told()
        told = [dict(one.headers)["ce_id"].decode() for one in neighbour.records(neighbour.notifications)]
    assert told == list(OutboxMessage.objects.order_by("id").values_list("message_id", flat=True))
    for line in lines(caplog, "waiting")[:2]:
        assert line["why"] == f"Kafka at {kafka.broker} does not answer (_TIMED_OUT)"
