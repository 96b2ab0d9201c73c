"""What Kafka's errors mean for us: wait, give up, or somebody else has taken over."""

from typing import NoReturn

from confluent_kafka import KafkaError
from django.conf import settings


class KafkaAway(Exception):
    """Kafka can't serve us now, and may soon: wait and try again. The text is one line for the operator."""


class KafkaRefuses(Exception):
    """Kafka will not serve us until somebody changes something. The text says what."""


class Fenced(Exception):
    """Another relay has taken over; nothing of ours can be delivered any more."""


def passes(error: KafkaError) -> bool:
    """Errors that librdkafka or time gets over."""
    return error.retriable() or error.code() in (
        KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN, KafkaError._TIMED_OUT, KafkaError._RESOLVE,
        KafkaError._WAIT_COORD, KafkaError._TIMED_OUT_QUEUE, KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError._UNKNOWN_TOPIC, KafkaError._UNKNOWN_PARTITION, KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.UNKNOWN_MEMBER_ID, KafkaError.REBALANCE_IN_PROGRESS, KafkaError.ILLEGAL_GENERATION,
        KafkaError.NOT_COORDINATOR, KafkaError.LEADER_NOT_AVAILABLE, KafkaError._STATE,
        KafkaError._MAX_POLL_EXCEEDED,
    )  # fmt: skip


def raise_for(error: KafkaError) -> NoReturn:
    if passes(error):
        raise KafkaAway(f"Kafka at {settings.KAFKA_BROKER} does not answer ({error.name()})")
    raise KafkaRefuses(f"Kafka at {settings.KAFKA_BROKER} refuses ({error.name()}: {error.str()})")
