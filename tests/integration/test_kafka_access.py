"""What a look at a Kafka with passwords and rights finds: each right, each setting, by the line that names it."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest
from confluent_kafka.admin import AdminClient, ScramCredentialInfo, ScramMechanism, UserScramCredentialUpsertion

from bridge.kafka import KafkaAway, KafkaRefuses, Outgoing, Process, Sink, Source, check, connection, make_topics
from bridge.loop import Stop
from bridge.startup import checked
from tests.integration.kafka_client import Neighbour, name_topics, wait_until
from tests.integration.secured_kafka import PASSWORD, Secured, enter, grant, secured_kafka

BOTH: frozenset[Process] = frozenset({"bridge", "relay"})
NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def secured() -> Iterator[Secured]:
    """For the tests of this file."""
    with secured_kafka() as there:
        yield there


@pytest.fixture
def neighbour(secured: Secured, settings: Any) -> Neighbour:
    """With rights to be granted."""
    return enter(settings, secured)


@pytest.mark.parametrize(
    ("missing", "line"),
    [
        ("payments", "topic {payments} may not be seen: allow Read on this topic to our user"),
        ("notifications", "topic {notifications} may not be seen: allow Write on this topic to our user"),
        ("dead letters", "topic {dead_letters} may not be seen: allow Write on this topic to our user"),
        ("group", "group {group} may not be joined: allow Read on this group to our user"),
    ],
)
def test_each_right_is_looked_at_by_itself(neighbour: Neighbour, missing: str, line: str) -> None:
    """A check of all says the one that is missing, and nothing of the others."""
    grant(neighbour, *{"payments", "notifications", "dead letters", "group"} - {missing})
    errors = [finding.line for finding in check(processes=BOTH, now=NOW) if finding.level == "error"]
    assert errors == [line.format(**vars(neighbour))]


def test_what_may_be_seen_may_still_not_be_used(neighbour: Neighbour) -> None:
    """Kafka tells what our user may, and Describe is not enough."""
    grant(neighbour, "notifications", "dead letters", "payments, only to see", "group, only to see")
    errors = [finding.line for finding in check(processes=BOTH, now=NOW) if finding.level == "error"]
    assert errors == [
        f"topic {neighbour.payments} may not be read: allow Read on this topic to our user",
        f"group {neighbour.group} may not be joined: allow Read on this group to our user",
    ]


def test_a_producer_that_may_not_use_its_id_has_not_been_overtaken(neighbour: Neighbour, settings: Any) -> None:
    """To Kafka's client both are fatal; one would stand by for ever. No check can see it without writing."""
    grant(neighbour, "notifications", "dead letters")
    sink = Sink()
    with pytest.raises(KafkaRefuses) as refusal:
        sink.open()
    assert str(refusal.value) == (
        f"Kafka at {settings.KAFKA_BROKER} does not allow transactional id {neighbour.group}-relay: "
        "allow Write on this id to our user"
    )
    sink.close()


def test_a_right_that_goes_under_a_running_process_is_named_too(neighbour: Neighbour, settings: Any) -> None:
    """Of a topic that it writes to, and of the group that it joins."""
    grant(neighbour, "payments", "group, only to see", "transactional id", "notifications")
    sink = Sink()
    settings.KAFKA_TOPIC_DEAD_LETTERS = settings.KAFKA_TOPIC_NOTIFICATIONS
    sink.open()
    with pytest.raises(KafkaRefuses, match="does not allow a topic: allow Read on the topic of events, and Write on"):
        sink.publish([Outgoing(topic=neighbour.dead_letters, key=None, value=b"{}", headers=[])])
    sink.close()
    source = Source()
    with pytest.raises(KafkaRefuses, match=f"does not allow group {neighbour.group}: allow Read on this group"):
        source.open(start_from="earliest")
    source.close()


@pytest.mark.parametrize(
    ("properties", "line"),
    [
        (
            {"sasl.mechanism": "PLAIN"},
            "Kafka at {broker} does not know this kind of login: "
            "set KAFKA_SASL_MECHANISM and KAFKA_SECURITY_PROTOCOL to its own",
        ),
        (
            {"sasl.username": "canary"},
            "Kafka at {broker} does not accept our user and password: "
            "set KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD right",
        ),
        (
            {"ssl.ca.location": "/canary.pem"},
            "KAFKA_SSL_CA_LOCATION: Kafka's client can't work with what is set: name a readable file in PEM",
        ),
        (
            {"security.protocol": "canary"},
            "KAFKA_SECURITY_PROTOCOL: Kafka's client can't work with what is set: see librdkafka's documentation",
        ),
        (
            {"sasl.mechanism": "canary"},
            "KAFKA_SASL_MECHANISM: Kafka's client can't work with what is set: see librdkafka's documentation",
        ),
        (
            {"ssl.key.pem": "canary"},
            "KAFKA_SSL_KEY_PEM: Kafka's client can't work with what is set: see librdkafka's documentation",
        ),
        (
            {"sasl.password": ""},
            "KAFKA_SASL_PASSWORD and KAFKA_SASL_USERNAME: Kafka's client can't work with what is set: "
            "see librdkafka's documentation",
        ),
    ],
    ids=["mechanism", "user", "file", "protocol", "no mechanism", "key", "no password"],
)
def test_a_wrong_setting_is_named_and_never_quoted(
    neighbour: Neighbour, settings: Any, properties: dict[str, str], line: str
) -> None:
    """A secret may have been put in the wrong place."""
    settings.KAFKA_PROPERTIES = {
        name: value for name, value in (settings.KAFKA_PROPERTIES | properties).items() if value
    }
    with pytest.raises(KafkaRefuses) as refusal:
        check(processes=BOTH, now=NOW)
    assert str(refusal.value) == line.format(broker=settings.KAFKA_BROKER)


@pytest.mark.parametrize("protocol", ["PLAINTEXT", "SASL_PLAINTEXT", "SSL"])
def test_a_wrong_protocol_is_guessed_and_waited_for(
    neighbour: Neighbour, settings: Any, protocol: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The door is shut without a word, as by a broker that is starting: so it isn't the end."""
    monkeypatch.setattr(connection, "PATIENCE", (1.0, 2.0))
    settings.KAFKA_PROPERTIES |= {"security.protocol": protocol}
    with pytest.raises(KafkaAway) as away:
        check(processes=BOTH, now=NOW)
    assert str(away.value) == (
        f"Kafka at {settings.KAFKA_BROKER} ends each connection: it is starting or stopping, "
        "or KAFKA_SECURITY_PROTOCOL is not that of its listener"
    )


def test_a_password_that_is_changed_under_us_ends_the_process_at_its_next_session(
    neighbour: Neighbour, settings: Any
) -> None:
    """A restart reads the new one from its file; to wait for an answer would be to wait for ever."""
    grant(neighbour, user="newcomer")
    settings.KAFKA_PROPERTIES |= {"sasl.username": "newcomer"}
    sessions: list[Stop] = []
    session = checked(process="relay", session=sessions.append)
    session(Stop())
    set_password(neighbour, "newcomer", "another")
    with pytest.raises(KafkaRefuses, match="set KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD right"):
        session(Stop())
    assert len(sessions) == 1


def test_one_refusal_is_not_believed(neighbour: Neighbour, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A broker that is starting may not have read its list of users yet."""
    patience = (5.0, 60.0)
    monkeypatch.setattr(connection, "PATIENCE", patience)
    settings.KAFKA_PROPERTIES |= {"sasl.username": "late"}
    began = time.monotonic()
    with ThreadPoolExecutor(1) as threads:
        checking = threads.submit(connection.connect)
        wait_until(lambda: time.monotonic() > began + patience[0] + 1, what="the first try is over")
        set_password(neighbour, "late", PASSWORD)
        assert checking.result()


def set_password(neighbour: Neighbour, user: str, password: str) -> None:
    """As an administrator does, also for a user who is new."""
    administrator = AdminClient({"bootstrap.servers": neighbour.broker})
    how = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096)
    change = UserScramCredentialUpsertion(user, how, password.encode())
    for done in administrator.alter_user_scram_credentials([change]).values():
        done.result(10)


def test_topics_are_made_by_a_user_who_may_alone(neighbour: Neighbour, settings: Any) -> None:
    """The line names the topic and the right that is missing."""
    name_topics(settings, broker=settings.KAFKA_BROKER)
    with pytest.raises(KafkaRefuses, match=r"topic payment\.createInitial\.\w+ may not be made: allow Create on it"):
        make_topics(partitions=1, replication=1)
