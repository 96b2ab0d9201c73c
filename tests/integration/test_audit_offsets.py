"""`manage.py audit_offsets`: every offset that the group has passed is accounted for, or is named."""

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.management import call_command
from kafka import KafkaProducer
from kafka.admin import ConfigResource

from bridge.consumer import Bridge
from bridge.rewind import plan
from payments import retention
from payments.models import InboxMessage, Payment, Position
from tests.integration.books import no_guards
from tests.integration.bridge_member import events
from tests.integration.kafka_client import Neighbour, make_all_topics, name_topics, running, wait_until

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def neighbour(settings: Any) -> Neighbour:
    """Topics of two partitions, without records, and a group that has never read."""
    return make_all_topics(name_topics(settings), partitions=2)


def read_all(neighbour: Neighbour, *, start_from: Any = "earliest", rows: int) -> None:
    """Run a bridge until there are so many rows, and offsets are committed up to the last of them."""
    with running(process="bridge", session=Bridge(start_from=start_from).session):
        wait_until(lambda: InboxMessage.objects.count() == rows, what=f"{rows} rows are here")
        wait_until(lambda: neighbour.committed() == ends(), what="their offsets are committed")


def ends() -> dict[int, int]:
    """One more than the last offset with a row, by partition."""
    return dict(Position.objects.values_list("partition", "next_offset"))


def audit(capsys: pytest.CaptureFixture[str]) -> tuple[list[str], int]:
    """What it prints and its exit code."""
    capsys.readouterr()
    try:
        call_command("audit_offsets")
        code = 0
    except SystemExit as ended:
        code = int(str(ended.code))
    return capsys.readouterr().out.splitlines(), code


def send_in_transactions(neighbour: Neighbour, *, kept: list[bytes], given_up: list[bytes]) -> None:
    """As a producer does that has a transactional id: one of its transactions is committed, the next one aborted."""
    with closing(KafkaProducer(bootstrap_servers=neighbour.broker, transactional_id=neighbour.group)) as producer:
        producer.init_transactions()
        for values in (kept, given_up):
            producer.begin_transaction()
            for value in values:
                producer.send(neighbour.payments, value=value, partition=0)
            producer.flush()
            producer.commit_transaction() if values is kept else producer.abort_transaction()


def test_a_topic_that_was_read_whole_is_complete(neighbour: Neighbour, capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever the verdicts; what was before the group's start, and what it hasn't reached, is not its business."""
    neighbour.send(events("history"), partition=0)
    with running(process="bridge", session=Bridge(start_from="latest").session):
        wait_until(lambda: neighbour.committed() == {0: 1, 1: 0}, what="it has begun at the end")
    neighbour.send([*events("a", "a", "b"), b"poison", b"more poison"], partition=0)
    read_all(neighbour, rows=5)
    call_command("parked", "dismiss", str(InboxMessage.objects.latest("id").id), "--reason", "a test", "--yes")
    neighbour.send(events("later"), partition=0)
    assert audit(capsys) == (
        [
            f"{neighbour.payments}[0] from 1 up to 6: 2 accepted, 1 dismissed, 1 duplicate, 1 invalid",
            f"{neighbour.payments}[1] from 0 up to 0: nothing",
            "5 records have rows: complete.",
        ],
        0,
    )


def test_a_record_that_has_no_row_is_named(neighbour: Neighbour, capsys: pytest.CaptureFixture[str]) -> None:
    """P2: that is what it is for. For scripts as well."""
    neighbour.send(events(*"abcdefgh"), partition=0)
    read_all(neighbour, rows=8)
    with no_guards():
        InboxMessage.objects.filter(offset__in=[0, 3, 4, 7]).delete()
    assert audit(capsys) == (
        [
            f"{neighbour.payments}[0] from 0 up to 8: 4 accepted, 4 MISSING at 0, 3-4, 7",
            f"{neighbour.payments}[1] from 0 up to 0: nothing",
            "4 records have rows: 4 are missing.",
        ],
        3,
    )
    with pytest.raises(SystemExit):
        call_command("audit_offsets", "--json")
    told = json.loads(capsys.readouterr().out)
    assert told["partitions"][0]["missing"] == [[0, 0], [3, 4], [7, 7]]
    assert (told["records"], told["missing"], told["complete"]) == (4, 4, False)


def test_transactions_leave_gaps_that_are_known(neighbour: Neighbour, capsys: pytest.CaptureFixture[str]) -> None:
    """Markers have offsets as well, and what was given up is never delivered: neither is missing."""
    send_in_transactions(neighbour, kept=events("a", "b"), given_up=events("c", "d", "e"))
    neighbour.send(events("f"), partition=0)
    read_all(neighbour, rows=3)
    lines, code = audit(capsys)
    assert code == 0
    assert lines[0] == (
        f"{neighbour.payments}[0] from 0 up to 8: 3 accepted, 3 of aborted transactions, "
        "2 without a record (transactions' markers, compaction)"
    )
    with no_guards():
        InboxMessage.objects.filter(subscription_id="b").delete()
    lines, code = audit(capsys)
    assert (lines[0].endswith(", 1 MISSING at 1"), code) == (True, 3)


def test_what_compaction_has_taken_is_known(neighbour: Neighbour, capsys: pytest.CaptureFixture[str]) -> None:
    """Before anybody has read it. (The topic should not be compacted, and `topics --check` says so.)"""
    with compacting(neighbour), closing(KafkaProducer(bootstrap_servers=neighbour.broker)) as producer:

        def is_compacted() -> bool:
            # The newest segment is never compacted: go on to the next one.
            producer.send(neighbour.payments, key=b"other", value=b"{}", partition=0).get(30)
            return 3 not in {record.offset for record in neighbour.records(neighbour.payments)}

        for value in events(*"abcdef"):
            producer.send(neighbour.payments, key=b"same", value=value, partition=0)
        wait_until(is_compacted, what="the first records are gone")
    read_all(neighbour, rows=len(neighbour.records(neighbour.payments)))
    lines, code = audit(capsys)
    assert code == 0
    assert "without a record (transactions' markers, compaction)" in lines[0]
    assert "MISSING" not in lines[0]


@contextmanager
def compacting(neighbour: Neighbour) -> Iterator[None]:
    """The broker keeps only the newest record of each key, and looks for work all the time."""
    quick = {"cleanup.policy": "compact", "segment.ms": "50", "min.cleanable.dirty.ratio": "0.01"}
    with closing(neighbour.admin()) as admin:
        admin.alter_configs([ConfigResource("TOPIC", neighbour.payments, quick)])
        admin.alter_configs([ConfigResource("BROKER", "1", {"log.cleaner.backoff.ms": "100"})])
        try:
            yield
        finally:
            admin.alter_configs([ConfigResource("TOPIC", neighbour.payments, {"cleanup.policy": "delete"})])
            admin.alter_configs([ConfigResource("BROKER", "1", {"log.cleaner.backoff.ms": "15000"})])


def test_what_kafka_has_deleted_since_is_told_as_such(neighbour: Neighbour, capsys: pytest.CaptureFixture[str]) -> None:
    """Rows are rows; of an offset without one that is gone in Kafka as well, nobody can tell."""
    neighbour.send(events(*"abcdef"), partition=0)
    read_all(neighbour, rows=6)
    with no_guards():
        InboxMessage.objects.filter(offset__in=[1, 2, 5]).delete()
    neighbour.delete_records(partition=0, before=4)
    lines, code = audit(capsys)
    assert (lines[0], code) == (
        f"{neighbour.payments}[0] from 0 up to 6: 3 accepted, "
        "2 deleted in Kafka before they were looked at: nobody can tell, 1 MISSING at 5",
        3,
    )


def test_what_was_pruned_is_told_apart_from_what_is_missing(
    neighbour: Neighbour, settings: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its offsets stay known, also to a rewind and to the bridge that reads them again."""
    settings.KEEP_INBOX = timedelta(days=30)
    neighbour.send([b"poison", *events("a", "b", "c")], partition=0)
    read_all(neighbour, rows=4)
    for number, one in enumerate(Payment.objects.all()):
        with no_guards():
            Payment.objects.filter(id=one.id).update(
                status="success", intent_id=f"pi_{number}", settled_at=one.created_at, due_at=None
            )
    [*_, last] = InboxMessage.objects.order_by("id")
    InboxMessage.objects.filter(subscription_id="b").delete()
    list(retention.prune(now=datetime.now(UTC) + timedelta(days=31), pause=0))
    assert list(InboxMessage.objects.order_by("id").values_list("offset", flat=True)) == [0, last.offset]
    assert audit(capsys)[0][0] == (
        f"{neighbour.payments}[0] from 0 up to 4: 1 accepted, 1 invalid, 1 pruned, 1 MISSING at 2"
    )
    steps = plan(to={0: 0, 1: 0}, before_start=False)
    assert [(step.known, step.new) for step in steps] == [(3, 1)]


def test_rows_of_the_version_before_count(neighbour: Neighbour, capsys: pytest.CaptureFixture[str]) -> None:
    """They name no topic's id, and nobody noted where reading began: then it is the first row."""
    neighbour.send(events(*"abcd"), partition=0)
    read_all(neighbour, rows=4)
    with no_guards():
        InboxMessage.objects.filter(offset=0).delete()
    InboxMessage.objects.update(topic_id="")
    Position.objects.update(first_offset=None)
    lines, code = audit(capsys)
    assert (lines[0], code) == (f"{neighbour.payments}[0] from 1 up to 4: 3 accepted", 0)


def test_a_group_that_has_read_nothing_has_lost_nothing(
    neighbour: Neighbour, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nor joins it by being asked."""
    assert audit(capsys) == (
        [
            f"{neighbour.payments}[0]: the group has read nothing of it",
            f"{neighbour.payments}[1]: the group has read nothing of it",
            "0 records have rows: complete.",
        ],
        0,
    )
    assert neighbour.members() == 0
