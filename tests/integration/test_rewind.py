"""`manage.py rewind`: records are read again; nobody is charged twice, and nothing is skipped."""

import io
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from bridge.consumer import Bridge
from payments.models import InboxMessage, OutboxMessage, Payment, Position
from payments.tasks import queued
from tests.integration.books import no_guards
from tests.integration.bridge_member import events
from tests.integration.kafka_client import Neighbour, lines, make_all_topics, name_topics, running, wait_until

pytestmark = pytest.mark.django_db(transaction=True)

# Kafka deletes what is older than its retention.
MOMENT = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
REASON = ("--reason", "a test", "--yes")


@pytest.fixture
def neighbour(settings: Any) -> Neighbour:
    """Four records, a minute apart, in the first of two partitions, and one in the second; all of them read."""
    neighbour = make_all_topics(name_topics(settings), partitions=2)
    for minute, value in enumerate([*events("a", "b"), b"poison", *events("a")]):
        at = MOMENT + timedelta(minutes=minute)
        neighbour.send([value], partition=0, timestamp=int(at.timestamp() * 1000))
    neighbour.send(events("z"), partition=1, timestamp=int(MOMENT.timestamp() * 1000))
    read_all(neighbour, start_from="earliest")
    return neighbour


def read_all(neighbour: Neighbour, *, start_from: Any = None) -> None:
    """Run a bridge until the group is at the end."""
    with running(process="bridge", session=Bridge(start_from=start_from).session):
        wait_until(lambda: neighbour.committed() == {0: 4, 1: 1}, what="all is read")


def rewind(*arguments: str) -> str:
    """What it prints."""
    out = io.StringIO()
    call_command("rewind", *arguments, stdout=out)
    return out.getvalue()


def ledger() -> list[Any]:
    """Everything that must stay as it is."""
    return [list(model.objects.order_by("pk").values()) for model in (InboxMessage, Payment, OutboxMessage, Position)]


def test_after_a_rewind_all_is_read_again_and_nothing_changes(
    neighbour: Neighbour, caplog: pytest.LogCaptureFixture
) -> None:
    """P1: every record is known by its place, whatever its verdict; nobody is rung for."""
    before, rung = ledger(), queued()
    out = rewind("--to", "earliest", *REASON)
    assert f"{neighbour.payments}[0]: back from 4 to 0, 4 records again, 0 of them new" in out
    assert neighbour.committed() == {0: 0, 1: 0}
    read_all(neighbour)
    assert sum(line["known"] for line in lines(caplog, "batch accepted")) == 5
    assert (ledger(), queued()) == (before, rung)


@pytest.mark.parametrize(
    ("to", "back"),
    [
        ((MOMENT + timedelta(minutes=2)).isoformat(), {0: 2, 1: 1}),
        ("0:3,1:0", {0: 3, 1: 0}),
    ],
    ids=["time", "offsets"],
)
def test_a_group_goes_back_to_a_time_or_to_offsets(
    neighbour: Neighbour, caplog: pytest.LogCaptureFixture, to: str, back: dict[int, int]
) -> None:
    """P1: what comes again is known. A partition that has nothing new since then stays."""
    before = ledger()
    rewind("--to", to, *REASON)
    assert neighbour.committed() == back
    read_all(neighbour)
    assert sum(line["known"] for line in lines(caplog, "batch accepted")) == 5 - sum(back.values())
    assert ledger() == before


def test_after_a_rewind_over_a_pruned_inbox_nobody_is_charged_again(neighbour: Neighbour) -> None:
    """P1: they are new to the inbox, and known by their subscriptions."""
    before = list(Payment.objects.order_by("pk").values())
    with no_guards():
        OutboxMessage.objects.all().delete()
        InboxMessage.objects.all().delete()
    assert "4 records again, 4 of them new" in rewind("--to", "earliest", *REASON)
    read_all(neighbour)
    verdicts = InboxMessage.objects.order_by("partition", "offset").values_list("verdict", flat=True)
    assert list(verdicts) == ["duplicate", "duplicate", "invalid", "duplicate", "duplicate"]
    assert list(Payment.objects.order_by("pk").values()) == before


def test_a_dry_run_counts_and_changes_nothing(neighbour: Neighbour) -> None:
    """What has no row would be read for the first time. A partition without records since then stays."""
    with no_guards():
        InboxMessage.objects.filter(partition=0, offset=3).delete()
    assert rewind("--to", (MOMENT + timedelta(minutes=1)).isoformat()).splitlines() == [
        f"{neighbour.payments}[0]: back from 4 to 1, 3 records again, 1 of them new",
        "Nothing was changed. Add --yes to act, while no bridge runs.",
    ]
    assert neighbour.committed() == {0: 4, 1: 1}
    assert rewind("--to", "latest") == "Nothing to read again.\n"


def test_a_rewind_is_refused_while_a_bridge_runs(neighbour: Neighbour) -> None:
    """It would go on where it is, and commit that."""
    with running(process="bridge", session=Bridge(start_from=None).session):
        wait_until(lambda: neighbour.members() == 1, what="it is a member")
        with pytest.raises(CommandError, match="has 1 members: stop every bridge"):
            rewind("--to", "earliest", *REASON)
    assert neighbour.committed() == {0: 4, 1: 1}


def test_a_rewind_never_goes_forward(neighbour: Neighbour) -> None:
    """P2: what is between would be read by nobody."""
    neighbour.send(events("later"), partition=0)
    with pytest.raises(CommandError, match=r"\[0\] has been read up to 4: going on to 5 would lose what is between"):
        rewind("--to", "0:5,1:0", *REASON)
    assert neighbour.committed() == {0: 4, 1: 1}


def test_a_position_that_kafka_has_deleted_is_set_on_to_what_is_left(neighbour: Neighbour) -> None:
    """The way out for a bridge that ended as its position was gone: nothing is between that could be lost."""
    neighbour.send(events("lost", "lost too", "left"), partition=0)
    neighbour.delete_records(partition=0, before=6)
    assert rewind("--to", "0:6,1:1", *REASON).splitlines() == [
        f"{neighbour.payments}[0]: on from 4 to 6, as Kafka has deleted what is between",
        "The group is set back: start the bridge.",
    ]
    with running(process="bridge", session=Bridge(start_from=None).session):
        wait_until(lambda: neighbour.committed() == {0: 7, 1: 1}, what="what is left is read")


def test_a_rewind_to_before_the_start_must_be_asked_for(neighbour: Neighbour) -> None:
    """P1: another service may have charged what is there."""
    Position.objects.filter(partition=0).update(first_offset=2)
    with no_guards():
        InboxMessage.objects.filter(partition=0, offset__lt=2).delete()
    with pytest.raises(CommandError, match=r"\[0\] was begun at 2, and this goes back to 0: .* add --before-start"):
        rewind("--to", "earliest")
    assert "4 records again, 2 of them new" in rewind("--to", "earliest", "--before-start")


def test_nothing_is_set_back_without_a_reason(neighbour: Neighbour) -> None:
    """It goes to the log, with who."""
    with pytest.raises(CommandError, match="--yes needs a --reason"):
        rewind("--to", "earliest", "--yes")
    assert neighbour.committed() == {0: 4, 1: 1}
