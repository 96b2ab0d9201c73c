"""What is said about a Kafka: each rule alone, on facts that are otherwise in order."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bridge.kafka.findings import Facts, Finding, Group, Hidden, Missing, Role, Topic, judge

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
SETTINGS = {
    "min.insync.replicas": "2",
    "unclean.leader.election.enable": "false",
    "cleanup.policy": "delete",
    "retention.ms": "604800000",
    "retention.bytes": "-1",
    "compression.type": "producer",
    "max.message.bytes": "1048588",
    "message.timestamp.type": "CreateTime",
    "message.timestamp.after.max.ms": "3600000",
}
ROLES: list[Role] = ["payments", "notifications", "dead letters", "refunds"]


def topic(role: Role, **different: Any) -> Topic:
    """As it should be, but for what is named: a field, or a setting with underscores."""
    fields = {name: value for name, value in different.items() if name in Topic.__dataclass_fields__}
    settings = {name.replace("_", "."): value for name, value in different.items() if name not in fields}
    good = Topic(
        name="t", role=role, partitions=8, replicas=3, rights=frozenset({"Read", "Write"}), settings=SETTINGS | settings
    )
    return replace(good, **fields)


def found(*topics: Topic | Missing | Hidden, brokers: int = 3, largest: int = 1_000_000) -> list[Finding]:
    """What is said of them."""
    facts = Facts(brokers=brokers, topics=topics, group=None, largest=largest)
    return judge(facts=facts, outage_budget=timedelta(days=3), now=NOW)


def lines(*topics: Topic | Missing | Hidden, **others: int) -> list[str]:
    """The same, as a person reads it."""
    return [f"{finding.level}: {finding.line}" for finding in found(*topics, **others)]


@pytest.mark.parametrize("role", ROLES)
def test_nothing_is_said_of_a_topic_that_is_in_order(role: Role) -> None:
    """An operator who is warned of nothing stops reading."""
    assert lines(topic(role)) == []


@pytest.mark.parametrize("role", ROLES)
def test_a_topic_that_is_not_there_is_waited_for(role: Role) -> None:
    """Somebody may make it; the line says how."""
    assert lines(Missing(name="t", role=role)) == ["missing: topic t is not there: make it with manage.py topics"]


@pytest.mark.parametrize(("role", "right"), [(role, "Read" if role == "payments" else "Write") for role in ROLES])
def test_a_right_that_is_missing_is_an_error_that_names_it(role: Role, right: str) -> None:
    """Whether the topic can be seen or not."""
    fix = f"allow {right} on this topic to our user"
    assert lines(Hidden(name="t", role=role)) == [f"error: topic t may not be seen: {fix}"]
    rights = frozenset({"Read", "Write", "Describe"}) - {right}
    verb = "read" if right == "Read" else "written to"
    assert lines(topic(role, rights=rights)) == [f"error: topic t may not be {verb}: {fix}"]
    assert lines(topic(role, rights=frozenset({right}))) == []


@pytest.mark.parametrize("rights", [frozenset(), frozenset({"Describe"}), frozenset({"Write"})])
def test_a_group_that_may_not_be_joined_is_an_error(rights: frozenset[str]) -> None:
    """Without it the bridge reads nothing."""
    facts = Facts(brokers=3, topics=(), group=Group(name="g", rights=rights), largest=1)
    [finding] = judge(facts=facts, outage_budget=timedelta(days=3), now=NOW)
    assert finding.level == "error"
    assert finding.line == "group g may not be joined: allow Read on this group to our user"


@pytest.mark.parametrize("rights", [None, frozenset({"Read"})])
def test_nothing_is_said_of_a_group_that_may_be_joined(rights: frozenset[str] | None) -> None:
    """Nor where Kafka doesn't tell rights: then nothing is known, and a process that can't work will say so."""
    facts = Facts(brokers=3, topics=(topic("payments", rights=None),), group=Group(name="g", rights=rights), largest=1)
    assert judge(facts=facts, outage_budget=timedelta(days=3), now=NOW) == []


def test_settings_that_may_not_be_read_are_one_line_for_the_record() -> None:
    """No error, whatever they may be; what needs no settings is judged all the same."""
    info = (
        "info: topic t keeps its settings to itself, so they are not checked: allow DescribeConfigs on it to our user"
    )
    assert lines(topic("payments", settings=None)) == [info]
    assert len(lines(topic("payments", settings=None, partitions=1))) == 2


@pytest.mark.parametrize(("brokers", "level"), [(3, "warning"), (1, "info")])
def test_a_single_partition_has_a_single_reader(brokers: int, level: str) -> None:
    """It matters where it is meant for production; only the topic of events is read by us."""
    [line] = lines(topic("payments", partitions=1, replicas=3), brokers=brokers)
    assert line.startswith(f"{level}: topic t has one partition, so that only one bridge can read it: add some")
    assert lines(topic("notifications", partitions=1)) == []


@pytest.mark.parametrize(
    ("brokers", "replicas", "level"),
    [(3, 3, None), (3, 2, "warning"), (5, 1, "warning"), (2, 2, None), (2, 1, "info"), (1, 1, "info")],
)
def test_replicas_are_wanted_where_there_are_brokers_for_them(brokers: int, replicas: int, level: str | None) -> None:
    """Three of three and more; on a developer's machine it is only mentioned."""
    said = found(topic("payments", replicas=replicas, min_insync_replicas="1"), brokers=brokers)
    assert [finding.level for finding in said if "keeps each record on" in finding.text] == ([level] if level else [])


@pytest.mark.parametrize(
    ("replicas", "least", "role", "said"),
    [
        (3, "1", "payments", "warning: topic t may lose acknowledged records with one broker"),
        (3, "3", "notifications", "warning: topic t takes no record while one broker is away"),
        (2, "2", "notifications", "warning: topic t takes no record while one broker is away"),
        (3, "4", "notifications", "error: topic t takes no record: min.insync.replicas is 4, and there are 3"),
        (1, "2", "dead letters", "error: topic t takes no record: min.insync.replicas is 2, and there are 1"),
        (1, "2", "payments", "warning: topic t takes no record: min.insync.replicas is 2, and there are 1"),
        (2, "1", "payments", None),
        (1, "1", "payments", None),
    ],
)
def test_acknowledged_means_more_than_one_broker_and_fewer_than_all(
    replicas: int, least: str, role: Role, said: str | None
) -> None:
    """More than there are is the end of a writer; a reader can go on with what is there."""
    told = [line for line in lines(topic(role, replicas=replicas, min_insync_replicas=least)) if "record" in line]
    told = [line for line in told if "keeps each record on" not in line]
    assert [line.startswith(said) for line in told] == [True] if said else told == []


@pytest.mark.parametrize(
    ("role", "setting", "value", "level", "text"),
    [
        ("payments", "unclean_leader_election_enable", "true", "warning", "may lose acknowledged records: unclean"),
        ("payments", "cleanup_policy", "compact", "warning", "is compacted: it refuses records without a key"),
        ("payments", "cleanup_policy", "compact,delete", "warning", "is compacted: it refuses records without a key"),
        ("notifications", "cleanup_policy", "compact", "warning", "is compacted: it drops what was told"),
        ("refunds", "cleanup_policy", "compact", "warning", "is compacted: it drops what was told"),
        ("dead letters", "cleanup_policy", "compact", "error", "is compacted: it refuses records without a key"),
        ("payments", "retention_ms", "86400000", "warning", "keeps records for 24 h, less than an outage may last"),
        ("payments", "retention_ms", "259199999", "warning", "keeps records for 72 h, less than an outage may last"),
        ("payments", "retention_bytes", "1000000", "warning", "drops unread records when it grows"),
        ("payments", "message_timestamp_after_max_ms", str(2**63 - 1), "warning", "takes records that are dated ahead"),
        ("payments", "max_message_bytes", "2000000", "warning", "takes 2000000 bytes, and a parked record is sent on"),
        ("notifications", "compression_type", "zstd", "error", "compresses with zstd, at which NestJS consumers stop"),
        ("refunds", "compression_type", "snappy", "error", "compresses with snappy, at which NestJS consumers stop"),
        ("dead letters", "compression_type", "lz4", "warning", "compresses with lz4, at which NestJS consumers stop"),
        ("notifications", "max_message_bytes", "999999", "warning", "takes 999999 bytes at most, and a record of ours"),
        ("dead letters", "max_message_bytes", "999999", "warning", "takes 999999 bytes at most, and a record of ours"),
    ],
)
def test_a_setting_that_costs_records_is_named_with_its_fix(
    role: Role, setting: str, value: str, level: str, text: str
) -> None:
    """One finding, and nothing beside it; the fix names the setting that is to change."""
    [finding] = found(topic(role, **{setting: value}))
    assert (finding.level, finding.text[: len(text)]) == (level, text)
    assert setting.replace("_", ".") in finding.fix or "MAX_BYTES" in finding.fix


@pytest.mark.parametrize(
    ("role", "setting", "value"),
    [
        ("payments", "retention_ms", "-1"),
        ("payments", "retention_ms", "259200000"),
        ("notifications", "retention_ms", "3600000"),
        ("payments", "message_timestamp_after_max_ms", "86400000"),
        ("payments", "compression_type", "zstd"),
        ("notifications", "compression_type", "gzip"),
        ("notifications", "compression_type", "uncompressed"),
        ("notifications", "max_message_bytes", "1000000"),
    ],
)
def test_nothing_is_said_of_a_setting_that_is_as_good(role: Role, setting: str, value: str) -> None:
    """Other values that cost nothing, and settings that matter for other topics only."""
    assert lines(topic(role, **{setting: value})) == []


def test_times_that_the_broker_gives_are_never_ahead() -> None:
    """Whatever the limit for producers' clocks is."""
    assert lines(topic("payments", message_timestamp_type="LogAppendTime", message_timestamp_after_max_ms="1")) == []
    unlimited = str(2**63 - 1)
    there = topic("payments", message_timestamp_type="LogAppendTime", message_timestamp_after_max_ms=unlimited)
    assert lines(there) == []


def test_a_larger_record_is_no_surprise_where_our_own_limit_is_as_large() -> None:
    """The two limits are raised together."""
    assert lines(topic("payments", max_message_bytes="2000000"), largest=2_000_000) == []
    assert len(lines(topic("dead letters"), largest=2_000_000)) == 1


@pytest.mark.parametrize(("ahead", "told"), [(-3600, False), (59, False), (61, True)])
def test_a_record_from_the_future_means_that_clocks_differ(ahead: int, told: bool) -> None:
    """Ours is behind, or the producer's ahead."""
    said = lines(topic("payments", newest=NOW + timedelta(seconds=ahead)))
    begins = f"warning: topic t has a record that is dated {ahead} s ahead of this machine's clock: set the clocks"
    assert [line.startswith(begins) for line in said] == ([True] if told else [])


def test_the_worst_is_said_first() -> None:
    """Whatever the order of the topics."""
    topics = (
        topic("payments", settings=None), topic("payments", retention_bytes="1"), Missing(name="t", role="refunds"),
        topic("notifications", compression_type="zstd"),
    )  # fmt: skip
    assert [finding.level for finding in found(*topics)] == ["error", "missing", "warning", "info"]
