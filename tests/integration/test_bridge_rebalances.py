"""Members come, go, are lost and come back, with either protocol of groups: no offset goes back, and none too far."""

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from kafka.admin import MemberToRemove

from bridge.consumer import Bridge
from bridge.kafka import Delivered, KafkaRefuses, Source
from tests.integration.bridge_member import (
    QUICK_TO_NOTICE_MEMBERS,
    bridge_process,
    events,
    events_in,
    joined,
    take,
    verdicts,
)
from tests.integration.kafka_client import Neighbour, lines, make_all_topics, name_topics, running, wait_until

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(params=["classic", "consumer"])
def neighbour(settings: Any, request: pytest.FixtureRequest) -> Neighbour:
    """Topics of two partitions with five records each, and a group that has never read."""
    return _neighbour(settings, protocol=request.param)


@pytest.fixture
def classic(settings: Any) -> Neighbour:
    """The same, for what only classic groups can be shown to do."""
    return _neighbour(settings, protocol="classic")


def _neighbour(settings: Any, *, protocol: str) -> Neighbour:
    settings.KAFKA_GROUP_PROTOCOL = protocol
    # With the newer one the broker says how often.
    settings.KAFKA_PROPERTIES = QUICK_TO_NOTICE_MEMBERS if protocol == "classic" else {}
    neighbour = make_all_topics(name_topics(settings), partitions=2)
    for partition in (0, 1):
        neighbour.send(events(*(f"sub_{partition}_{number}" for number in range(5))), partition=partition)
    return neighbour


def share(first: Source, second: Source, *, records: int = 5) -> list[Delivered]:
    """Until the second member has a partition, and these records of it in hand. The first only stays a member."""
    theirs: list[Delivered] = []

    def is_shared() -> bool:
        first.wait_paused(seconds=0.05)
        theirs.extend(second.take(limit=500, seconds=0.05))
        return len(theirs) >= records

    wait_until(is_shared, what="the second member has a partition")
    assert len({record.partition for record in theirs}) == 1
    return theirs


def wait_as_member(member: Source, until: Callable[[], bool], *, what: str) -> None:
    """Stay a member, and nothing else."""

    def is_so() -> bool:
        member.wait_paused(seconds=0.05)
        return until()

    wait_until(is_so, what=what)


def test_a_bridge_joins_reads_all_partitions_and_leaves(neighbour: Neighbour) -> None:
    """Whoever comes next has them at once, and not when a session has timed out."""
    with running(process="bridge", session=Bridge(start_from="earliest").session):
        wait_until(lambda: neighbour.committed() == {0: 5, 1: 5}, what="all offsets are committed")
    assert verdicts() == {"accepted": 10}
    for partition in (0, 1):
        neighbour.send(events("sub_new"), partition=partition)
    with joined(start_from=None) as member:
        assert {record.partition for record in take(member, records=2)} == {0, 1}


def test_records_of_a_partition_that_went_to_another_member_are_left_to_it(neighbour: Neighbour) -> None:
    """Two members, and a rebalance while one has the records of both partitions in hand."""
    with joined() as first:
        in_hand = take(first, records=10)
        with joined() as second:
            theirs = share(first, second)
            ours = first.still_owned(in_hand)
            assert {record.partition for record in ours} | {record.partition for record in theirs} == {0, 1}
            assert len(ours) == len(theirs) == 5
            first.commit(in_hand)
            assert neighbour.committed() == {ours[0].partition: 5, theirs[0].partition: 0}


def test_records_in_hand_are_stale_when_their_partition_has_left_and_come_back(neighbour: Neighbour) -> None:
    """The other member has gone on meanwhile: to commit them would set the group back."""
    with joined() as first:
        in_hand = take(first, records=10)
        with joined() as second:
            [partition] = {record.partition for record in share(first, second)}
            neighbour.send(events("sub_6", "sub_7", "sub_8"), partition=partition)
            second.commit(share(first, second, records=3))
            assert neighbour.committed()[partition] == 8
        wait_as_member(first, lambda: partition in first.take_assigned(), what="the partition has come back")
        assert {record.partition for record in first.still_owned(in_hand)} == {1 - partition}
        first.commit(in_hand)
        assert neighbour.committed() == {partition: 8, 1 - partition: 5}


def test_a_member_whom_the_group_has_lost_commits_nothing_of_it(
    classic: Neighbour, caplog: pytest.LogCaptureFixture
) -> None:
    """And joins again by itself; its records come again."""
    with joined() as member:
        in_hand = take(member, records=10)
        assert len(member.take_assigned()) == 2
        expel(classic)
        wait_as_member(member, lambda: bool(lines(caplog, "partitions lost")), what="it knows that it is lost")
        assert member.still_owned(in_hand) == []
        wait_as_member(member, lambda: len(member.take_assigned()) == 2, what="it is a member again")
        member.commit(in_hand)
        assert classic.committed() == {0: 0, 1: 0}
        member.resume()
        again = take(member, records=10)
        assert sorted((one.partition, one.offset) for one in again) == sorted(
            (one.partition, one.offset) for one in in_hand
        )


def test_a_bridge_that_stood_still_sets_nobody_back(neighbour: Neighbour, settings: Any, tmp_path: Path) -> None:
    """Its group gives its partitions to another, who goes on; when it wakes up it knows that they are lost, and is of
    use again as soon as the other leaves."""
    session = {"KAFKA_SESSION_TIMEOUT_MS": "6000"} if settings.KAFKA_GROUP_PROTOCOL == "classic" else {}
    log = tmp_path / "log"
    with bridge_process(neighbour, log=log, KAFKA_GROUP_PROTOCOL=settings.KAFKA_GROUP_PROTOCOL, **session) as bridge:
        wait_until(lambda: neighbour.committed() == {0: 5, 1: 5}, what="it has read what is there")
        bridge.send_signal(signal.SIGSTOP)
        # It has already asked for these, and will write and want to commit them when it wakes up.
        for partition in (0, 1):
            neighbour.send(events("sub_6", "sub_7"), partition=partition)
        with joined() as other:
            taken = take(other, records=4)
            for partition in (0, 1):
                neighbour.send(events("sub_8", "sub_9"), partition=partition)
            other.commit(taken + take(other, records=4))
            assert neighbour.committed() == {0: 9, 1: 9}
            bridge.send_signal(signal.SIGCONT)

            def is_lost() -> bool:
                other.wait_paused(seconds=0.05)
                return "partitions lost" in events_in(log)

            wait_until(is_lost, what="it knows that they are lost")
            assert neighbour.committed() == {0: 9, 1: 9}
        for partition in (0, 1):
            neighbour.send(events("sub_10"), partition=partition)
        wait_until(lambda: neighbour.committed() == {0: 10, 1: 10}, what="it reads on")


def test_a_partition_that_comes_while_a_member_waits_is_paused_too(neighbour: Neighbour) -> None:
    """It arrives unpaused: what slips in is kept, and is little, whatever there is; all of it is taken afterwards."""
    for partition in (0, 1):
        neighbour.send(events(*(f"sub_{number}" for number in range(3000))), partition=partition)
    with joined() as member:
        wait_as_member(member, lambda: len(member.take_assigned()) == 2, what="it has partitions")
        member.wait_paused(seconds=0.5)
        assert len(member._early) < 10
        member.resume()
        found = take(member, records=6010)
    for partition in (0, 1):
        assert [one.offset for one in found if one.partition == partition] == list(range(3005))


def expel(neighbour: Neighbour) -> None:
    """As a coordinator does that hasn't heard of a member for too long."""
    admin = neighbour.admin()
    try:
        [member] = admin.describe_groups([neighbour.group])[neighbour.group]["members"]
        admin.remove_group_members(neighbour.group, [MemberToRemove(member_id=member["member_id"])])
    finally:
        admin.close()


def try_both(first: Source, second: Source) -> bool:
    """Never enough."""
    first.take(limit=1, seconds=0.05)
    second.take(limit=1, seconds=0.05)
    return False


def test_a_shared_name_ends_one_of_two_with_one_line(neighbour: Neighbour, settings: Any) -> None:
    """KAFKA_GROUP_INSTANCE_ID that was copied from one pod to another."""
    settings.KAFKA_GROUP_INSTANCE_ID = "bridge-0"
    with joined() as first:
        take(first, records=10)
        with joined() as second, pytest.raises(KafkaRefuses) as refusal:
            wait_until(lambda: try_both(first, second), what="one of them is refused")
    assert str(refusal.value) == (
        f"Kafka at {neighbour.broker} has another member of the group with our KAFKA_GROUP_INSTANCE_ID: give each "
        "bridge its own, as the name of its pod in a StatefulSet, or unset it"
    )


def test_a_bridge_that_comes_back_under_its_name_finds_its_partitions(neighbour: Neighbour, settings: Any) -> None:
    """A deployment that replaces one pod after another doesn't move the partitions of all."""
    settings.KAFKA_GROUP_INSTANCE_ID = "bridge-0"
    with joined() as stays:
        take(stays, records=10)
        settings.KAFKA_GROUP_INSTANCE_ID = "bridge-1"
        with joined() as leaves:
            [partition] = {record.partition for record in share(stays, leaves)}
            stays.take_assigned()
        # Time enough to hear of somebody who has left.
        stays.wait_paused(seconds=1)
        assert stays.take_assigned() == {}
        with joined() as comes:
            assert {record.partition for record in take(comes, records=5)} == {partition}
