"""A Kafka that lets nobody in without a password, and what an administrator does there."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)

from billing_project.dev.services import Kafka
from billing_project.dev.services.kafka_security import Security
from tests.integration.kafka_client import Neighbour, make_all_topics, name_topics

ROOT = Path(__file__).parents[2]
PASSWORD = "canary-right"
RIGHTS = ("payments", "notifications", "dead letters", "group", "transactional id")
Secured = tuple[Kafka, Path]


@contextmanager
def secured_kafka() -> Iterator[Secured]:
    """A broker, and the certificate to trust. Users: billing, newcomer. It and its files are gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="secured-", dir=os.environ["TEST_DATA"]))
    security = Security(folder=folder / "tls", users={"billing": PASSWORD, "newcomer": PASSWORD})
    kafka = Kafka(folder=folder / "kafka", cache=ROOT / ".data" / "cache", security=security)
    try:
        kafka.start()
        yield kafka, security.authority
    finally:
        kafka.stop()
        shutil.rmtree(folder)


def enter(settings: Any, secured: Secured) -> Neighbour:
    """Topics that an administrator has made. Our own settings are those of the user billing, who may nothing yet."""
    kafka, authority = secured
    made = make_all_topics(name_topics(settings, broker=kafka.broker), partitions=1)
    settings.KAFKA_BROKER = kafka.secure_broker
    settings.KAFKA_PROPERTIES = {
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": "billing",
        "sasl.password": PASSWORD,
        "ssl.ca.location": str(authority),
    }
    return made


def grant(neighbour: Neighbour, *rights: str, user: str = "billing") -> None:
    """What docs/operations.md asks an administrator for, by the name of what it is about."""
    read, write = AclOperation.READ, AclOperation.WRITE
    everything = {
        "payments": (ResourceType.TOPIC, neighbour.payments, read),
        "notifications": (ResourceType.TOPIC, neighbour.notifications, write),
        "dead letters": (ResourceType.TOPIC, neighbour.dead_letters, write),
        "group": (ResourceType.GROUP, neighbour.group, read),
        "transactional id": (ResourceType.TRANSACTIONAL_ID, f"{neighbour.group}-relay", write),
        "payments, only to see": (ResourceType.TOPIC, neighbour.payments, AclOperation.DESCRIBE),
        "group, only to see": (ResourceType.GROUP, neighbour.group, AclOperation.DESCRIBE),
    }
    literal, allow = ResourcePatternType.LITERAL, AclPermissionType.ALLOW
    bindings = [
        AclBinding(kind, name, literal, f"User:{user}", "*", operation, allow)
        for kind, name, operation in (everything[right] for right in rights or RIGHTS)
    ]
    # Kept: a client that nobody holds ends with its questions unanswered.
    administrator = AdminClient({"bootstrap.servers": neighbour.broker})
    for done in administrator.create_acls(bindings).values():
        done.result(10)
