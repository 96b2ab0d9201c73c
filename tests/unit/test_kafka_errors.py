"""What Kafka's errors mean: whether to wait, or to end with what to do. By the lists of another client, and by name."""

from concurrent.futures import Future
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException
from kafka import errors as protocol

from bridge.kafka import KafkaAway, KafkaRefuses, Source
from bridge.kafka.errors import answered, asked, raise_for

# Errors that the protocol's authors call retriable, but for those of requests that we don't make: sessions of fetching
# and of shares, elections, listeners.
NOT_OURS = {70, 71, 72, 80, 83, 84, 103, 106, 122, 123}
RETRIABLE = sorted({
    kind.errno for kind in protocol.BrokerResponseError.__subclasses__() if kind.retriable and kind.errno > 0
} - NOT_OURS)  # fmt: skip

# Of the client itself: it has lost a connection, doesn't find anybody, or has waited long enough.
PASS_BY_THEMSELVES = [
    KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN, KafkaError._RESOLVE, KafkaError._TIMED_OUT,
    KafkaError._MSG_TIMED_OUT, KafkaError._WAIT_COORD, KafkaError._STATE, KafkaError._MAX_POLL_EXCEEDED,
    # Of a group that has gone on without us, and of a producer that has lost count: both begin anew.
    KafkaError.UNKNOWN_MEMBER_ID, KafkaError.ILLEGAL_GENERATION, KafkaError.REBALANCE_IN_PROGRESS,
    KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER, KafkaError.UNKNOWN_PRODUCER_ID, KafkaError.INVALID_PRODUCER_ID_MAPPING,
]  # fmt: skip

FOR_A_PERSON = {
    KafkaError._AUTHENTICATION: "set KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD right",
    KafkaError.SASL_AUTHENTICATION_FAILED: "set KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD right",
    KafkaError._SSL: "set KAFKA_SECURITY_PROTOCOL and KAFKA_SSL_",
    KafkaError.TOPIC_AUTHORIZATION_FAILED: "allow Read on the topic of events",
    KafkaError.GROUP_AUTHORIZATION_FAILED: "allow Read on this group",
    KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED: "allow Write on this id",
    KafkaError.FENCED_INSTANCE_ID: "KAFKA_GROUP_INSTANCE_ID: give each bridge its own",
    KafkaError.UNRELEASED_INSTANCE_ID: "KAFKA_GROUP_INSTANCE_ID: give each bridge its own",
    # Nothing of ours sets these right, so that Kafka's own words have to do.
    KafkaError.INVALID_GROUP_ID: "INVALID_GROUP_ID: canary",
    KafkaError.UNSUPPORTED_VERSION: "UNSUPPORTED_VERSION: canary",
    KafkaError._INVALID_ARG: "_INVALID_ARG: canary",
}


@pytest.mark.parametrize("code", [*RETRIABLE, *PASS_BY_THEMSELVES])
def test_what_passes_is_waited_for(settings: Any, code: int) -> None:
    """In one line that names the broker. To end the process would help nobody."""
    with pytest.raises(KafkaAway) as away:
        raise_for(KafkaError(code, "canary"))
    assert str(away.value) == f"Kafka at {settings.KAFKA_BROKER} does not answer ({KafkaError(code).name()})"


def test_what_the_client_itself_calls_retriable_is_waited_for() -> None:
    """Whatever its code, which may be a newer one than ours."""
    with pytest.raises(KafkaAway):
        raise_for(KafkaError(KafkaError._FAIL, "canary", False, True))


@pytest.mark.parametrize(("code", "fix"), FOR_A_PERSON.items())
def test_what_only_a_person_gets_over_says_what_to_do(settings: Any, code: int, fix: str) -> None:
    """Waiting for it would hide it."""
    with pytest.raises(KafkaRefuses) as refusal:
        raise_for(KafkaError(code, "canary"))
    assert str(refusal.value).startswith(f"Kafka at {settings.KAFKA_BROKER} ")
    assert fix in str(refusal.value)


def test_a_question_without_an_answer_is_waited_for() -> None:
    """As an exception of the client, or as a future that stays empty."""

    def fails() -> None:
        raise KafkaException(KafkaError(KafkaError._TIMED_OUT))

    def stays_empty() -> None:
        raise TimeoutError

    for question in (fails, stays_empty):
        with pytest.raises(KafkaAway):
            asked(question)


def test_a_login_that_is_withdrawn_while_the_bridge_reads_ends_the_session(settings: Any) -> None:
    """The client goes on trying and tells it only by the way; the next session says what to do."""
    settings.KAFKA_BROKER = "127.0.0.1:1"
    source = Source()
    source._joined = True
    source._on_error(KafkaError(KafkaError.SASL_AUTHENTICATION_FAILED))
    with pytest.raises(KafkaAway, match=r"refuses a new connection \(SASL_AUTHENTICATION_FAILED\)"):
        source.take(limit=1, seconds=0.01)


def test_an_answer_that_does_not_come_is_a_kafka_that_is_away() -> None:
    """P5: what waits goes on by itself; any other error would end the process."""
    with pytest.raises(KafkaAway, match="does not answer"):
        answered(Future(), within=0.01)
