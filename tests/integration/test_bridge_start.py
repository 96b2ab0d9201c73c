"""Where the bridge begins to read: what it is told, what was added, and what is gone."""

from typing import Any

import pytest

from bridge.consumer import Bridge
from bridge.kafka import KafkaAway, KafkaRefuses, Where
from payments.models import InboxMessage
from tests.integration.bridge_member import events, joined, run_until, take, verdicts
from tests.integration.kafka_client import Neighbour, lines, make_all_topics, name_topics, running, wait_until

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def neighbour(settings: Any) -> Neighbour:
    """Topics of two partitions, without records, and a group that has never read."""
    return make_all_topics(name_topics(settings), partitions=2)


def test_a_group_without_offsets_is_not_started_before_it_is_told_where(neighbour: Neighbour) -> None:
    """P1: the service that this one replaces has charged what is in the topic."""
    neighbour.send(events("sub_1"), partition=0)
    with pytest.raises(KafkaRefuses) as refusal, joined(start_from=None):
        pass
    assert str(refusal.value) == (
        f"group {neighbour.group} has no offsets on {neighbour.payments}: say where to start with "
        "--from earliest, latest, a time or offsets (earliest charges whatever is in the topic)"
    )
    assert (neighbour.committed(), neighbour.members(), verdicts()) == ({}, 0, {})


@pytest.mark.parametrize(("start_from", "read"), [("earliest", ["old", "new"]), ("latest", ["new"])])
def test_a_new_group_starts_where_it_is_told(neighbour: Neighbour, start_from: Where, read: list[str]) -> None:
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
