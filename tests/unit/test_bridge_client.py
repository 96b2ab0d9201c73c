"""What the bridge asks of Kafka's client: bounds on memory, and what each protocol of groups allows."""

from typing import Any

import pytest

from billing_project import env
from billing_project.env_kafka import KAFKA_OWNED, KAFKA_PASSED_THROUGH
from bridge.kafka import client
from bridge.kafka.sink import COMMIT_WITHIN

REFUSED_BY_THE_NEW_PROTOCOL = {"session.timeout.ms", "heartbeat.interval.ms", "partition.assignment.strategy"}


def test_what_is_read_ahead_is_bounded(settings: Any) -> None:
    """Of all partitions together, and of one answer; by default 64 MiB and 50 MiB."""
    asked = client.consumer_settings()
    assert asked["queued.max.messages.kbytes"] * 1024 == asked["fetch.max.bytes"] <= 8 * 1024 * 1024
    assert asked["max.partition.fetch.bytes"] <= 1024 * 1024
    assert asked["queued.min.messages"] <= 10_000


@pytest.mark.parametrize("name", sorted(KAFKA_PASSED_THROUGH - {"socket.timeout.ms"}))
def test_what_an_operator_has_set_is_what_the_client_gets(settings: Any, name: str) -> None:
    """Whatever is allowed counts; the time for an answer only where it is shorter than ours."""
    settings.KAFKA_PROPERTIES = {name: "7777"}
    assert client.consumer_settings()[name] == "7777"


def test_what_we_set_ourselves_is_refused_to_an_operator_or_a_setting_of_its_own(settings: Any) -> None:
    """Or it would be disregarded without a word."""
    settings.KAFKA_GROUP_INSTANCE_ID = "bridge-0"
    ours = client.consumer_settings() | client.producer_settings()
    # Not of Kafka: how its client speaks to us.
    asked = set(ours) - {"logger", "log.connection.close", "delivery.report.only.error"}
    answered = KAFKA_PASSED_THROUGH | set(KAFKA_OWNED)
    assert [
        name for name in sorted(asked - answered) if f"kafka_{name.replace('.', '_')}" not in env.Env.model_fields
    ] == []


def test_the_producer_gives_up_before_kafka_does(settings: Any) -> None:
    """Or a transaction would be aborted under a relay that still waits for its end."""
    asked = client.producer_settings()
    assert COMMIT_WITHIN * 1000 < asked["delivery.timeout.ms"] < asked["transaction.timeout.ms"]


def test_one_answer_has_room_for_the_longest_record_that_is_allowed(settings: Any) -> None:
    """Kafka's client refuses to start otherwise."""
    settings.KAFKA_PROPERTIES = {"message.max.bytes": "10000000"}
    assert client.consumer_settings()["fetch.max.bytes"] == 10_000_000


def test_the_new_protocol_is_asked_for_without_what_it_refuses(settings: Any) -> None:
    """The broker decides it."""
    settings.KAFKA_GROUP_PROTOCOL = "consumer"
    asked = client.consumer_settings()
    assert asked["group.protocol"] == "consumer"
    assert not REFUSED_BY_THE_NEW_PROTOCOL & set(asked)


def test_the_classic_protocol_takes_no_partition_away_that_stays(settings: Any) -> None:
    """An eager rebalance would make every member drop what it has in hand."""
    assert client.consumer_settings()["partition.assignment.strategy"] == "cooperative-sticky"


@pytest.mark.parametrize("name", [None, "bridge-0"])
def test_a_name_is_sent_only_where_there_is_one(settings: Any, name: str | None) -> None:
    """An empty one would be the same for all."""
    settings.KAFKA_GROUP_INSTANCE_ID = name
    assert client.consumer_settings().get("group.instance.id") == name


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
@pytest.mark.parametrize(
    ("name", "value"),
    [("enable.auto.commit", False), ("enable.auto.offset.store", False), ("auto.offset.reset", "error")],
)
def test_no_offset_moves_by_itself(settings: Any, protocol: str, name: str, value: object) -> None:
    """P2."""
    settings.KAFKA_GROUP_PROTOCOL = protocol
    assert client.consumer_settings()[name] == value


@pytest.mark.parametrize(
    ("given", "used"), [({}, 6_000), ({"socket.timeout.ms": "60000"}, 6_000), ({"socket.timeout.ms": "3000"}, 3_000)]
)
def test_a_member_waits_for_an_answer_no_longer_than_it_may_take_to_stop(
    settings: Any, given: dict[str, str], used: int
) -> None:
    """A rebalance may keep a member's answers back for as long as a killed one's session lasts."""
    settings.KAFKA_PROPERTIES = given
    assert client.consumer_settings()["socket.timeout.ms"] == used
