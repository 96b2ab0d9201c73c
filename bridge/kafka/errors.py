"""What Kafka's errors mean for us: wait, give up, or somebody else has taken over."""

from collections.abc import Callable
from concurrent.futures import Future
from typing import NoReturn, TypeVar

from confluent_kafka import KafkaError, KafkaException
from django.conf import settings

T = TypeVar("T")

# Errors that librdkafka or time gets over: its own, and those that Kafka's protocol calls retriable (an error that
# a call returns is seldom flagged so). Whatever isn't here ends the process, as only a person gets over it.
PASSING = frozenset({
    KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN, KafkaError._RESOLVE, KafkaError._TIMED_OUT,
    KafkaError._MSG_TIMED_OUT, KafkaError._TIMED_OUT_QUEUE, KafkaError._WAIT_COORD, KafkaError._STATE,
    KafkaError._MAX_POLL_EXCEEDED, KafkaError._UNKNOWN_TOPIC, KafkaError._UNKNOWN_PARTITION,
    KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError.UNKNOWN_TOPIC_ID, KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.FENCED_LEADER_EPOCH, KafkaError.UNKNOWN_LEADER_EPOCH,
    KafkaError.OFFSET_NOT_AVAILABLE, KafkaError.REPLICA_NOT_AVAILABLE, KafkaError.NOT_ENOUGH_REPLICAS,
    KafkaError.NOT_ENOUGH_REPLICAS_AFTER_APPEND, KafkaError.REQUEST_TIMED_OUT, KafkaError.NETWORK_EXCEPTION,
    KafkaError.KAFKA_STORAGE_ERROR, KafkaError.NOT_CONTROLLER, KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    KafkaError.COORDINATOR_NOT_AVAILABLE, KafkaError.NOT_COORDINATOR, KafkaError.UNKNOWN_MEMBER_ID,
    KafkaError.REBALANCE_IN_PROGRESS, KafkaError.ILLEGAL_GENERATION, KafkaError.CONCURRENT_TRANSACTIONS,
    KafkaError.UNSTABLE_OFFSET_COMMIT, KafkaError.THROTTLING_QUOTA_EXCEEDED,
    # A producer that has lost count; the next session begins with a new one.
    KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER, KafkaError.UNKNOWN_PRODUCER_ID, KafkaError.INVALID_PRODUCER_ID_MAPPING,
})  # fmt: skip


_SAME_INSTANCE = (
    "has another member of the group with our KAFKA_GROUP_INSTANCE_ID: give each bridge its own, as the name of its "
    "pod in a StatefulSet, or unset it"
)


class KafkaAway(Exception):
    """Kafka can't serve us now, and may soon: wait and try again. The text is one line for the operator."""


class KafkaRefuses(Exception):
    """Kafka will not serve us until somebody changes something. The text says what."""


class Fenced(Exception):
    """Another relay has taken over; nothing of ours can be delivered any more."""


def passes(error: KafkaError) -> bool:
    """Whether to wait and try again is of use."""
    return error.retriable() or error.code() in PASSING


def explain(error: KafkaError) -> str | None:
    """For errors about who we are and what we may: what Kafka refuses, and how to put it right. It quotes nothing."""
    match error.code():
        case KafkaError._AUTHENTICATION if "mechanism handshake" in error.str():
            return "does not know this kind of login: set KAFKA_SASL_MECHANISM and KAFKA_SECURITY_PROTOCOL to its own"
        case KafkaError._AUTHENTICATION | KafkaError.SASL_AUTHENTICATION_FAILED:
            return "does not accept our user and password: set KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD right"
        case KafkaError._SSL if "certificate verify failed" in error.str():
            return (
                "shows a certificate that is not trusted: set KAFKA_SSL_CA_LOCATION to the authority that signed it, "
                "and KAFKA_BROKER to a name that stands in it"
            )
        case KafkaError._SSL:
            return "ends the TLS handshake: set KAFKA_SECURITY_PROTOCOL and KAFKA_SSL_… to what its listener asks for"
        case KafkaError.TOPIC_AUTHORIZATION_FAILED:
            return "does not allow a topic: allow Read on the topic of events, and Write on the others, to our user"
        case KafkaError.GROUP_AUTHORIZATION_FAILED:
            return f"does not allow group {settings.KAFKA_GROUP_ID}: allow Read on this group to our user"
        case KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED:
            return (
                f"does not allow transactional id {settings.KAFKA_GROUP_ID}-relay: allow Write on this id to our user"
            )
        case KafkaError.FENCED_INSTANCE_ID | KafkaError.UNRELEASED_INSTANCE_ID:
            return _SAME_INSTANCE
        case KafkaError._FATAL if "group.instance.id" in error.str() or "instance ID" in error.str():
            return _SAME_INSTANCE
        case _:
            return None


def raise_for(error: KafkaError) -> NoReturn:
    if (why := explain(error)) is not None:
        raise KafkaRefuses(f"Kafka at {settings.KAFKA_BROKER} {why}")
    if passes(error):
        raise KafkaAway(f"Kafka at {settings.KAFKA_BROKER} does not answer ({error.name()})")
    raise KafkaRefuses(f"Kafka at {settings.KAFKA_BROKER} refuses ({error.name()}: {error.str()})")


def asked(question: Callable[[], T]) -> T:
    """The answer of Kafka's client. Raises `KafkaAway`, `KafkaRefuses`."""
    try:
        return question()
    except KafkaException as error:
        raise_for(error.args[0])
    except TimeoutError:
        raise _silent() from None


def answered(answer: "Future[T]", *, within: float) -> T:
    """An answer that comes as a future. Raises what the client says, and `KafkaAway` where that says nothing in time:
    its own time-out should be earlier, but a Kafka that stands still holds that up."""
    try:
        return answer.result(within)
    except TimeoutError:
        raise _silent() from None


def _silent() -> KafkaAway:
    return KafkaAway(f"Kafka at {settings.KAFKA_BROKER} does not answer")
