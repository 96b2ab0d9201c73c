"""Kafka, for `manage.py doctor`: the look of each start, how far the group is behind, and whether anybody reads.

The group's offsets are asked without being its member. Touches no database.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

from django.conf import settings

from bridge.kafka import Finding as KafkaFinding
from bridge.kafka import KafkaAway, KafkaRefuses, Process, check
from bridge.kafka.reading import Partition, count_members, open_reader
from payments.finding import Finding, Level, fail, ok, warn

# A person waits: what doesn't answer in so many seconds, in two tries, is away.
PATIENCE = (0.5, 2.5)
# A burst, or a second's work; more is a backlog.
MUCH = 1_000
PROCESSES: frozenset[Process] = frozenset({"bridge", "relay"})
LEVELS: dict[str, Level] = {"error": "FAIL", "missing": "FAIL", "warning": "WARN", "info": "OK"}


def look_at_kafka() -> list[Finding]:
    """One line where it is away; else a line for each topic, or each thing that is wrong with it, and the group's."""
    try:
        found = check(processes=PROCESSES, now=datetime.now(UTC), patience=PATIENCE)
    except (KafkaAway, KafkaRefuses) as trouble:
        return [fail("kafka", str(trouble), "start it, or set KAFKA_BROKER right; its topics could not be looked at")]
    findings = [ok("kafka", f"answers at {settings.KAFKA_BROKER}"), *_of_topics(found)]
    unreadable = f"topic {settings.KAFKA_TOPIC_PAYMENTS}"
    if any(one.level in ("error", "missing") and one.subject == unreadable for one in found):
        return findings
    try:
        with open_reader(isolation="read_committed") as reader:
            return [*findings, *judge_group(reader.partitions(), members=count_members())]
    except (KafkaAway, KafkaRefuses) as trouble:
        return [*findings, fail("kafka group", str(trouble), "mend that, and ask again")]


def _of_topics(found: list[KafkaFinding]) -> Iterator[Finding]:
    """What a start finds, and a word for each topic of which it finds nothing."""
    names = (
        settings.KAFKA_TOPIC_PAYMENTS, settings.KAFKA_TOPIC_NOTIFICATIONS, settings.KAFKA_TOPIC_DEAD_LETTERS,
        settings.KAFKA_TOPIC_REFUNDS,
    )  # fmt: skip
    for name in filter(None, names):
        mine = [one for one in found if one.subject == f"topic {name}"]
        for one in mine:
            yield Finding(name=one.subject, level=LEVELS[one.level], says=one.text, fix=one.fix)
        if not mine:
            yield ok(f"topic {name}", "is there, and set as it should be")
    for one in found:
        if not one.subject.startswith("topic "):
            yield Finding(name=one.subject, level=LEVELS[one.level], says=one.text, fix=one.fix)


def judge_group(partitions: Mapping[int, Partition], *, members: int) -> Iterator[Finding]:
    """Where the group is on the topic of events, by partition."""
    name = f"group {settings.KAFKA_GROUP_ID}"
    read = {number: one.committed for number, one in partitions.items() if one.committed is not None}
    if not read:
        yield fail(name, "has no offsets: it was never told where to begin", "start manage.py bridge --from …")
        return
    lost = [number for number, offset in read.items() if offset < partitions[number].low]
    if lost:
        says = f"Kafka has deleted records unread, in partition {', '.join(map(str, lost))}"
        yield fail(name, says, 'see "The bridge ends and says that its position is gone" in docs/operations.md')
    behind = sum(max(0, one.high - max(one.low, one.committed or 0)) for one in partitions.values())
    says = f"{behind} records wait to be read, {members} members read"
    if not members:
        yield fail(name, says, "start manage.py bridge; if it runs, its log says what it waits for")
    elif behind > MUCH:
        yield warn(name, says, "wait for it to catch up; start more bridges, up to one for each partition")
    elif not lost:
        yield ok(name, says)
