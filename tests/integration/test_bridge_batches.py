"""Batches by count and bytes, and what comes in while a commit waits for its answer."""

import json
from collections.abc import Sequence
from typing import Any

import pytest

from bridge.kafka import Delivered, Source
from tests.integration.bridge_member import events, joined
from tests.integration.events import event
from tests.integration.kafka_client import Neighbour, make_all_topics, name_topics, wait_until

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def neighbour(settings: Any) -> Neighbour:
    """A topic of one partition, without records."""
    return make_all_topics(name_topics(settings), partitions=1)


def take_batches(member: Source, *, records: int, limit: int = 500) -> list[list[Delivered]]:
    """As many as there are until so many records have come."""
    found: list[list[Delivered]] = []

    def enough() -> bool:
        if batch := member.take(limit=limit, seconds=0.1):
            found.append(batch)
        return sum(map(len, found)) >= records

    wait_until(enough, what=f"{records} records have come")
    return found


def offsets(batches: Sequence[Sequence[Delivered]]) -> list[int]:
    """Of all of them, in the order in which they came."""
    return [record.offset for batch in batches for record in batch]


def test_a_batch_ends_with_its_bytes(neighbour: Neighbour, settings: Any) -> None:
    """Or 500 of the longest records would be 500 MB. The next one begins where it ended."""
    settings.BRIDGE_BATCH_BYTES = 100_000
    long = json.dumps(event("sub_1", user="u" * 30_000)).encode()
    neighbour.send([long] * 20)
    with joined() as member:
        batches = take_batches(member, records=20)
    assert max(map(len, batches)) == 4
    assert all(sum(record.size for record in batch[:-1]) < 100_000 for batch in batches)
    assert offsets(batches) == list(range(20))


def test_a_record_that_is_longer_than_a_batch_goes_alone(neighbour: Neighbour, settings: Any) -> None:
    """P2: it stops nobody."""
    settings.BRIDGE_BATCH_BYTES = 65_536
    neighbour.send([b"x" * 900_000] * 3)
    with joined() as member:
        batches = take_batches(member, records=3)
    assert list(map(len, batches)) == [1, 1, 1]


def test_a_batch_ends_with_its_count(neighbour: Neighbour) -> None:
    """A batch is also the most that is judged again after a crash."""
    neighbour.send(events(*(f"sub_{number}" for number in range(50))))
    with joined() as member:
        batches = take_batches(member, records=50, limit=20)
        assert not member.take(limit=20, seconds=0)
        assert not member.has_more
    assert max(map(len, batches)) == 20
    assert offsets(batches) == list(range(50))


def test_a_full_batch_says_that_there_may_be_more(neighbour: Neighbour) -> None:
    """Then a partition that has brought nothing waits for its turn, and isn't held to stand still."""
    neighbour.send(events("sub_1", "sub_2", "sub_3"))
    with joined() as member:
        take_batches(member, records=2, limit=2)
        assert member.has_more
        take_batches(member, records=1, limit=2)
        assert not member.has_more


def test_what_comes_while_a_commit_waits_is_taken_next(neighbour: Neighbour, settings: Any) -> None:
    """P2: Kafka's client counts it as read. With room for little, the commit isn't waited for any longer."""
    settings.BRIDGE_BATCH_BYTES = 65_536
    neighbour.send(events(*(f"sub_{number}" for number in range(2000))))
    with joined() as member:
        found: list[list[Delivered]] = []

        def enough() -> bool:
            batch = member.take(limit=7, seconds=0.1)
            found.append(batch)
            member.commit(batch)
            return sum(map(len, found)) >= 2000

        wait_until(enough, what="2,000 records have come")
    assert offsets(found) == list(range(2000))
    assert neighbour.committed() == {0: 2000}


def test_a_partition_does_not_wait_for_the_backlog_of_another(settings: Any) -> None:
    """P5: a megabyte of one partition at a time, as is the default, is a minute's work."""
    neighbour = make_all_topics(name_topics(settings), partitions=2)
    long = json.dumps(event("sub_1", user="u" * 3000)).encode()
    for partition in (0, 1):
        neighbour.send([long] * 300, partition=partition)
    with joined() as member:
        batches = take_batches(member, records=150, limit=50)
    assert {record.partition for batch in batches for record in batch} == {0, 1}
