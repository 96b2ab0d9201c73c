"""The topics that we read and write."""

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import NewTopic
from django.conf import settings

from bridge.kafka.connection import connect
from bridge.kafka.errors import KafkaRefuses, answered, raise_for


def make_topics(*, partitions: int, replication: int, dry_run: bool = False) -> dict[str, str]:
    """Make the topics that are missing. Returns what was done for each. Raises `KafkaAway`, `KafkaRefuses`.

    `dry_run`: Kafka judges the wish, and does nothing.
    """
    names = (
        settings.KAFKA_TOPIC_PAYMENTS,
        settings.KAFKA_TOPIC_NOTIFICATIONS,
        settings.KAFKA_TOPIC_DEAD_LETTERS,
        *filter(None, [settings.KAFKA_TOPIC_REFUNDS]),
    )
    admin, _ = connect()
    wished = [NewTopic(name, partitions, replication) for name in names]
    made = admin.create_topics(wished, request_timeout=15, validate_only=dry_run)
    done: dict[str, str] = {}
    for name, future in made.items():
        try:
            answered(future, within=20)
            done[name] = "would be made" if dry_run else "made"
        except KafkaException as error:
            if error.args[0].code() == KafkaError.TOPIC_AUTHORIZATION_FAILED:
                raise KafkaRefuses(f"topic {name} may not be made: allow Create on it to our user") from None
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise_for(error.args[0])
            done[name] = "there already"
    return done
