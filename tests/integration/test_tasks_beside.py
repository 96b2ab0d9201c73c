"""What tasks and the web process do beside the payments: rows of old processes, and a doorbell that breaks."""

from concurrent.futures import Future
from datetime import UTC, datetime, timedelta

import pytest

from payments import intake, tasks, views
from payments.models import CountedUntil, Heartbeat
from tests.conftest import Clock
from tests.integration.events import event
from tests.integration.kafka_client import lines
from tests.integration.old_rows import TOPIC, of_topic, take

pytestmark = pytest.mark.django_db


def gone() -> None:
    """A process that was last seen two days ago."""
    at = datetime.now(UTC) - timedelta(days=2)
    Heartbeat.objects.create(process="worker", host="gone", pid=1, started_at=at, beat_at=at)


def test_processes_that_are_long_gone_are_forgotten_with_the_count_of_hours() -> None:
    """By the one worker whose turn it is, and not by each message."""
    gone()
    tasks.count_hours()
    assert not Heartbeat.objects.exists()
    counted_at = CountedUntil.objects.get().counted_at
    gone()
    tasks.count_hours()
    assert (Heartbeat.objects.count(), CountedUntil.objects.get().counted_at) == (1, counted_at)


def test_a_doorbell_that_breaks_aside_is_said_in_the_log_and_one_that_rings_is_not(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Stripe has had its 200 by then, and the sweep rings for the payment."""
    rung: Future[int] = Future()
    rung.set_result(1)
    views._note_trouble(rung)
    broke: Future[int] = Future()
    broke.set_exception(RuntimeError("of nobody's making"))
    views._note_trouble(broke)
    assert [line["error"] for line in lines(caplog, "doorbell broke, the sweep will ring")] == ["RuntimeError"]


def test_a_topic_that_was_made_anew_is_read_whole(clock: Clock) -> None:
    """P2: its records are new, whatever offset the group has of the one before it."""
    take(clock, of_topic(event("a"), at=clock(), offset=6))
    anew = intake.Topic("test", TOPIC, "id2")
    [forgotten] = intake.find_forgotten(topic=anew, committed={0: 3, 1: 0}, now=clock())
    assert (forgotten.partition, forgotten.committed, forgotten.next_offset) == (0, 3, 0)
    assert intake.find_forgotten(topic=intake.Topic("test", TOPIC, "id1"), committed={0: 7}, now=clock()) == []


def test_a_partition_of_which_nothing_is_known_is_told_as_such(clock: Clock) -> None:
    """Neither a row nor a position: is it the right database?"""
    topic = intake.Topic("test", TOPIC, "id1")
    [forgotten] = intake.find_forgotten(topic=topic, committed={4: 9}, now=clock())
    assert (forgotten.partition, forgotten.committed, forgotten.next_offset) == (4, 9, None)
