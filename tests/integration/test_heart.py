"""The heart of a process, without the process: one thread, one line in the log, and nothing that reaches the loop."""

import threading

import pytest
from django.db import connection

from payments import heartbeats
from payments.heartbeats import Heart
from payments.models import Heartbeat
from tests.integration.kafka_client import lines, wait_until


def test_a_heart_that_is_started_twice_beats_once(transactional_db: None) -> None:
    """A web process starts it with each request."""
    heart = Heart("web")
    with heart.beating():
        threads = [one for one in threading.enumerate() if one.name == "heartbeat"]
        heart.start()
        assert [one for one in threading.enumerate() if one.name == "heartbeat"] == threads
        wait_until(lambda: Heartbeat.objects.exists(), what="it beats")


def test_a_heart_that_never_beat_is_stopped_all_the_same(transactional_db: None) -> None:
    """A process that ends before it has begun; and it may begin afterwards."""
    heart = Heart("worker")
    heart.stop()
    with heart.beating():
        wait_until(lambda: Heartbeat.objects.exists(), what="it beats")


def test_a_heart_goes_on_beating(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """What its loop notes is written with the next beat, and what it tells as well, until it takes that back."""
    monkeypatch.setattr(heartbeats, "WRITE_EVERY", 0.01)
    heart = Heart("relay")
    with heart.beating():
        wait_until(lambda: Heartbeat.objects.exists(), what="it beats")
        for told in ({"waits_for": "Kafka"}, {}):
            heart.tell(waits_for=told.get("waits_for"))
            heart.note()
            wait_until(lambda told=told: Heartbeat.objects.get().facts == told, what="it tells")  # type: ignore[misc]


def test_a_database_that_stays_away_is_one_line_in_the_log(
    transactional_db: None, caplog: pytest.LogCaptureFixture
) -> None:
    """And not one each five seconds, for hours; what was noted meanwhile is written when it is back."""
    heart = Heart("bridge")
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE payments_heartbeat RENAME TO payments_elsewhere")
    try:
        for _ in range(3):
            heart.note()
            assert not heart.write()
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE payments_elsewhere RENAME TO payments_heartbeat")
    assert [line["process"] for line in lines(caplog, "heartbeat not written")] == ["bridge"]
    assert heart.write()
