"""Where a group that has no offsets begins: at what a person writes, and nowhere else."""

import socket
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from confluent_kafka.admin import AdminClient
from django.core.management import CommandError, call_command

from bridge.consumer import Bridge
from bridge.kafka import KafkaAway, KafkaRefuses, Source, Where, read_where, start
from bridge.kafka.client import common_settings
from payments.models import InboxMessage, Position
from tests.integration.bridge_member import events
from tests.integration.kafka_client import Neighbour, make_all_topics, name_topics, running, wait_until

MOMENT = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)
# Of real records: Kafka deletes what is older than its retention.
LATELY = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)


@pytest.fixture
def neighbour(settings: Any) -> Neighbour:
    """Topics of two partitions, without records, and a group that has never read."""
    return make_all_topics(name_topics(settings), partitions=2)


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("earliest", "earliest"),
        ("latest", "latest"),
        ("2026-01-31T12:00Z", MOMENT),
        ("2026-01-31 17:00:00.000+05:00", MOMENT),
        ("0:1234,1:99", {0: 1234, 1: 99}),
    ],
)
def test_a_start_is_read_as_it_is_written(text: str, where: Where) -> None:
    """A time is the same moment whatever its zone."""
    assert read_where(text) == where


@pytest.mark.parametrize(
    ("text", "fix"),
    [
        ("2026-01-31T12:00", "has no time zone: write 2026-01-31T12:00Z for UTC"),
        ("2026-01-31", "has no time zone: write 2026-01-31T00:00Z for UTC"),
        ("0:1,0:2", "names a partition twice"),
        ("yesterday", "must be earliest, latest, a time like 2026-01-31T12:00Z, or offsets by partition like 0:1234"),
        ("0:-1", "must be earliest, latest, a time like"),
    ],
)
def test_a_start_that_could_mean_something_else_is_refused_with_the_fix(text: str, fix: str) -> None:
    """P1: hours off would charge history, or skip records."""
    with pytest.raises(ValueError, match=fix):
        read_where(text)
    with pytest.raises(CommandError, match=fix):
        call_command("bridge", "--from", text)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    "start_from",
    [LATELY, LATELY.astimezone(timezone(timedelta(hours=5))), {0: 2, 1: 0}],
    ids=["time", "zone", "offsets"],
)
def test_a_new_group_starts_at_a_time_or_at_offsets(neighbour: Neighbour, start_from: Where) -> None:
    """From the first record that isn't older, in each partition; where there is none, from what comes next."""
    for minutes, name in enumerate(["old", "older", "new", "newer"], start=-2):
        neighbour.send(events(name), partition=0, timestamp=milliseconds(LATELY + timedelta(minutes=minutes)))
    with running(process="bridge", session=Bridge(start_from=start_from).session):
        wait_until(lambda: neighbour.committed().get(0) == 4, what="it has read to the end")
        neighbour.send(events("next"), partition=1, timestamp=milliseconds(LATELY + timedelta(minutes=5)))
        wait_until(lambda: neighbour.committed() == {0: 4, 1: 1}, what="and what came next")
    found = InboxMessage.objects.order_by("partition", "offset").values_list("subscription_id", flat=True)
    assert list(found) == ["new", "newer", "next"]
    assert dict(Position.objects.values_list("partition", "first_offset")) == {0: 2, 1: 0}


@pytest.mark.django_db(transaction=True)
def test_a_time_after_the_last_record_is_the_end(neighbour: Neighbour) -> None:
    """As the other service has charged all of it."""
    neighbour.send(events("old"), partition=0, timestamp=milliseconds(LATELY))
    open_and_leave(LATELY + timedelta(seconds=1))
    assert neighbour.committed() == {0: 1, 1: 0}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("offsets", "why"),
    [
        ({0: 0}, r"has the partitions 0, 1, and offsets are given for 0: give one for each"),
        ({0: 0, 1: 0, 2: 0}, r"has the partitions 0, 1, and offsets are given for 0, 1, 2: give one for each"),
        ({0: 2, 1: 0}, r"\[0\] has the offsets 0 to 1, not 2: nothing was set"),
    ],
)
def test_offsets_that_the_topic_does_not_have_are_refused(
    neighbour: Neighbour, offsets: dict[int, int], why: str
) -> None:
    """A partition that isn't named would be read from its beginning, and its history charged."""
    neighbour.send(events("old"), partition=0)
    with pytest.raises(KafkaRefuses, match=why):
        open_and_leave(offsets)
    assert neighbour.committed() == {}


def test_a_kafka_that_says_nothing_is_waited_for_and_not_for_ever(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody takes the connection and is silent: the question for the topic's id ends as any other does."""
    monkeypatch.setattr(start, "METADATA_TIMEOUT", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        settings.KAFKA_BROKER = f"127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(KafkaAway, match="does not answer"):
            start.find_topic_id(admin=AdminClient(common_settings()), topic="any")


def open_and_leave(start_from: Where) -> None:
    """Join and leave: what is committed is the start."""
    source = Source()
    try:
        source.open(start_from=start_from)
    finally:
        source.close()


def milliseconds(moment: datetime) -> int:
    """As Kafka keeps times."""
    return int(moment.timestamp() * 1000)
