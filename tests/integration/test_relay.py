"""The relay between a real PostgreSQL and a real Kafka: every outcome is told, in order, under one id."""

import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import KafkaException, Producer
from django.db import OperationalError, connection, transaction

from billing_project.dev.services import Kafka
from bridge import relay
from bridge.kafka import Fenced, KafkaAway, Outgoing, Sink, sink
from bridge.relay import run_once
from payments import outbox
from payments.models import OutboxMessage, Payment
from tests.integration.events import accept, event, record
from tests.integration.kafka_client import Neighbour, lines, make_all_topics, name_topics, running, wait_until

pytestmark = pytest.mark.django_db(transaction=True)

CACHE = Path(__file__).parents[2] / ".data" / "cache"


class Crash(Exception):
    """As if the process had ended here."""


class DiesAfterTheAcknowledgement(Sink):
    """A relay that is killed when Kafka has everything and no row is marked."""

    def publish(self, records: Sequence[Outgoing]) -> None:
        """Everything of it reaches Kafka."""
        super().publish(records)
        raise Crash


@pytest.fixture
def neighbour(settings: Any) -> Neighbour:
    """Topics of two partitions, without records."""
    return make_all_topics(name_topics(settings), partitions=2)


@contextmanager
def opened(*, kind: type[Sink] = Sink) -> Iterator[Sink]:
    """The active relay's way to Kafka, until the end of the block or a crash in it."""
    ours = kind()
    try:
        ours.open()
        yield ours
    finally:
        ours.close()


def payment(subscription: str = "sub_1") -> Payment:
    """One that somebody asked for."""
    now = datetime.now(UTC)
    accept(record(event(subscription), at=now), now=now)
    return Payment.objects.get(subscription_id=subscription)


def tell(paid: Payment, *, attempt: int = 1) -> None:
    """Commit an outcome as a settling does, and wake the relay."""
    with transaction.atomic():
        locked = Payment.objects.select_for_update().get(id=paid.id)
        outbox.tell(payment=locked, attempt=attempt, transition=f"failed/{attempt}", now=datetime.now(UTC))
    outbox.wake()


def put(value: bytes) -> OutboxMessage:
    """A row with a value of this test's choice."""
    number = OutboxMessage.objects.count()
    return OutboxMessage.objects.create(
        message_id=f"message-{number}", channel="notifications", key=b"key", value=value,
        headers={"ce_id": f"message-{number}"}, created_at=datetime.now(UTC),
    )  # fmt: skip


def waiting() -> int:
    """How many rows nobody has published or set aside."""
    return len(outbox.waiting(limit=1000))


def wait_until_told(*, within: float = 30) -> None:
    """Until no row waits."""
    wait_until(lambda: waiting() == 0, what="all rows are published or set aside", within=within)


def lock_holder() -> int | None:
    """The PostgreSQL process of the active relay."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pid FROM pg_locks JOIN pg_database ON pg_database.oid = database "
            "WHERE locktype = 'advisory' AND granted AND objid = %s AND datname = current_database()",
            [outbox.RELAY_LOCK],
        )
        row = cursor.fetchone()
    return int(row[0]) if row else None


def test_a_row_reaches_the_topic_byte_for_byte_and_is_marked(neighbour: Neighbour) -> None:
    """P4: the value, key and headers that the settling transaction has written."""
    paid = payment()
    tell(paid)
    row = OutboxMessage.objects.get()
    began = datetime.now(UTC)
    with opened() as ours:
        assert run_once(sink=ours) == 1
        assert run_once(sink=ours) == 0
    [told] = neighbour.records(neighbour.notifications)
    assert (told.key, told.value) == (str(paid.id).encode(), bytes(row.value or b""))
    assert told.headers == [(name, value.encode()) for name, value in row.headers.items()]
    assert dict(told.headers)["ce_id"] == row.message_id.encode()
    row.refresh_from_db()
    assert row.published_at is not None
    assert began < row.published_at < datetime.now(UTC)
    assert row.refused_at is None


def test_a_crash_before_the_mark_tells_the_same_again_under_the_same_id(neighbour: Neighbour) -> None:
    """P4: at least once. A consumer that knows the id sees nothing new, as it has the same bytes."""
    tell(payment("sub_1"))
    tell(payment("sub_2"))
    with pytest.raises(Crash), opened(kind=DiesAfterTheAcknowledgement) as ours:
        run_once(sink=ours)
    assert waiting() == 2
    with opened() as ours:
        run_once(sink=ours)
    assert waiting() == 0
    told = [(one.key, one.value, tuple(one.headers)) for one in neighbour.records(neighbour.notifications)]
    assert len(told) == 4
    assert len(set(told)) == 2


def test_the_order_of_a_payment_is_the_order_of_its_rows(neighbour: Neighbour, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also over several transactions: "failed" must not come after the "success" that followed it."""
    monkeypatch.setattr(relay, "BATCH", 7)
    payments = [payment(f"sub_{number}") for number in range(3)]
    for attempt in range(1, 8):
        for paid in payments:
            tell(paid, attempt=attempt)
    with opened() as ours:
        while run_once(sink=ours):
            pass
    told: dict[bytes, list[bytes]] = {}
    for one in neighbour.records(neighbour.notifications):
        told.setdefault(one.key, []).append(dict(one.headers)["ce_id"])
    rows = OutboxMessage.objects.order_by("id")
    assert told == {
        str(paid.id).encode(): [row.message_id.encode() for row in rows if row.payment_id == paid.id]
        for paid in payments
    }


def test_a_dead_letter_carries_springs_headers(neighbour: Neighbour) -> None:
    """Consoles that know them show where a letter came from: numbers are big-endian, of 4 and 8 bytes."""
    at = datetime(2026, 1, 31, 12, 0, 0, 123_000, tzinfo=UTC)
    accept(record(b"poison", at=at, partition=3, offset=258), now=at)
    with opened() as ours:
        run_once(sink=ours)
    [letter] = neighbour.records(neighbour.dead_letters)
    assert (letter.key, letter.value) == (None, b"poison")
    assert dict(letter.headers) == {
        "kafka_dlt-original-topic": b"payment.createInitial",
        "kafka_dlt-original-partition": b"\x00\x00\x00\x03",
        "kafka_dlt-original-offset": b"\x00\x00\x00\x00\x00\x00\x01\x02",
        "kafka_dlt-original-timestamp": int(at.timestamp() * 1000).to_bytes(8, "big"),
        "kafka_dlt-original-consumer-group": b"test-group",
        "kafka_dlt-exception-fqcn": b"invalid",
        "kafka_dlt-exception-message": b"value: is not JSON (at character 0): send the event as a JSON object",
    }
    assert neighbour.records(neighbour.notifications) == []


def test_what_kafka_refuses_for_good_is_set_aside_and_blocks_nobody(
    neighbour: Neighbour, caplog: pytest.LogCaptureFixture
) -> None:
    """P4: too large for the topic, which the broker says; too large for any, which our client says."""
    neighbour.limit_message_size(neighbour.notifications, 2_000)
    for value in (b"1", b"x" * 3_000, b"2", b"x" * 1_500_000, b"3"):
        put(value)
    with opened() as ours:
        assert run_once(sink=ours) == 5
        assert run_once(sink=ours) == 0
    assert [one.value for one in neighbour.records(neighbour.notifications)] == [b"1", b"2", b"3"]
    for_the_topic, for_any = OutboxMessage.objects.filter(refused_at__isnull=False).order_by("id")
    assert (len(for_the_topic.value or b""), len(for_any.value or b"")) == (3_000, 1_500_000)
    assert "Message size too large" in for_the_topic.error
    assert "Message size too large" in for_any.error
    assert OutboxMessage.objects.filter(published_at__isnull=False).count() == 3
    refused = [line["outbox"] for line in lines(caplog, "record refused by kafka, set aside")]
    assert refused == [for_the_topic.id, for_any.id]


def test_a_missing_topic_is_named_before_a_row_waits_for_it(settings: Any) -> None:
    """A dead letter without a topic would hold up the notifications behind it, and nobody would know why."""
    neighbour = make_all_topics(name_topics(settings), partitions=1)
    settings.KAFKA_TOPIC_DEAD_LETTERS = f"{neighbour.dead_letters}.missing"
    with pytest.raises(KafkaAway) as away, opened():
        pass
    assert str(away.value) == f"topic {neighbour.dead_letters}.missing is not there: make it with manage.py topics"


def test_a_row_whose_wake_up_was_left_out_waits_for_no_other(
    neighbour: Neighbour, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A process that settles much wakes the relay at intervals only: what comes in between is looked for."""
    monkeypatch.setattr(outbox, "WAKE_INTERVAL", 2.0)
    monkeypatch.setattr(relay, "PATIENCE", 60.0)
    paid = payment()
    with running(process="relay", session=relay.session):
        wait_until(lambda: bool(lines(caplog, "relay active")), what="it is active")
        tell(paid, attempt=1)
        wait_until_told()
        wait_until(lambda: last_statement_of_relay().startswith("SELECT"), what="it has found nothing more")
        tell(paid, attempt=2)
        wait_until_told(within=relay.PATIENCE / 4)
        wake_up()


def last_statement_of_relay() -> str:
    """Of the active one, when it has ended."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT query FROM pg_stat_activity WHERE pid = %s AND state = 'idle'", [lock_holder()])
        row = cursor.fetchone()
    return str(row[0]) if row else ""


def wake_up() -> None:
    """Not at the next interval, but now."""
    with connection.cursor() as cursor:
        cursor.execute(f"NOTIFY {outbox.WAKE}")


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
    monkeypatch.setattr(sink, "COMMIT_WITHIN", 0.5)
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


def test_a_notification_leaves_at_its_commit_and_not_when_the_relay_looks_again(
    neighbour: Neighbour, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Each commit wakes the relay. How many milliseconds it takes is measured by `make bench-notifications`."""
    monkeypatch.setattr(relay, "PATIENCE", 60.0)
    paid = payment()
    with running(process="relay", session=relay.session):
        wait_until(lambda: bool(lines(caplog, "relay active")), what="it is active")
        for attempt in range(1, 6):
            tell(paid, attempt=attempt)
            wait_until_told(within=relay.PATIENCE / 2)
        wake_up()
    assert len(neighbour.records(neighbour.notifications)) == 5
