"""What a look at a real Kafka finds, and what the processes do about it before they begin."""

import time
from contextlib import closing
from datetime import UTC, datetime
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from kafka.admin import ConfigResource

from bridge.kafka import KafkaAway, KafkaRefuses, Process, check
from bridge.loop import Stop
from bridge.startup import checked
from tests.integration.kafka_client import Neighbour, lines, make_all_topics, name_topics

BOTH: frozenset[Process] = frozenset({"bridge", "relay"})
# What one broker on a developer's machine can't help.
ONE_BROKER = "keeps each record on 1 of 1 brokers, and loses what they lose: run three brokers in production"


@pytest.fixture
def neighbour(settings: Any) -> Neighbour:
    """Topics as `manage.py topics` makes them."""
    return make_all_topics(name_topics(settings), partitions=2)


def configure(neighbour: Neighbour, topic: str, **values: str) -> None:
    """Set a topic's settings, underscores for dots; others go back to their defaults."""
    with closing(neighbour.admin()) as admin:
        admin.alter_configs(
            [ConfigResource("TOPIC", topic, {name.replace("_", "."): value for name, value in values.items()})]
        )


def found(*processes: Process) -> list[str]:
    """What there is to say, but for the one broker."""
    said = check(processes=frozenset(processes) or BOTH, now=datetime.now(UTC))
    return [f"{finding.level}: {finding.line}" for finding in said if ONE_BROKER not in finding.line]


def run(*options: str) -> list[str]:
    """`manage.py topics` with these options; its lines."""
    out = StringIO()
    try:
        call_command("topics", *options, stdout=out)
    except CommandError as error:
        return [*out.getvalue().splitlines(), f"exit code {error.returncode}: {error}"]
    return out.getvalue().splitlines()


def test_topics_as_we_make_them_are_in_order(neighbour: Neighbour) -> None:
    """On one broker that is all there is to say, and it stops nobody."""
    assert found() == []
    names = (neighbour.notifications, neighbour.dead_letters, neighbour.payments)
    assert run("--check") == [f"info: topic {name} {ONE_BROKER}" for name in names]


def test_settings_are_those_of_the_real_topics(neighbour: Neighbour) -> None:
    """Each is asked for by the name that Kafka gives it."""
    configure(
        neighbour, neighbour.payments, retention_ms="3600000", retention_bytes="1000000", cleanup_policy="compact",
        max_message_bytes="2000000", unclean_leader_election_enable="true",
        message_timestamp_after_max_ms="9223372036854775807",
    )  # fmt: skip
    assert [line.partition(neighbour.payments)[2].partition(":")[0] for line in found("bridge")] == [
        " may lose acknowledged records",
        " is compacted",
        " keeps records for 1 h, less than an outage may last (OUTAGE_BUDGET)",
        " drops unread records when it grows",
        " takes records that are dated ahead, which look new each time they are read",
        " takes 2000000 bytes, and a parked record is sent on with 1000000 at most",
    ]


def test_the_budget_for_an_outage_and_our_largest_record_are_settings(neighbour: Neighbour, settings: Any) -> None:
    """OUTAGE_BUDGET and KAFKA_MESSAGE_MAX_BYTES."""
    settings.OUTAGE_BUDGET *= 100
    settings.KAFKA_PROPERTIES = {"message.max.bytes": "1048589"}
    said = found()
    assert sum("less than an outage may last" in line for line in said) == 1
    assert sum("a record of ours may have 1048589" in line for line in said) == 2
    assert len(said) == 3


def test_a_record_that_is_dated_ahead_is_noticed_by_its_time(neighbour: Neighbour) -> None:
    """In any partition; an empty one has none."""
    neighbour.send([b"{}"], partition=0)
    assert found("bridge") == []
    neighbour.send([b"{}"], partition=1, timestamp=int((time.time() + 1800) * 1000))
    [line] = found("bridge")
    assert "s ahead of this machine's clock: set the clocks right" in line


def test_each_process_is_told_of_what_it_uses(neighbour: Neighbour) -> None:
    """The relay is not stopped by what is the bridge's trouble, nor the other way round."""
    configure(neighbour, neighbour.payments, retention_bytes="1000000")
    configure(neighbour, neighbour.notifications, compression_type="zstd")
    assert (len(found("bridge")), len(found("relay")), len(found())) == (1, 1, 2)


def test_the_command_only_looks_and_says_what_stops_us(settings: Any) -> None:
    """Topics that are missing are not made by a check; afterwards they are there."""
    neighbour = name_topics(settings)
    settings.KAFKA_TOPIC_REFUNDS = f"payment.refunded.{neighbour.group}"
    names = (neighbour.notifications, neighbour.dead_letters, settings.KAFKA_TOPIC_REFUNDS, neighbour.payments)
    missing = [f"missing: topic {name} is not there: make it with manage.py topics" for name in names]
    for _ in range(2):
        assert set(run("--dry-run")) == {f"{name}: would be made" for name in names}
        assert run("--check") == [*missing, "exit code 3: 4 of them stop the bridge or the relay"]
    make_all_topics(neighbour, partitions=1)
    configure(neighbour, neighbour.dead_letters, min_insync_replicas="2")
    first, *_, last = run("--check")
    assert first.startswith(f"error: topic {neighbour.dead_letters} takes no record: min.insync.replicas is 2")
    assert last == "exit code 3: 1 of them stop the bridge or the relay"


def test_a_warning_is_told_once_and_holds_nobody_up(neighbour: Neighbour, caplog: pytest.LogCaptureFixture) -> None:
    """Sessions begin anew after each outage: the line would come with every one of them."""
    configure(neighbour, neighbour.payments, retention_bytes="1000000")
    began: list[Stop] = []
    session = checked(process="bridge", session=began.append)
    session(Stop())
    session(Stop())
    [warning] = [line for line in lines(caplog, "kafka checked") if line["level"] == "warning"]
    assert warning["why"] == f"topic {neighbour.payments} drops unread records when it grows: retention.bytes is set"
    assert warning["fix"] == "set retention.bytes to -1"
    assert len(began) == 2


@pytest.mark.django_db(transaction=True)
def test_an_error_ends_the_process_before_it_begins(neighbour: Neighbour) -> None:
    """One line with all of them: a restart for each would be one too many."""
    configure(neighbour, neighbour.notifications, compression_type="snappy")
    configure(neighbour, neighbour.dead_letters, cleanup_policy="compact")
    with pytest.raises(KafkaRefuses) as refusal:
        checked(process="relay", session=_never)(Stop())
    assert str(refusal.value) == (
        f"topic {neighbour.notifications} compresses with snappy, at which NestJS consumers stop for good: "
        "set compression.type to producer; "
        f"topic {neighbour.dead_letters} is compacted: it refuses records without a key, and those are what is parked: "
        "set cleanup.policy to delete"
    )
    with pytest.raises(CommandError) as ended:
        call_command("relay")
    assert str(ended.value) == str(refusal.value)


def test_a_topic_that_is_missing_is_waited_for(settings: Any) -> None:
    """Whichever of them: a relay that begins without one would find out at the first record."""
    neighbour = name_topics(settings)
    with pytest.raises(KafkaAway) as away:
        checked(process="bridge", session=_never)(Stop())
    assert str(away.value) == f"topic {neighbour.payments} is not there: make it with manage.py topics"
    with pytest.raises(KafkaAway, match=rf"topic {neighbour.notifications} .*; topic {neighbour.dead_letters} "):
        checked(process="relay", session=_never)(Stop())


def _never(_: Stop) -> None:
    pytest.fail("it began")
