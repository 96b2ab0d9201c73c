"""The processes before a Kafka that lets nobody in without a password, and what their operator reads.

A password must never stand in what they say.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from django.db import connection

from billing_project.dev.services.kafka_security import make_authority
from payments.models import InboxMessage, OutboxMessage
from tests.integration.events import event
from tests.integration.kafka_client import Neighbour, wait_until
from tests.integration.secured_kafka import PASSWORD, ROOT, Secured, enter, grant, secured_kafka

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(300)]

WRONG = "canary-wrong"
# Long enough for a machine with other work to do: an attempt that fails is repeated once before it is believed.
ENDS_WITHIN = 100


@pytest.fixture(scope="module")
def secured() -> Iterator[Secured]:
    """For the tests of this file."""
    with secured_kafka() as there:
        yield there


@pytest.fixture
def neighbour(secured: Secured, settings: Any) -> Neighbour:
    """With rights to be granted."""
    return enter(settings, secured)


def environment(settings: Any, **changes: str) -> dict[str, str]:
    """For a process with the settings of this test, and changes to them; empty is not set."""
    ours = {
        "DATABASE_URL": os.environ["TEST_DATABASE_URL"].rpartition("/")[0] + "/" + connection.settings_dict["NAME"],
        "KAFKA_BROKER": settings.KAFKA_BROKER,
        "KAFKA_GROUP_ID": settings.KAFKA_GROUP_ID,
        "KAFKA_TOPIC_PAYMENTS": settings.KAFKA_TOPIC_PAYMENTS,
        "KAFKA_TOPIC_NOTIFICATIONS": settings.KAFKA_TOPIC_NOTIFICATIONS,
        "KAFKA_TOPIC_DEAD_LETTERS": settings.KAFKA_TOPIC_DEAD_LETTERS,
        "LOG_FORMAT": "json",
        "LOG_LEVEL": "DEBUG",
        # The client says all that it could say about its way in, if anybody let it.
        "KAFKA_DEBUG": "security",
    }
    properties = {f"KAFKA_{name.upper().replace('.', '_')}": value for name, value in settings.KAFKA_PROPERTIES.items()}
    return os.environ | ours | properties | changes


class Processes:
    """Ours, each with its log."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._children: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, command: str, env: dict[str, str]) -> None:
        """`manage.py` with this command line."""
        with self._log(command).open("wb") as log:
            self._children[command] = subprocess.Popen(
                [sys.executable, "manage.py", *command.split()], cwd=ROOT, env=env, stdout=log, stderr=log
            )

    def wait(self, command: str) -> int:
        """Until it has ended; its exit code."""
        return self._children[command].wait(ENDS_WITHIN)

    def stop(self, command: str) -> int:
        """SIGTERM; its exit code."""
        self._children[command].terminate()
        return self.wait(command)

    def said(self, command: str) -> list[str]:
        """Its lines, and never a password."""
        text = self._log(command).read_text()
        assert "canary" not in text
        return text.splitlines()

    def remove(self) -> None:
        """Whatever is left."""
        for child in self._children.values():
            child.kill()
            child.wait()

    def _log(self, command: str) -> Path:
        return self.folder / f"{command.partition(' ')[0]}.log"


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    """None yet; and none afterwards."""
    ours = Processes(tmp_path)
    yield ours
    ours.remove()


BRIDGE, RELAY, TOPICS = "bridge --from earliest", "relay", "topics"


def test_events_come_in_and_go_out_over_tls_with_the_rights_that_are_documented(
    neighbour: Neighbour, settings: Any, processes: Processes, tmp_path: Path
) -> None:
    """Nothing but these rights; the password may come from a file, which is stronger."""
    grant(neighbour)
    secret = tmp_path / "password"
    secret.write_text(PASSWORD + "\n")
    env = environment(settings, KAFKA_SASL_PASSWORD=WRONG, KAFKA_SASL_PASSWORD_FILE=str(secret))
    for command in (BRIDGE, RELAY):
        processes.start(command, env)
    neighbour.send([json.dumps(event("sub_1")).encode(), b"poison"])
    wait_until(lambda: InboxMessage.objects.count() == 2, what="both have rows", within=ENDS_WITHIN)
    waiting = OutboxMessage.objects.filter(published_at=None)
    wait_until(lambda: not waiting.exists(), what="the parked one is sent on", within=ENDS_WITHIN)
    assert [record.value for record in neighbour.records(neighbour.dead_letters)] == [b"poison"]
    assert [processes.stop(command) for command in (BRIDGE, RELAY)] == [0, 0]
    for command in (BRIDGE, RELAY):
        assert any("so they are not checked" in line for line in processes.said(command))


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        (
            {"KAFKA_SASL_PASSWORD": WRONG},
            "does not accept our user and password: set KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD right",
        ),
        (
            {"KAFKA_SSL_CA_LOCATION": "another"},
            "shows a certificate that is not trusted: set KAFKA_SSL_CA_LOCATION to the authority that signed it, "
            "and KAFKA_BROKER to a name that stands in it",
        ),
    ],
    ids=["password", "authority"],
)
def test_who_may_not_come_in_reads_one_line_that_names_the_setting(
    neighbour: Neighbour, settings: Any, processes: Processes, tmp_path: Path, changes: dict[str, str], line: str
) -> None:
    """And nothing else: exit code 1, no waiting, no secret. To Kafka's client it is a broker that doesn't answer."""
    another = tmp_path / "authority.pem"
    another.write_bytes(make_authority()[0].public_bytes(Encoding.PEM))
    changes = {name: str(another) if value == "another" else value for name, value in changes.items()}
    for command in (BRIDGE, RELAY, TOPICS):
        processes.start(command, environment(settings, **changes))
    for command in (BRIDGE, RELAY, TOPICS):
        assert processes.wait(command) == 1
        assert processes.said(command) == [f"CommandError: Kafka at {settings.KAFKA_BROKER} {line}"]


def test_what_our_user_may_not_is_named_with_the_right_that_is_missing(
    neighbour: Neighbour, settings: Any, processes: Processes
) -> None:
    """The last line of each; a producer that may not use its id must not take it for another relay."""
    grant(neighbour, "payments", "notifications", "dead letters")
    for command in (BRIDGE, RELAY):
        processes.start(command, environment(settings))
    assert [processes.wait(command) for command in (BRIDGE, RELAY)] == [1, 1]
    group = settings.KAFKA_GROUP_ID
    assert processes.said(BRIDGE) == [
        f"CommandError: group {group} may not be joined: allow Read on this group to our user"
    ]
    said = processes.said(RELAY)
    assert said[-1] == (
        f"CommandError: Kafka at {settings.KAFKA_BROKER} does not allow transactional id {group}-relay: "
        "allow Write on this id to our user"
    )
    assert not any("another relay" in line or "Traceback" in line for line in said)
