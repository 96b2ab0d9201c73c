"""The bridge between a real Kafka and a real PostgreSQL: rows first, then their offsets, whatever happens."""

import json
import os
import re
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from django.db import ProgrammingError, connection

from billing_project.dev.services import Kafka
from bridge import consumer
from bridge.consumer import Bridge, run_once
from bridge.kafka import Delivered, KafkaAway, KafkaRefuses, Source, source
from bridge.loop import Stop
from payments.models import InboxMessage, OutboxMessage, Payment
from payments.tasks import queued
from tests.integration.events import event
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


# A member hears of another at its next heartbeat, which is 3 seconds off by default.
QUICK_TO_NOTICE_MEMBERS = {"heartbeat.interval.ms": "200"}


class Crash(Exception):
    """As if the process had ended here."""


class DiesBeforeTheOffsets(Source):
    """A bridge that is killed when its rows are written."""

    def commit(self, records: Sequence[Delivered]) -> None:
        """Nothing of it reaches Kafka."""
        raise Crash


@pytest.fixture
def neighbour(settings: Any) -> Neighbour:
    """Topics of two partitions, without records, and a group that has never read."""
    return make_all_topics(name_topics(settings), partitions=2)


def events(*subscriptions: str) -> list[bytes]:
    """The example of the README, for each of these."""
    return [json.dumps(event(subscription)).encode() for subscription in subscriptions]


@contextmanager
def joined(*, start_from: str | None = "earliest", kind: type[Source] = Source) -> Iterator[Source]:
    """A member of the group, until the end of the block or a crash in it: no offset is committed by leaving."""
    member = kind()
    try:
        member.open(start_from=start_from)
        yield member
    finally:
        member.close()


def run_until(member: Source, *, records: int) -> None:
    """Take batches the whole way until there were so many records."""
    seen = 0

    def enough() -> bool:
        nonlocal seen
        seen += run_once(source=member, stop=Stop())
        return seen >= records

    wait_until(enough, what=f"{records} records went the whole way")


def take(member: Source, *, records: int) -> list[Delivered]:
    """So many records, in hand and nowhere else."""
    found: list[Delivered] = []

    def enough() -> bool:
        found.extend(member.take(limit=records - len(found), seconds=0.1))
        return len(found) >= records

    wait_until(enough, what=f"{records} records are in hand")
    return found


def verdicts() -> Counter[str]:
    """How many rows there are of each."""
    return Counter(InboxMessage.objects.values_list("verdict", flat=True))


def test_records_become_rows_then_their_offsets_are_committed_then_celery_is_rung(neighbour: Neighbour) -> None:
    """P2 on the path without faults, over two partitions."""
    neighbour.send(events("sub_1", "sub_2", "sub_3"), partition=0)
    neighbour.send(events("sub_4", "sub_5"), partition=1)
    with joined() as member:
        run_until(member, records=5)
    assert neighbour.committed() == {0: 3, 1: 2}
    rows = InboxMessage.objects.order_by("partition", "offset").values_list("partition", "offset", "subscription_id")
    assert list(rows) == [(0, 0, "sub_1"), (0, 1, "sub_2"), (0, 2, "sub_3"), (1, 0, "sub_4"), (1, 1, "sub_5")]
    assert verdicts() == {"accepted": 5}
    assert Payment.objects.count() == queued() == 5


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


def test_a_group_without_offsets_is_not_started_before_it_is_told_where(neighbour: Neighbour) -> None:
    """P1: the service that this one replaces has charged what is in the topic."""
    neighbour.send(events("sub_1"), partition=0)
    with pytest.raises(KafkaRefuses) as refusal, joined(start_from=None):
        pass
    assert str(refusal.value) == (
        f"group {neighbour.group} has no offsets on {neighbour.payments}: say where to start with "
        "--from earliest or --from latest (earliest charges whatever is in the topic)"
    )
    assert (neighbour.committed(), neighbour.members(), verdicts()) == ({}, 0, {})


@pytest.mark.parametrize(("start_from", "read"), [("earliest", ["old", "new"]), ("latest", ["new"])])
def test_a_new_group_starts_where_it_is_told(neighbour: Neighbour, start_from: str, read: list[str]) -> None:
    """And says so once: afterwards the group's own offsets count, whatever it is told."""
    neighbour.send(events("old"), partition=0)
    with joined(start_from=start_from) as member:
        neighbour.send(events("new"), partition=0)
        run_until(member, records=len(read))
    neighbour.send(events("newest"), partition=0)
    with joined(start_from="latest") as member:
        run_until(member, records=1)
    assert list(InboxMessage.objects.order_by("offset").values_list("subscription_id", flat=True)) == [*read, "newest"]


def test_a_partition_that_was_added_is_read_from_its_beginning(neighbour: Neighbour) -> None:
    """P2: also by a group that started at the end, and that wasn't running when records came to the partition."""
    with joined(start_from="latest"):
        pass
    neighbour.add_partition(2)
    neighbour.send(events("sub_1", "sub_2"), partition=2)
    with running(process="bridge", session=Bridge(start_from="latest").session):
        wait_until(lambda: verdicts() == {"accepted": 2}, what="the records of the new partition have rows")
        wait_until(lambda: neighbour.committed() == {0: 0, 1: 0, 2: 2}, what="their offsets are committed")


def test_a_partition_that_is_added_under_a_running_group_is_read_from_its_beginning(
    neighbour: Neighbour, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """P2: it ends nobody's work, though a group that has members doesn't let others set a position."""
    settings.KAFKA_PROPERTIES = {"topic.metadata.refresh.interval.ms": "200"}
    with (
        running(process="bridge", session=Bridge(start_from="earliest").session),
        running(process="bridge", session=Bridge(start_from="earliest").session),
    ):
        wait_until(lambda: neighbour.members() == 2, what="both are members")
        neighbour.add_partition(2)
        neighbour.send(events("sub_1", "sub_2"), partition=2)
        wait_until(lambda: verdicts() == {"accepted": 2}, what="the records of the new partition have rows")
        neighbour.send(events("sub_3"), partition=0)
        wait_until(lambda: verdicts() == {"accepted": 3}, what="the old partitions are read, too")
        wait_until(lambda: neighbour.committed() == {0: 1, 1: 0, 2: 2}, what="their offsets are committed")
    new = f"partition 2 of {neighbour.payments} is new: joining again to read it from its beginning"
    assert new in [line["why"] for line in lines(caplog, "waiting")]


def test_a_missing_topic_is_waited_for_and_the_line_says_how_to_make_it(
    settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Somebody may make it while we wait; until then nothing is made by itself."""
    neighbour = name_topics(settings)
    with pytest.raises(KafkaAway) as away, joined():
        pass
    missing = f"topic {neighbour.payments} is not there: make it with manage.py topics"
    assert str(away.value) == missing
    with running(process="bridge", session=Bridge(start_from="earliest").session):
        wait_until(lambda: bool(lines(caplog, "waiting")), what="it waits")
        make_all_topics(neighbour, partitions=1)
        neighbour.send(events("sub_1"))
        wait_until(lambda: verdicts() == {"accepted": 1}, what="the record has its row")
    assert lines(caplog, "waiting")[0]["why"] == missing


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


def test_a_position_that_is_gone_is_left_to_a_person(neighbour: Neighbour) -> None:
    """P2: retention may have deleted what nobody has read; going on by itself would hide it."""
    neighbour.send(events("sub_1", "sub_2", "sub_3", "sub_4"), partition=0)
    with joined() as member:
        member.commit(take(member, records=4)[:1])
    neighbour.delete_records(partition=0, before=3)
    with pytest.raises(KafkaRefuses) as refusal, joined() as member:
        run_until(member, records=1)
    assert str(refusal.value).startswith(f"the position of group {neighbour.group} on {neighbour.payments} is gone (")
    assert str(refusal.value).endswith(
        "): records may have been deleted unread; decide where to go on and commit that offset"
    )
    assert (neighbour.committed(), verdicts()) == ({0: 1, 1: 0}, {})


def test_records_of_a_partition_that_went_to_another_member_are_left_to_it(neighbour: Neighbour, settings: Any) -> None:
    """Two members, and a rebalance while one has the records of both partitions in hand."""
    settings.KAFKA_PROPERTIES = QUICK_TO_NOTICE_MEMBERS
    for partition in (0, 1):
        neighbour.send(events(*(f"sub_{partition}_{number}" for number in range(5))), partition=partition)
    with joined() as first, joined() as second:
        in_hand = take(first, records=10)
        theirs: list[Delivered] = []

        def is_shared() -> bool:
            first.wait_paused(seconds=0.05)
            theirs.extend(second.take(limit=500, seconds=0.05))
            return len(theirs) >= 5

        wait_until(is_shared, what="the second member has a partition")
        ours = first.still_owned(in_hand)
        assert {record.partition for record in ours} | {record.partition for record in theirs} == {0, 1}
        assert len(ours) == len(theirs) == 5
        first.commit(in_hand)
        assert neighbour.committed() == {ours[0].partition: 5, theirs[0].partition: 0}


@contextmanager
def database_away() -> Iterator[None]:
    """PostgreSQL ends all connections to this database but the caller's, and refuses new ones."""
    name = connection.settings_dict["NAME"]
    with closing(psycopg2.connect(os.environ["TEST_DATABASE_URL"])) as administrator, connection.cursor() as cursor:
        administrator.autocommit = True
        with administrator.cursor() as elsewhere:
            elsewhere.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
            try:
                cursor.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
                yield
            finally:
                elsewhere.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')


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
            wait_until(lambda: len(lines(caplog, "waiting")) == 2, what="it has tried again")
            assert neighbour.committed() == {0: 1, 1: 0}
            assert neighbour.members() == 1
        wait_until(lambda: verdicts() == {"accepted": 6}, what="all records have rows")
        wait_until(lambda: neighbour.committed() == {0: 5, 1: 1}, what="all offsets are committed")
    assert lines(caplog, "waiting")[0]["why"] == "the database does not answer (DATABASE_URL)"
    assert len(lines(caplog, "partitions assigned")) == 1
    assert not any(line["known"] for line in lines(caplog, "batch accepted"))


def test_a_member_that_waits_for_the_database_takes_part_in_its_group(
    neighbour: Neighbour, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Or a bridge without a database would keep its partitions from all others. Each record is judged once."""
    settings.KAFKA_PROPERTIES = QUICK_TO_NOTICE_MEMBERS
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
    assert [line["count"] for line in lines(caplog, "batch accepted") if line["count"]] == [5, 5]
    assert not any(line["known"] for line in lines(caplog, "batch accepted"))


def test_a_kafka_that_is_away_is_named_in_one_line_and_picked_up_again(
    settings: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """At the start and later. Nobody has to start the bridge again."""
    monkeypatch.setattr(source, "METADATA_TIMEOUT", 0.2)
    kafka = Kafka(folder=tmp_path, cache=CACHE)
    neighbour = name_topics(settings, broker=kafka.broker)
    with running(process="bridge", session=Bridge(start_from="earliest").session):
        wait_until(lambda: len(lines(caplog, "waiting")) == 2, what="it has tried twice")
        for line in lines(caplog, "waiting"):
            assert re.fullmatch(rf"Kafka at {kafka.broker} does not answer \(_[A-Z_]+\)", line["why"])
        assert [line["event"] for line in all_lines(caplog)] == ["waiting", "waiting"]
        try:
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
        finally:
            kafka.stop()
