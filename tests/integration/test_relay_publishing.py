"""The relay between a real PostgreSQL and a real Kafka: every outcome is told, in order, under one id."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connection

from bridge import relay
from bridge.kafka import KafkaAway, Outgoing, Sink
from bridge.relay import run_once
from payments import outbox
from payments.models import OutboxMessage
from payments.outbox import waking
from tests.integration.events import accept, record
from tests.integration.kafka_client import Neighbour, lines, make_all_topics, name_topics, running, wait_until
from tests.integration.relaying import lock_holder, opened, payment, put, tell, wait_until_told, waiting

pytestmark = pytest.mark.django_db(transaction=True)


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
    monkeypatch.setattr(waking, "WAKE_INTERVAL", 2.0)
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
