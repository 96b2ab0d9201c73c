"""The bridge between a real Kafka and a real PostgreSQL: rows first, then their offsets, whatever happens."""

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Self

import pytest
from django.db import ProgrammingError, connection

from bridge import consumer
from bridge.kafka import Delivered, Source
from payments.models import InboxMessage, OutboxMessage, Payment
from payments.tasks import queued
from tests.integration.bridge_member import events, joined, run_until, take, verdicts
from tests.integration.kafka_client import Neighbour, lines, make_all_topics, name_topics

pytestmark = pytest.mark.django_db(transaction=True)


class Crash(Exception):
    """As if the process had ended here."""


class DiesBeforeTheOffsets(Source):
    """A bridge that is killed when its rows are written."""

    def commit(self, records: Sequence[Delivered], **_: Any) -> None:
        """Nothing of it reaches Kafka."""
        raise Crash


@pytest.fixture
def neighbour(settings: Any) -> Neighbour:
    """Topics of two partitions, without records, and a group that has never read."""
    return make_all_topics(name_topics(settings), partitions=2)


def test_records_become_rows_then_their_offsets_are_committed_and_celery_is_rung(neighbour: Neighbour) -> None:
    """P2 on the path without faults, over two partitions."""
    neighbour.send(events("sub_1", "sub_2", "sub_3"), partition=0)
    neighbour.send(events("sub_4", "sub_5"), partition=1)
    with joined() as member:
        run_until(member, records=5)
    assert neighbour.committed() == {0: 3, 1: 2}
    rows = InboxMessage.objects.order_by("partition", "offset").values_list("partition", "offset", "subscription_id")
    assert list(rows) == [(0, 0, "sub_1"), (0, 1, "sub_2"), (0, 2, "sub_3"), (1, 0, "sub_4"), (1, 1, "sub_5")]
    assert verdicts() == {"accepted": 5}
    assert Payment.objects.count() == 5
    assert queued() > 0


def test_celery_is_rung_while_kafka_is_asked(neighbour: Neighbour) -> None:
    """Its word about the offsets takes as long as the way to a worker."""
    rung: list[tuple[int, int]] = []

    class Watched(Source):
        """One that says how many commits were under way when it was rung, and how many doorbells there were then."""

        def commit(self, records: Sequence[Delivered], *, meanwhile: Callable[[], None] = lambda: None) -> None:
            def ring() -> None:
                meanwhile()
                rung.append((self._commits_under_way, queued()))

            super().commit(records, meanwhile=ring)

    neighbour.send(events("sub_1"), partition=0)
    with joined(kind=Watched) as member:
        run_until(member, records=1)
    assert rung == [(1, 1)]
    assert neighbour.committed()[0] == 1


def test_a_clock_that_is_ahead_makes_nothing_due_later(neighbour: Neighbour, monkeypatch: pytest.MonkeyPatch) -> None:
    """P5: workers, whose clocks are right, charge it now; and it is as fresh as it is."""

    class Ahead(datetime):
        """By ten minutes."""

        @classmethod
        def now(cls, tz: Any = None) -> Self:
            """Of this machine."""
            return super().now(tz) + timedelta(minutes=10)

    monkeypatch.setattr(consumer, "datetime", Ahead)
    neighbour.send(events("sub_1"), partition=0)
    with joined() as member:
        run_until(member, records=1)
    assert Payment.objects.get(due_at__lte=datetime.now(UTC)).status == "pending"
    assert queued() == 1


def test_offsets_are_committed_for_exactly_the_records_that_have_rows(neighbour: Neighbour) -> None:
    """P2: not for those that were taken beside them, which the client calls its position."""
    neighbour.send(events("sub_1", "sub_2", "sub_3", "sub_4", "sub_5"), partition=0)
    with joined() as member:
        member.commit(take(member, records=5)[:2])
    assert neighbour.committed() == {0: 2, 1: 0}


def test_a_crash_between_rows_and_offsets_brings_the_records_again_and_nothing_else(
    neighbour: Neighbour, caplog: pytest.LogCaptureFixture
) -> None:
    """P1, P2: they are recognised by their places; nobody is charged or told again."""
    neighbour.send([*events("sub_1", "sub_2"), b"poison"], partition=0)
    with pytest.raises(Crash), joined(kind=DiesBeforeTheOffsets) as member:
        run_until(member, records=3)
    assert neighbour.committed() == {0: 0, 1: 0}
    rows = list(InboxMessage.objects.order_by("id").values())
    with joined() as member:
        run_until(member, records=3)
    assert neighbour.committed() == {0: 3, 1: 0}
    [line] = lines(caplog, "batch accepted")
    assert (line["count"], line["known"], line["accepted"], line["parked"], line["rung"]) == (3, 3, 0, 0, 0)
    assert list(InboxMessage.objects.order_by("id").values()) == rows
    assert (Payment.objects.count(), OutboxMessage.objects.count(), queued()) == (2, 1, 0)


def test_an_intake_that_crashes_commits_no_offset(neighbour: Neighbour) -> None:
    """P2: here a table that the migrations haven't made yet. What isn't understood ends the process."""
    neighbour.send(events("sub_1", "sub_2"), partition=0)
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE payments_inboxmessage RENAME TO not_yet_migrated")
        try:
            with pytest.raises(ProgrammingError), joined() as member:
                run_until(member, records=2)
        finally:
            cursor.execute("ALTER TABLE not_yet_migrated RENAME TO payments_inboxmessage")
    assert neighbour.committed() == {0: 0, 1: 0}
    with joined(start_from=None) as member:
        run_until(member, records=2)
    assert neighbour.committed() == {0: 2, 1: 0}
    assert verdicts() == {"accepted": 2}


def test_what_makes_no_sense_never_stops_the_batch(neighbour: Neighbour) -> None:
    """P2: each has its row and a reason for whoever sent it; its neighbours are paid."""
    [good, free, last] = events("sub_1", "sub_2", "sub_3")
    neighbour.send(
        [
            None, b"", b"poison", b"\xff\xfe", b"\xef\xbb\xbf" + good, b"[" * 100_000, b"1", b'{"price": NaN}', b"{}",
            good, free.replace(b"100", b"0"), last,
        ],
        partition=0,
    )  # fmt: skip
    with joined() as member:
        run_until(member, records=12)
    assert neighbour.committed() == {0: 12, 1: 0}
    assert verdicts() == {"invalid": 10, "accepted": 2}
    assert OutboxMessage.objects.filter(channel="dead_letters").count() == 10
    reasons = dict(InboxMessage.objects.values_list("offset", "reason"))
    assert reasons[2] == "value: is not JSON (at character 0): send the event as a JSON object"
    assert reasons[10] == "product.price: must be greater than 0"


def test_a_record_waits_for_no_full_batch(neighbour: Neighbour, monkeypatch: pytest.MonkeyPatch) -> None:
    """P5: a lonely record is on its way at once; the patience is for an empty topic."""
    monkeypatch.setattr(consumer, "PATIENCE", 20.0)
    with joined() as member:
        neighbour.send(events("sub_1"), partition=0)
        run_until(member, records=1)
        neighbour.send(events("sub_2", "sub_3"), partition=0)
        before = time.monotonic()
        run_until(member, records=2)
        assert time.monotonic() - before < consumer.PATIENCE / 4


def test_the_time_of_a_record_is_its_own_but_never_after_its_receipt(neighbour: Neighbour) -> None:
    """A producer's clock that is ahead must not make later records look old."""
    began = datetime.now(UTC)
    ahead, behind = began + timedelta(minutes=30), began - timedelta(days=30)
    neighbour.send(events("sub_1"), partition=0, timestamp=int(ahead.timestamp() * 1000))
    neighbour.send(events("sub_2"), partition=0, timestamp=int(behind.timestamp() * 1000))
    with joined() as member:
        run_until(member, records=2)
    first, second = InboxMessage.objects.order_by("offset")
    assert began < first.recorded_at == first.received_at < datetime.now(UTC)
    assert abs(second.recorded_at - behind) < timedelta(milliseconds=1)
