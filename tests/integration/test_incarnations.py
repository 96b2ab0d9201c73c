"""A topic that was deleted and made again: its records are new ones, though they stand at the same offsets."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest
from kafka import TopicPartition
from kafka.structs import OffsetAndMetadata

from bridge.consumer import Bridge
from payments import charging
from payments.models import InboxMessage, Payment, Position
from tests.conftest import Clock
from tests.integration.bridge_member import events
from tests.integration.events import accept, event, record
from tests.integration.kafka_client import Neighbour, lines, make_all_topics, name_topics, running, wait_until

pytestmark = pytest.mark.django_db(transaction=True)

Rows = list[tuple[int, int, str]]


@pytest.fixture
def neighbour(settings: Any) -> Neighbour:
    """Topics of two partitions, without records, and a group that has never read."""
    return make_all_topics(name_topics(settings), partitions=2)


def make_anew(neighbour: Neighbour, values: Sequence[bytes | None]) -> None:
    """Delete the topic of events, make it again, and fill its first partition."""
    with closing(neighbour.admin()) as admin:
        admin.delete_topics([neighbour.payments])
        wait_until(lambda: neighbour.payments not in admin.list_topics(), what="the topic is gone")
    make_all_topics(neighbour, partitions=2)
    neighbour.send(values, partition=0)


def rows_by_topic() -> dict[str, Rows]:
    """Partition, offset and verdict, by the topic's id, the oldest first."""
    found: dict[str, Rows] = {}
    for row in InboxMessage.objects.order_by("id"):
        found.setdefault(row.topic_id, []).append((row.partition, row.offset, row.verdict))
    return found


def read_all(neighbour: Neighbour, *, rows: int) -> None:
    """Run a bridge until there are so many rows, and offsets are committed up to the end."""
    with running(process="bridge", session=Bridge(start_from="latest").session):
        wait_for(neighbour, rows=rows)


def wait_for(neighbour: Neighbour, *, rows: int) -> None:
    """Until there are so many rows, and offsets are committed up to the end."""
    with closing(neighbour.consumer()) as consumer:
        ends = consumer.end_offsets([TopicPartition(neighbour.payments, number) for number in (0, 1)])
    wait_until(lambda: InboxMessage.objects.count() == rows, what=f"{rows} rows are here")
    at = {place.partition: end for place, end in ends.items()}
    wait_until(lambda: neighbour.committed() == at, what="all is read")


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
@pytest.mark.parametrize("more", [0, 6])
def test_a_topic_that_is_made_anew_under_a_running_bridge_is_read_whole(
    neighbour: Neighbour, more: int, protocol: str, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """P2: whether it ends before the old position, which is an error, or behind it, where the client just goes on.

    Its first records are the same to the byte as those of the old topic at the same places.
    """
    settings.KAFKA_GROUP_PROTOCOL = protocol
    old = events("a", "b", "c")
    neighbour.send(old, partition=0)
    with running(process="bridge", session=Bridge(start_from="earliest").session):
        wait_for(neighbour, rows=3)
        new = [*old[:2], *events(*(f"new_{number}" for number in range(more)))]
        make_anew(neighbour, new)
        wait_for(neighbour, rows=3 + len(new))
    first, second = rows_by_topic().values()
    assert first == [(0, offset, "accepted") for offset in range(3)]
    assert second == [(0, offset, "duplicate" if offset < 2 else "accepted") for offset in range(len(new))]
    assert Payment.objects.count() == 3 + more
    assert not charging.is_paused()
    assert lines(caplog, "topic was made anew, it is read from its beginning")


def test_a_topic_that_is_made_anew_while_no_bridge_runs_is_read_whole(neighbour: Neighbour) -> None:
    """P2: the group began at the end of the topic that is gone, and its offsets went with it."""
    neighbour.send(events("history"), partition=0)
    with running(process="bridge", session=Bridge(start_from="latest").session):
        wait_until(lambda: neighbour.committed().get(0) == 1, what="it has begun at the end")
        neighbour.send(events("a", "b"), partition=0)
        wait_for(neighbour, rows=2)
    make_anew(neighbour, events("a", "b", "c", "d"))
    assert neighbour.committed() == {}, "Kafka deletes them with the topic"
    read_all(neighbour, rows=6)
    read_all(neighbour, rows=6)
    first, second = rows_by_topic().values()
    assert first == [(0, 1, "accepted"), (0, 2, "accepted")]
    assert [offset for _, offset, _ in second] == [0, 1, 2, 3]
    assert Payment.objects.count() == 4
    assert not charging.is_paused()


def test_records_of_the_version_before_are_known_when_they_come_again(neighbour: Neighbour) -> None:
    """An upgrade: rows without a topic's id are this topic's. Made anew afterwards, it is another one all the same."""
    values = events("a", "b")
    neighbour.send(values, partition=0)
    with running(process="bridge", session=Bridge(start_from="earliest").session):
        wait_for(neighbour, rows=2)
    InboxMessage.objects.update(topic_id="")
    Position.objects.update(topic_id="", first_offset=None)
    with closing(neighbour.admin()) as admin:
        admin.alter_group_offsets(
            neighbour.group, {TopicPartition(neighbour.payments, 0): OffsetAndMetadata(0, "", -1)}
        )
    neighbour.send(events("c"), partition=0)
    read_all(neighbour, rows=3)
    assert [row for rows in rows_by_topic().values() for row in rows] == [
        (0, 0, "accepted"), (0, 1, "accepted"), (0, 2, "accepted"),
    ]  # fmt: skip
    assert not charging.is_paused()
    make_anew(neighbour, values)
    read_all(neighbour, rows=5)
    assert Payment.objects.count() == 3


def test_rows_without_an_id_belong_to_nobody_where_the_groups_offsets_are_gone(clock: Clock) -> None:
    """P2: the topic may have been made anew during the upgrade. Known by subscription."""
    before, again = record(event("a"), at=clock(), offset=0), record(event("a"), at=clock(), offset=0)
    accept(before, now=clock())
    anew = replace(again, topic_id="new")
    assert accept(anew, now=clock()).counts == {"known": 0, "duplicate": 1}
    assert accept(anew, now=clock()).counts == {"known": 1}
