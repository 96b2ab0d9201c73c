"""What is wrong with a Kafka, before it costs a payment: facts about its topics and rights in, findings out.

Pure. A finding says what is the case, why it matters, and how to put it right, in one line.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, assert_never

# From so many on it is meant for production: what one broker loses, the others have.
ENOUGH_BROKERS = 3
# kafkajs has no other; a batch in another one stops a NestJS consumer for good, while its process stays up.
READ_BY_EVERYONE = frozenset({"producer", "uncompressed", "none", "gzip"})
# Kafka's own default for a topic: a little above what librdkafka sends by default.
USUAL_RECORD = 1_048_588
# Far above a clock that drifts, far below what makes an old record look new.
CLOCKS_APART = timedelta(minutes=1)
# A record that is dated further ahead than this stays "new" for as long, whenever it is read again.
DATED_AHEAD = timedelta(days=1)

Level = Literal["error", "missing", "warning", "info"]
Role = Literal["payments", "notifications", "dead letters", "refunds"]
# Describe comes with each of them.
NEEDED: dict[Role, str] = {
    "payments": "Read", "notifications": "Write", "dead letters": "Write", "refunds": "Write",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Finding:
    """`error` ends the process that finds it, `missing` is waited for; the others are told."""

    level: Level
    subject: str
    text: str
    fix: str

    @property
    def line(self) -> str:
        """For a person."""
        return f"{self.subject} {self.text}: {self.fix}"


@dataclass(frozen=True, kw_only=True)
class Missing:
    """A topic that isn't there."""

    name: str
    role: Role


@dataclass(frozen=True, kw_only=True)
class Hidden:
    """A topic that our user may not even see; it may be there or not."""

    name: str
    role: Role


@dataclass(frozen=True, kw_only=True)
class Topic:
    """A topic that is there. `rights` as Kafka names operations, `settings` as it names topic configurations.

    None is: Kafka doesn't say. `replicas` are those of the partition that has the fewest; `newest` is the time of
    the newest record.
    """

    name: str
    role: Role
    partitions: int
    replicas: int
    rights: frozenset[str] | None = None
    settings: Mapping[str, str] | None = None
    newest: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Group:
    """The consumer group, whether it has members or not. `rights` as for a topic; empty if we may not see it."""

    name: str
    rights: frozenset[str] | None


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What one of our processes depends on. `largest` is the most bytes that our producer sends as one record."""

    brokers: int
    topics: tuple[Topic | Missing | Hidden, ...]
    group: Group | None
    largest: int


def judge(*, facts: Facts, outage_budget: timedelta, now: datetime) -> list[Finding]:
    """All that there is to say, the worst first."""
    found = [finding for topic in facts.topics for finding in _judge_topic(topic, facts, outage_budget, now)]
    if facts.group is not None and not _has(facts.group.rights, "Read"):
        fix = "allow Read on this group to our user"
        found.append(Finding(level="error", subject=f"group {facts.group.name}", text="may not be joined", fix=fix))
    order: list[Level] = ["error", "missing", "warning", "info"]
    return sorted(found, key=lambda finding: order.index(finding.level))


def _judge_topic(
    topic: Topic | Missing | Hidden, facts: Facts, outage_budget: timedelta, now: datetime
) -> Iterator[Finding]:
    match topic:
        case Missing():
            yield _about(topic, "missing", "is not there", "make it with manage.py topics")
        case Hidden():
            yield _not_allowed(topic, "seen")
        case Topic():
            yield from _judge_rights(topic)
            yield from _judge_shape(topic, facts)
            if topic.newest is not None and topic.newest > now + CLOCKS_APART:
                ahead = int((topic.newest - now).total_seconds())
                text = f"has a record that is dated {ahead} s ahead of this machine's clock"
                yield _about(topic, "warning", text, "set the clocks right, here, at its producers and at the brokers")
            if topic.settings is None:
                text = "keeps its settings to itself, so they are not checked"
                yield _about(topic, "info", text, "allow DescribeConfigs on it to our user")
            else:
                yield from _judge_settings(topic, topic.settings, facts, outage_budget)
        case _:
            assert_never(topic)


def _judge_rights(topic: Topic) -> Iterator[Finding]:
    if not _has(topic.rights, NEEDED[topic.role]):
        yield _not_allowed(topic, "read" if topic.role == "payments" else "written to")


def _judge_shape(topic: Topic, facts: Facts) -> Iterator[Finding]:
    is_production = facts.brokers >= ENOUGH_BROKERS
    if topic.role == "payments" and topic.partitions == 1:
        text = "has one partition, so that only one bridge can read it"
        fix = "add some with kafka-topics.sh --alter --partitions"
        yield _about(topic, "warning" if is_production else "info", text, fix)
    if topic.replicas < (ENOUGH_BROKERS if is_production else 2):
        text = f"keeps each record on {topic.replicas} of {facts.brokers} brokers, and loses what they lose"
        fix = "have 3, with kafka-reassign-partitions.sh" if is_production else "run three brokers in production"
        yield _about(topic, "warning" if is_production else "info", text, fix)


def _judge_settings(
    topic: Topic, settings: Mapping[str, str], facts: Facts, outage_budget: timedelta
) -> Iterator[Finding]:
    yield from _judge_durability(topic, settings)
    yield from _judge_compaction(topic, settings)
    if topic.role == "payments":
        yield from _judge_retention(topic, settings, outage_budget)
        yield from _judge_times(topic, settings)
        yield from _judge_size_of_what_comes(topic, settings, facts)
    else:
        yield from _judge_compression(topic, settings)
        yield from _judge_size_of_what_goes(topic, settings, facts)


def _judge_durability(topic: Topic, settings: Mapping[str, str]) -> Iterator[Finding]:
    least = int(settings.get("min.insync.replicas", "1"))
    if least > topic.replicas:
        # Who only reads can go on.
        level: Level = "warning" if topic.role == "payments" else "error"
        text = f"takes no record: min.insync.replicas is {least}, and there are {topic.replicas}"
        yield _about(topic, level, text, f"set min.insync.replicas to {max(1, topic.replicas - 1)}")
    elif topic.replicas > 1 and least == topic.replicas:
        text = f"takes no record while one broker is away: min.insync.replicas is {least}, and there are no more"
        yield _about(topic, "warning", text, f"set min.insync.replicas to {least - 1}")
    elif topic.replicas >= ENOUGH_BROKERS and least == 1:
        text = "may lose acknowledged records with one broker: min.insync.replicas is 1"
        yield _about(topic, "warning", text, "set min.insync.replicas to 2")
    if settings.get("unclean.leader.election.enable") == "true":
        text = "may lose acknowledged records: unclean.leader.election.enable is true"
        yield _about(topic, "warning", text, "set unclean.leader.election.enable to false")


def _judge_compaction(topic: Topic, settings: Mapping[str, str]) -> Iterator[Finding]:
    if "compact" not in settings.get("cleanup.policy", ""):
        return
    match topic.role:
        case "payments":
            level: Level = "warning"
            text = "refuses records without a key, as NestJS sends them, and drops older ones of the same key"
        case "dead letters":
            level, text = "error", "refuses records without a key, and those are what is parked"
        case "notifications" | "refunds":
            level, text = "warning", "drops what was told of a payment as soon as there is something newer"
        case _:
            assert_never(topic.role)
    yield _about(topic, level, f"is compacted: it {text}", "set cleanup.policy to delete")


def _judge_retention(topic: Topic, settings: Mapping[str, str], outage_budget: timedelta) -> Iterator[Finding]:
    kept, needed = int(settings.get("retention.ms", "-1")), outage_budget // timedelta(milliseconds=1)
    if 0 <= kept < needed:
        hours = kept / 3_600_000
        text = f"keeps records for {hours:.4g} h, less than an outage may last (OUTAGE_BUDGET)"
        yield _about(topic, "warning", text, f"set retention.ms to {needed} or more")
    if int(settings.get("retention.bytes", "-1")) >= 0:
        text = "drops unread records when it grows: retention.bytes is set"
        yield _about(topic, "warning", text, "set retention.bytes to -1")


def _judge_times(topic: Topic, settings: Mapping[str, str]) -> Iterator[Finding]:
    """Who is a duplicate is decided by the record's time: one dated ahead looks new whenever it is read again."""
    ahead = int(settings.get("message.timestamp.after.max.ms", str(2**63 - 1)))
    if settings.get("message.timestamp.type") == "CreateTime" and ahead > DATED_AHEAD // timedelta(milliseconds=1):
        text = "takes records that are dated ahead, which look new each time they are read"
        yield _about(topic, "warning", text, "set message.timestamp.after.max.ms to 3600000")


def _judge_compression(topic: Topic, settings: Mapping[str, str]) -> Iterator[Finding]:
    kind = settings.get("compression.type", "producer")
    if kind not in READ_BY_EVERYONE:
        level: Level = "warning" if topic.role == "dead letters" else "error"
        text = f"compresses with {kind}, at which NestJS consumers stop for good"
        yield _about(topic, level, text, "set compression.type to producer")


def _judge_size_of_what_goes(topic: Topic, settings: Mapping[str, str], facts: Facts) -> Iterator[Finding]:
    limit = int(settings.get("max.message.bytes", USUAL_RECORD))
    if limit < facts.largest:
        text = f"takes {limit} bytes at most, and a record of ours may have {facts.largest}: it would be set aside"
        yield _about(topic, "warning", text, f"set max.message.bytes to {facts.largest} or more")


def _judge_size_of_what_comes(topic: Topic, settings: Mapping[str, str], facts: Facts) -> Iterator[Finding]:
    limit = int(settings.get("max.message.bytes", USUAL_RECORD))
    if limit > max(USUAL_RECORD, facts.largest):
        text = f"takes {limit} bytes, and a parked record is sent on with {facts.largest} at most"
        fix = f"set KAFKA_MESSAGE_MAX_BYTES, and max.message.bytes of the dead letters, to {limit} or more"
        yield _about(topic, "warning", text, fix)


def _not_allowed(topic: Topic | Hidden, verb: str) -> Finding:
    fix = f"allow {NEEDED[topic.role]} on this topic to our user"
    return _about(topic, "error", f"may not be {verb}", fix)


def _has(rights: frozenset[str] | None, needed: str) -> bool:
    return rights is None or needed in rights


def _about(topic: Topic | Missing | Hidden, level: Level, text: str, fix: str) -> Finding:
    return Finding(level=level, subject=f"topic {topic.name}", text=text, fix=fix)
