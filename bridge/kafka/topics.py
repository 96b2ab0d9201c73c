"""The topics that we read and write."""

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import NewTopic
from django.conf import settings

from bridge.kafka.connection import connect
from bridge.kafka.errors import KafkaRefuses, raise_for


def make_topics(*, partitions: int, replication: int) -> dict[str, str]:
    """Make the topics that are missing. Returns what was done for each. Raises `KafkaAway`, `KafkaRefuses`."""
    names = (
        settings.KAFKA_TOPIC_PAYMENTS,
        settings.KAFKA_TOPIC_NOTIFICATIONS,
        settings.KAFKA_TOPIC_DEAD_LETTERS,
        *filter(None, [settings.KAFKA_TOPIC_REFUNDS]),
    )
    admin, _ = connect()
    made = admin.create_topics([NewTopic(name, partitions, replication) for name in names], request_timeout=15)
    done: dict[str, str] = {}
    for name, future in made.items():
        try:
            future.result(20)
            done[name] = "made"
        except KafkaException as error:
            if error.args[0].code() == KafkaError.TOPIC_AUTHORIZATION_FAILED:
                raise KafkaRefuses(f"topic {name} may not be made: allow Create on it to our user") from None
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise_for(error.args[0])
            done[name] = "there already"
    return done
