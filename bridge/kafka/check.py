"""Looks at the Kafka that we depend on, so that what is wrong with it is known before it costs something.

Asks only, writes nothing: what can be known by writing alone (a transactional id's rights) shows when the relay
opens its producer.
"""

from collections.abc import Sequence
from concurrent.futures import Future
from datetime import UTC, datetime
from typing import Any, Literal

from confluent_kafka import KafkaError, KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, OffsetSpec, TopicDescription
from django.conf import settings

from bridge.kafka.connection import connect
from bridge.kafka.errors import answered, raise_for
from bridge.kafka.findings import Facts, Finding, Group, Hidden, Missing, Role, Topic, judge

ANSWER_WITHIN = 10.0
# librdkafka's own default of message.max.bytes.
LARGEST = 1_000_000
# Not told, by rights or by age: no reason to stop.
_NOT_TOLD = frozenset({
    KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.CLUSTER_AUTHORIZATION_FAILED, KafkaError.UNSUPPORTED_VERSION,
    KafkaError._UNSUPPORTED_FEATURE, KafkaError.INVALID_REQUEST,
})  # fmt: skip

Process = Literal["bridge", "relay"]


def check(*, processes: frozenset[Process], now: datetime, patience: Sequence[float] | None = None) -> list[Finding]:
    """What is wrong for these processes of ours, the worst first. Raises `KafkaAway`, `KafkaRefuses`.

    `patience`: how many seconds to wait for the first answer, try by try.
    """
    return judge(facts=_look(processes, patience), outage_budget=settings.OUTAGE_BUDGET, now=now)


def _look(processes: frozenset[Process], patience: Sequence[float] | None) -> Facts:
    admin, cluster = connect(patience=patience)
    names: dict[str, Role] = {}
    if "relay" in processes:
        names[settings.KAFKA_TOPIC_NOTIFICATIONS] = "notifications"
        names[settings.KAFKA_TOPIC_DEAD_LETTERS] = "dead letters"
        if settings.KAFKA_TOPIC_REFUNDS:
            names[settings.KAFKA_TOPIC_REFUNDS] = "refunds"
    if "bridge" in processes:
        names[settings.KAFKA_TOPIC_PAYMENTS] = "payments"
    return Facts(
        brokers=len(cluster.brokers),
        topics=_look_at_topics(admin, names),
        group=_look_at_group(admin) if "bridge" in processes else None,
        largest=int(settings.KAFKA_PROPERTIES.get("message.max.bytes", LARGEST)),
    )


def _look_at_topics(admin: AdminClient, names: dict[str, Role]) -> tuple[Topic | Missing | Hidden, ...]:
    asked = admin.describe_topics(
        TopicCollection(list(names)), include_authorized_operations=True, request_timeout=ANSWER_WITHIN
    )
    return tuple(_look_at_topic(admin, asked[name], name=name, role=role) for name, role in names.items())


def _look_at_topic(
    admin: AdminClient, asked: "Future[TopicDescription]", *, name: str, role: Role
) -> Topic | Missing | Hidden:
    try:
        found = answered(asked, within=ANSWER_WITHIN)
    except KafkaException as error:
        match error.args[0].code():
            case KafkaError.UNKNOWN_TOPIC_OR_PART:
                return Missing(name=name, role=role)
            case KafkaError.TOPIC_AUTHORIZATION_FAILED:
                return Hidden(name=name, role=role)
            case _:
                raise_for(error.args[0])
    return Topic(
        name=name,
        role=role,
        partitions=len(found.partitions),
        replicas=min(len(one.replicas) for one in found.partitions),
        rights=_rights(found),
        settings=_settings_of(admin, name),
        newest=_newest(admin, found) if role == "payments" else None,
    )


def _settings_of(admin: AdminClient, name: str) -> dict[str, str] | None:
    [asked] = admin.describe_configs([ConfigResource("topic", name)], request_timeout=ANSWER_WITHIN).values()
    found = _told(asked)
    return found and {key: one.value for key, one in found.items() if one.value is not None}


def _newest(admin: AdminClient, topic: TopicDescription) -> datetime | None:
    """The time of the newest record, if there is one."""
    places = {TopicPartition(topic.name, one.id): OffsetSpec.max_timestamp() for one in topic.partitions}
    times = []
    for asked in admin.list_offsets(places, request_timeout=ANSWER_WITHIN).values():
        found = _told(asked)
        times.append(found.timestamp if found else -1)
    return datetime.fromtimestamp(max(times) / 1000, UTC) if max(times) >= 0 else None


def _look_at_group(admin: AdminClient) -> Group:
    name = settings.KAFKA_GROUP_ID
    [asked] = admin.describe_consumer_groups(
        [name], include_authorized_operations=True, request_timeout=ANSWER_WITHIN
    ).values()
    try:
        return Group(name=name, rights=_rights(answered(asked, within=ANSWER_WITHIN)))
    except KafkaException as error:
        if error.args[0].code() == KafkaError.GROUP_AUTHORIZATION_FAILED:
            return Group(name=name, rights=frozenset())
        raise_for(error.args[0])


def _rights(found: Any) -> frozenset[str] | None:
    """By Kafka's names for operations; None where it doesn't say."""
    if found.authorized_operations is None:
        return None
    return frozenset(one.name.replace("_", " ").title().replace(" ", "") for one in found.authorized_operations)


def _told(answer: "Future[Any]") -> Any:
    try:
        return answered(answer, within=ANSWER_WITHIN)
    except KafkaException as error:
        if error.args[0].code() in _NOT_TOLD:
            return None
        raise_for(error.args[0])
