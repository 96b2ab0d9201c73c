"""docs/examples/nestjs/README.md, carried out: its page's commands, on real Kafka, with the product's own decoder."""

import json
import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from bridge import schema
from bridge.kafka import Outgoing, Sink
from payments import notifications
from payments.intake import PaymentRequest
from tests.documents.blocks import ROOT, blocks
from tests.integration.kafka_client import Neighbour, make_all_topics, wait_until

FOLDER = ROOT / "docs" / "examples" / "nestjs"
EXAMPLE = json.loads((ROOT / "docs" / "events" / "notification.paying.schema.json").read_text())["examples"][0]
[INSTALL, BUILD], [LISTEN, ASK] = [block.commands() for block in blocks(FOLDER / "README.md", kind="sh")]


@pytest.fixture(scope="module", autouse=True)
def _built() -> None:
    """`make docs-check` has installed the packages as the page says."""
    assert f"cd $(NESTJS) && {INSTALL}" in (ROOT / "Makefile").read_text()
    built = subprocess.run(shlex.split(BUILD), cwd=FOLDER, capture_output=True, text=True)
    assert built.returncode == 0, built.stdout


@pytest.fixture
def neighbour(settings: Any) -> Neighbour:
    """The topics by the names that the example knows."""
    settings.KAFKA_GROUP_ID = "nestjs"
    found = Neighbour(
        broker=settings.KAFKA_BROKER, payments=settings.KAFKA_TOPIC_PAYMENTS, group=settings.KAFKA_GROUP_ID,
        notifications=settings.KAFKA_TOPIC_NOTIFICATIONS, dead_letters=settings.KAFKA_TOPIC_DEAD_LETTERS,
    )  # fmt: skip
    return make_all_topics(found, partitions=1)


def environment(neighbour: Neighbour) -> dict[str, str]:
    """Where Kafka is."""
    return os.environ | {"KAFKA_BROKER": neighbour.broker}


@contextmanager
def listening(neighbour: Neighbour, log: Path) -> Iterator[None]:
    """The page's listener, until the end of the block."""
    with log.open("wb") as out:
        node = subprocess.Popen(shlex.split(LISTEN), cwd=FOLDER, env=environment(neighbour), stdout=out, stderr=out)
    try:
        yield
    finally:
        node.terminate()
        node.wait(60)


def tell(neighbour: Neighbour, email: str) -> None:
    """Publish a notification as the relay does, for this address."""
    payment = notifications.payment_id(subscription=email, number=1)
    notification = notifications.notification_id(payment=payment, transition="success")
    written = notifications.headers(notification=notification, kind="notification.paying", at=datetime.now(UTC))
    headers = [(name, value.encode()) for name, value in written.items()]
    value = json.dumps(EXAMPLE | {"user": {"id": "u_1", "email": email}}).encode()
    with closing(Sink()) as sink:
        sink.open()
        sink.publish([Outgoing(topic=neighbour.notifications, key=str(payment).encode(), value=value, headers=headers)])


def test_an_event_that_nestjs_emits_is_understood_with_its_id(neighbour: Neighbour) -> None:
    """Value and headers as they arrive, through the bridge's own decoder."""
    command = [*shlex.split(ASK)[:-1], "sub_from_nestjs"]
    asked = subprocess.run(command, cwd=FOLDER, env=environment(neighbour), capture_output=True, text=True, timeout=60)
    event_id = re.search(r"asked: (\S+)", asked.stdout)
    assert event_id, asked.stdout + asked.stderr
    [record] = neighbour.records(neighbour.payments)
    wish = schema.decode(value=record.value, headers=tuple(record.headers), price_unit="major")
    assert isinstance(wish, PaymentRequest), wish
    assert (wish.subscription, wish.amount, wish.event_id) == ("sub_from_nestjs", 10_000, event_id[1])


def test_a_notification_that_comes_twice_is_dealt_with_once(neighbour: Neighbour, tmp_path: Path) -> None:
    """By its `ce_id`; another one for somebody else is dealt with."""
    log = tmp_path / "log"
    tell(neighbour, "first@b.kz")
    tell(neighbour, "first@b.kz")
    tell(neighbour, "second@b.kz")
    with listening(neighbour, log):
        wait_until(lambda: "second@b.kz" in log.read_text(), what="all are heard", within=60)
    assert [line for line in log.read_text().splitlines() if line.startswith("to ")] == [
        "to first@b.kz: thank you, 100 KZT are paid",
        "to second@b.kz: thank you, 100 KZT are paid",
    ]
