"""The first word with Kafka: whether it lets us in, told in one line that names the setting to put right.

Kafka's client hides a wrong password behind "no answer" and tries for ever; what it knows comes through callbacks.
"""

import logging
import re
import time
from collections.abc import Sequence

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, ClusterMetadata
from django.conf import settings

from bridge.kafka.client import common_settings
from bridge.kafka.errors import KafkaAway, KafkaRefuses, explain, raise_for

# Short questions first: why there is no answer is heard only in between. A second try, as one broker of several
# may still be reading its list of users.
PATIENCE = (0.5, 1.5, 8.0)
_PROPERTY = re.compile(r"\b(?:security|sasl|ssl|enable|client|broker|socket|message)(?:\.[a-z]+)+")
_HANGS_UP = re.compile("Disconnected|connection closed by peer")


def connect(*, patience: Sequence[float] | None = None) -> tuple[AdminClient, ClusterMetadata]:
    """A client that Kafka has answered, and what it answered. Raises `KafkaAway`, `KafkaRefuses`."""
    tries = patience or PATIENCE
    ear = _Ear()
    try:
        admin = AdminClient(
            common_settings() | {"logger": ear.logger, "error_cb": ear.hear, "log.connection.close": True}
        )
    except KafkaException as error:
        raise KafkaRefuses(_name_settings(error.args[0].str())) from None
    for seconds in tries:
        if (metadata := _ask(admin, seconds)) is not None:
            return admin, metadata
        if ear.refusal is not None and seconds != tries[0]:
            raise_for(ear.refusal)
    if ear.hangs_up:
        # A wrong setting looks exactly like a broker in the middle of a restart: so it isn't the end.
        why = "it is starting or stopping, or KAFKA_SECURITY_PROTOCOL is not that of its listener"
        raise KafkaAway(f"Kafka at {settings.KAFKA_BROKER} ends each connection: {why}")
    raise KafkaAway(f"Kafka at {settings.KAFKA_BROKER} does not answer")


def _ask(admin: AdminClient, seconds: float) -> ClusterMetadata | None:
    until = time.monotonic() + seconds
    try:
        return admin.list_topics(timeout=seconds)
    except KafkaException:
        # It may have given up before its time. What it has to say comes only now.
        admin.poll(max(0.0, until - time.monotonic()))
        return None


class _Ear:
    """What the client says on the side. Callbacks run in `poll`, raise nothing, and only note what happened."""

    def __init__(self) -> None:
        self.refusal: KafkaError | None = None
        self.hangs_up = False
        self.logger = logging.Logger(__name__)
        handler = logging.Handler()
        handler.emit = self._overhear  # type: ignore[method-assign]
        self.logger.addHandler(handler)

    def hear(self, error: KafkaError) -> None:
        """An error that isn't the answer to a question of ours."""
        if explain(error) is not None:
            self.refusal = error

    def _overhear(self, record: logging.LogRecord) -> None:
        # That somebody is there and hangs up is only in the log.
        self.hangs_up = self.hangs_up or bool(_HANGS_UP.search(record.getMessage()))


def _name_settings(problem: str) -> str:
    """One line about settings that the client itself refuses. It never quotes them: one may be a secret."""
    names = sorted(set(_PROPERTY.findall(problem))) or (["sasl.mechanism"] if "mechanism" in problem else [])
    variables = " and ".join("KAFKA_" + name.upper().replace(".", "_") for name in names) or "KAFKA_…"
    fix = "name a readable file in PEM" if names and names[0].endswith("location") else "see librdkafka's documentation"
    return f"{variables}: Kafka's client can't work with what is set: {fix}"
