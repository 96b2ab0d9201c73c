"""Heartbeats: each process of the product writes that it is there, and nothing that happens to the database ends it."""

import os
import signal
import subprocess
import sys
import time
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import pytest
from django.db import connection

from billing_project.dev.services import Redis
from payments import heartbeats
from payments.heartbeats import Heart
from payments.models import Heartbeat
from tests.integration.bridge_member import ROOT, bridge_process, database_away, events
from tests.integration.bridge_member import _env as process_env
from tests.integration.kafka_client import Neighbour, make_all_topics, name_topics, wait_until
from tests.integration.watching import free_port

# Processes start, which takes a busy machine its time.
pytestmark = pytest.mark.timeout(300)

CELERY = [sys.executable, "-m", "celery", "-A", "billing_project"]
NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)


def beat_of(process: str) -> Heartbeat | None:
    """Its row."""
    return Heartbeat.objects.filter(process=process).order_by("-beat_at").first()


def told_by(process: str) -> str:
    """What it waits for, once it says so."""
    found: list[str] = []

    def tells() -> bool:
        beat = beat_of(process)
        found.append(beat.facts.get("waits_for", "") if beat else "")
        return bool(found[-1])

    wait_until(tells, what="it tells what it waits for", within=90)
    return found[-1]


@pytest.fixture
def neighbour(transactional_db: None, settings: Any) -> Neighbour:
    """Topics of one partition."""
    return make_all_topics(name_topics(settings), partitions=1)


@contextmanager
def process(neighbour: Neighbour, *command: str, log: Path, **env: str) -> Iterator["subprocess.Popen[bytes]"]:
    """One of ours, on the test's own database and topics."""
    with log.open("wb") as output:
        child = subprocess.Popen(
            command, cwd=ROOT, env=process_env(neighbour) | env, stdout=output, stderr=output, start_new_session=True
        )
        try:
            yield child
        finally:
            with suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            child.wait()


def test_a_bridge_beats_from_its_loop_and_outlives_its_database(neighbour: Neighbour, tmp_path: Path) -> None:
    """Its row says where it is; while the database is away it goes on, and beats again when it is back."""
    with bridge_process(neighbour, log=tmp_path / "log") as child:
        wait_until(lambda: beat_of("bridge") is not None, what="it beats", within=90)
        first = beat_of("bridge")
        assert first is not None
        assert (first.pid, first.facts) == (child.pid, {})
        with database_away():
            neighbour.send(events("sub_1"))
            wait_until(lambda: "waiting" in (tmp_path / "log").read_text(), what="it waits for the database")
        wait_until(
            lambda: Heartbeat.objects.get().beat_at > first.beat_at + timedelta(seconds=5), what="it beats again"
        )
        assert Heartbeat.objects.get().started_at == first.started_at
        assert child.poll() is None


def test_a_relay_that_waits_for_kafka_says_so(neighbour: Neighbour, tmp_path: Path) -> None:
    """It is there, and what it waits for stands in its row."""
    away = f"127.0.0.1:{free_port()}"
    with process(neighbour, sys.executable, "manage.py", "relay", log=tmp_path / "log", KAFKA_BROKER=away):
        assert told_by("relay") == f"Kafka at {away} does not answer"


@pytest.mark.parametrize("name", ["worker", "beat"])
def test_celerys_processes_beat_and_keep_their_file(neighbour: Neighbour, tmp_path: Path, name: str) -> None:
    """A worker also while nobody sends it anything, and it tells its numbers. The file goes with the process."""
    alive, port = tmp_path / "alive", free_port()
    env = {"HEALTH_FILE": str(alive), "METRICS_PORT": str(port)}
    with process(neighbour, *CELERY, name, log=tmp_path / "log", **env) as child:
        wait_until(lambda: beat_of(name) is not None, what="it beats", within=90)
        first = beat_of(name)
        assert first is not None
        assert first.pid == child.pid
        wait_until(lambda: Heartbeat.objects.get().beat_at > first.beat_at, what="it beats again")
        os.utime(alive, (0, 0))
        wait_until(lambda: alive.stat().st_mtime > 0, what="its file is fresh")
        assert is_answering(f"http://127.0.0.1:{port}/metrics") == (name == "worker")
        child.terminate()
        assert child.wait(60) == 0
    assert not alive.exists()


@pytest.mark.parametrize("asked_by", [signal.SIGTERM, signal.SIGINT])
def test_a_beat_that_waits_for_redis_ends_when_asked(
    neighbour: Neighbour, tmp_path: Path, asked_by: signal.Signals
) -> None:
    """Also where the signal comes in the middle of an answer of Redis, here one that never comes."""
    alive = tmp_path / "alive"
    own = Redis(folder=Path(os.environ["TEST_DATA"]) / f"redis-{uuid.uuid4().hex[:8]}", durable=False)
    own.start()
    with ExitStack() as stack:
        stack.callback(own.stop)
        child = stack.enter_context(
            process(neighbour, *CELERY, "beat", log=tmp_path / "log", REDIS_URL=own.url, HEALTH_FILE=str(alive))
        )
        wait_until(lambda: beat_of("beat") is not None, what="it beats", within=90)
        assert own.pid is not None
        os.kill(own.pid, signal.SIGSTOP)
        stack.callback(os.kill, own.pid, signal.SIGCONT)
        wait_until(lambda: "Redis does not answer" in (tmp_path / "log").read_text(), what="it waits", within=90)
        child.send_signal(asked_by)
        assert child.wait(20) == 0
    assert not alive.exists()


@pytest.mark.parametrize("name", ["worker", "beat"])
def test_celerys_processes_say_that_redis_is_away(neighbour: Neighbour, tmp_path: Path, name: str) -> None:
    """So that staff read what is missing, and nobody restarts what only waits; until it is back."""
    alive = tmp_path / "alive"
    own = Redis(folder=Path(os.environ["TEST_DATA"]) / f"redis-{uuid.uuid4().hex[:8]}", durable=False)
    own.start()
    with ExitStack() as stack:
        stack.callback(own.stop)
        env = {"REDIS_URL": own.url, "HEALTH_FILE": str(alive)}
        stack.enter_context(process(neighbour, *CELERY, name, log=tmp_path / "log", **env))
        wait_until(lambda: beat_of(name) is not None, what="it beats", within=90)
        own.kill()
        assert told_by(name) == "Redis does not answer (REDIS_URL)"
        os.utime(alive, (0, 0))
        wait_until(lambda: alive.stat().st_mtime > 0, what="its file is fresh while it waits")
        own.start()
        wait_until(lambda: bool((beat := beat_of(name)) and not beat.facts), what="it takes that back", within=90)


def test_a_web_process_beats_with_its_requests_and_counts_refused_webhooks(
    neighbour: Neighbour, tmp_path: Path
) -> None:
    """As gunicorn serves it, after its fork."""
    port = free_port()
    command = [sys.executable, "-m", "gunicorn", "billing_project.wsgi", "--bind", f"127.0.0.1:{port}"]
    with process(neighbour, *command, log=tmp_path / "log", STRIPE_WEBHOOK_SECRET="whsec_ours"):
        wait_until(lambda: is_answering(f"http://127.0.0.1:{port}/livez"), what="it answers", within=90)
        for _ in range(2):
            with pytest.raises(HTTPError):
                urllib.request.urlopen(f"http://127.0.0.1:{port}/webhooks/stripe", data=b"{}", timeout=10)

        def told() -> bool:
            is_answering(f"http://127.0.0.1:{port}/livez")
            return bool((beat := beat_of("web")) and beat.facts.get("refused") == 2)

        wait_until(told, what="its row tells of two refusals")
        beat = beat_of("web")
        assert beat is not None
        assert beat.facts["refused_why"] == "signature"


def is_answering(url: str) -> bool:
    """200."""
    with suppress(OSError):
        return bool(urllib.request.urlopen(url, timeout=5).status == 200)  # noqa: S310
    return False


@pytest.mark.django_db
def test_a_heart_without_news_writes_nothing() -> None:
    """A loop that hangs is seen by that, however well its thread is."""
    heart = Heart("bridge")
    assert not heart.write()
    heart.note()
    assert heart.write()
    before = Heartbeat.objects.get().beat_at
    assert not heart.write()
    assert Heartbeat.objects.get().beat_at == before


def test_a_heart_whose_database_is_away_loses_only_a_beat(transactional_db: None) -> None:
    """Whatever PostgreSQL says; nothing reaches the loop."""
    heart = Heart("bridge")
    heart.note()
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE payments_heartbeat RENAME TO payments_elsewhere")
    try:
        assert not heart.write()
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE payments_elsewhere RENAME TO payments_heartbeat")
    assert heart.write()


def test_a_heart_writes_at_most_every_five_seconds(transactional_db: None) -> None:
    """However fast its loop is."""
    heart = Heart("bridge")
    with heart.beating():
        wait_until(lambda: Heartbeat.objects.exists(), what="it beats")
        first = Heartbeat.objects.get().beat_at
        noted_until = time.monotonic() + 1
        while time.monotonic() < noted_until:
            heart.note()
        assert Heartbeat.objects.get().beat_at == first


@pytest.mark.django_db
def test_a_process_is_missed_after_half_a_minute_and_forgotten_after_a_day() -> None:
    """Until then its row says when and where it was last seen."""
    rows = [
        Heartbeat.objects.create(process="worker", host="a", pid=pid, started_at=NOW, beat_at=NOW - age)
        for pid, age in enumerate([timedelta(seconds=29), timedelta(seconds=31), timedelta(days=1, seconds=1)])
    ]
    assert [heartbeats.is_there(row, now=NOW) for row in rows] == [True, False, False]
    assert heartbeats.forget_old(now=NOW) == 1
    assert set(Heartbeat.objects.values_list("pid", flat=True)) == {0, 1}


def test_beats_are_written_in_place(transactional_db: None) -> None:
    """HOT: no index is touched, however long a process runs."""
    heart = Heart("bridge")
    for _ in range(20):
        heart.note()
        heart.write()
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_force_next_flush()")
        cursor.execute("SELECT pg_stat_clear_snapshot()")
        cursor.execute("SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'payments_heartbeat'")
        updated, in_place = cursor.fetchone()
    assert updated == in_place
    assert updated >= 19
