"""Bridge and relay as processes under watch: the port, the health file, and settings that can't be used."""

import re
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from bridge import metrics, relay
from bridge.kafka import Outgoing, Sink, Unpublishable
from bridge.watch import RelayWatch
from payments import outbox
from payments.models import OutboxMessage
from tests.integration.bridge_member import ROOT, bridge_process, events
from tests.integration.bridge_member import _env as process_env
from tests.integration.kafka_client import Neighbour, make_all_topics, name_topics, running, wait_until
from tests.integration.watching import bridge, free_port, look_often, names, number

pytestmark = pytest.mark.django_db(transaction=True)

ALL = (metrics.BRIDGE, metrics.RELAY)


@pytest.fixture
def neighbour(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Neighbour:
    """Topics of one partition."""
    look_often(monkeypatch)
    return make_all_topics(name_topics(settings), partitions=1)


def read(port: int) -> dict[str, float]:
    """What Prometheus would get, by name; those with labels are added up. Empty while nobody answers."""
    found: dict[str, float] = {}
    with suppress(OSError):
        text = urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5).read().decode()
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                found[sample.name] = found.get(sample.name, 0) + sample.value
    return found


@contextmanager
def answering(registry: CollectorRegistry) -> Iterator[int]:
    """Its port."""
    port = free_port()
    with metrics.served(registry, port=port):
        yield port


def test_the_port_answers_with_every_metric_and_nothing_else() -> None:
    """Each process with its own: the relay's is no bridge that stands still."""
    for registry in ALL:
        with answering(registry) as port:
            text = urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5).read().decode()
        assert dict(re.findall(r"^# HELP (\w+) (.*)$", text, re.MULTILINE)) == names(registry)
    assert not set(names(metrics.BRIDGE)) & set(names(metrics.RELAY))


def test_a_bridge_under_watch_tells_its_numbers_and_removes_its_file(neighbour: Neighbour, tmp_path: Path) -> None:
    """As it is deployed: from the start to SIGTERM."""
    port, path = free_port(), tmp_path / "alive"
    neighbour.send([*events("sub_1", "sub_2"), b"poison"])
    settings = {"METRICS_PORT": str(port), "HEALTH_FILE": str(path)}
    with bridge_process(neighbour, log=tmp_path / "log", **settings) as process:
        wait_until(lambda: read(port).get("billing_bridge_records_total") == 3, what="the records are counted")
        wait_until(lambda: neighbour.committed() == {0: 3}, what="their offsets are committed")
        wait_until(
            lambda: read(port).get("billing_bridge_partitions") == 1, what="its next round tells what is its own"
        )
        found = read(port)
        assert found["billing_bridge_batch_seconds_count"] == found["billing_bridge_batches_total"] >= 1
        assert found["billing_bridge_assignments_total"] == 1
        assert path.exists()
        process.terminate()
        assert process.wait(30) == 0
    assert not path.exists()


def test_a_relay_under_watch_tells_its_numbers_and_removes_its_file(neighbour: Neighbour, tmp_path: Path) -> None:
    """The same for the other process."""
    port, path = free_port(), tmp_path / "alive"
    env = process_env(neighbour) | {"METRICS_PORT": str(port), "HEALTH_FILE": str(path)}
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen([sys.executable, "manage.py", "relay"], cwd=ROOT, env=env, stdout=log, stderr=log)
    try:
        wait_until(lambda: read(port).get("billing_relay_active") == 1, what="it tells that it is active")
        assert path.exists()
        process.terminate()
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()
    assert not path.exists()


def test_a_port_that_is_taken_is_one_line(neighbour: Neighbour, tmp_path: Path) -> None:
    """Bridge and relay on one machine, with one `.env`: the second says what to do."""
    with socket.create_server(("0.0.0.0", 0)) as server:  # noqa: S104
        port = server.getsockname()[1]
        with bridge_process(neighbour, log=tmp_path / "log", METRICS_PORT=str(port)) as process:
            assert process.wait(30) == 1
    assert (tmp_path / "log").read_text().splitlines() == [
        f"CommandError: METRICS_PORT: port {port} can't be used (Address already in use): set it to a free one, "
        "as each process needs its own, or unset it"
    ]


def test_verdicts_are_counted(neighbour: Neighbour) -> None:
    """Those of the inbox, and records that were known."""
    kinds = ("accepted", "duplicate", "invalid", "known")
    before = {kind: number("billing_bridge_records_total", verdict=kind) or 0 for kind in kinds}
    [good] = events("sub_1")
    neighbour.send([good, good, b"poison"])

    def counted() -> dict[str, float]:
        return {kind: (number("billing_bridge_records_total", verdict=kind) or 0) - before[kind] for kind in kinds}

    with running(process="bridge", session=bridge().session):
        expected = {"accepted": 1, "duplicate": 1, "invalid": 1, "known": 0}
        wait_until(lambda: counted() == expected, what=f"{expected} are counted")


def waiting(message_id: str, *, age: timedelta) -> OutboxMessage:
    """A record to publish, written so long ago."""
    return OutboxMessage.objects.create(
        message_id=message_id, channel="notifications", key=b"1", value=b"{}", headers={},
        created_at=datetime.now(UTC) - age,
    )  # fmt: skip


def test_what_waits_in_the_outbox_is_told_and_then_what_became_of_it(
    neighbour: Neighbour, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows, the age of the oldest, published, refused; and which relay is the active one."""

    def of_relay(name: str) -> float:
        return number(f"billing_relay_{name}", of=metrics.RELAY) or 0

    def publish(self: Sink, records: list[Outgoing]) -> None:
        if any(record.value == b"bad" for record in records):
            raise Unpublishable
        really(self, records)

    really = Sink.publish
    monkeypatch.setattr(Sink, "publish", publish)
    waiting("n1", age=timedelta(hours=2))
    waiting("n2", age=timedelta(hours=1))
    bad = waiting("n3", age=timedelta(hours=1))
    OutboxMessage.objects.filter(id=bad.id).update(value=b"bad")
    RelayWatch().round()
    assert (of_relay("outbox_rows"), of_relay("active")) == (3, 0)
    assert of_relay("outbox_oldest_seconds") == pytest.approx(7200, abs=10)
    published, refused = of_relay("published_total"), of_relay("refused_total")
    with running(process="relay", session=partial(relay.session, each_round=RelayWatch().round)):
        wait_until(lambda: of_relay("outbox_rows") == 0, what="nothing waits")
        assert of_relay("active") == 1
        assert of_relay("published_total") == published + 2
        assert of_relay("refused_total") == refused + 1
    assert (of_relay("outbox_oldest_seconds"), of_relay("active")) == (0, 0)
    assert outbox.count_waiting(now=datetime.now(UTC)) == outbox.Backlog(rows=0, oldest=timedelta())
