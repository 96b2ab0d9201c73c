"""Beat while Redis is away: one line when it goes, one when it is back, and every other error is still said."""

import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
import structlog
import time_machine
from celery.beat import BeatLazyFunc

from billing_project import celery_beat
from billing_project.celery import app
from billing_project.celery_beat import MOST_WAITING, Beat
from billing_project.dev.services import Redis

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def own_redis() -> Iterator[Redis]:
    """A Redis that the test may kill."""
    server = Redis(folder=Path(os.environ["TEST_DATA"]) / f"redis-{uuid.uuid4().hex[:8]}", durable=False)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def beat(own_redis: Redis, tmp_path: Path) -> Iterator[Path]:
    """A beat process. Yields where it writes."""
    path = tmp_path / "beat.log"
    with path.open("wb") as log:
        child = subprocess.Popen(
            [sys.executable, "-m", "celery", "-A", "billing_project", "beat"], cwd=ROOT, stdout=log, stderr=log,
            env=os.environ | {"REDIS_URL": own_redis.url, "LOG_FORMAT": "json"},
        )  # fmt: skip
    yield path
    child.terminate()
    child.wait(20)


def lines(path: Path) -> list[dict[str, Any]]:
    """What it has said so far, but for its start, and that it has no table for its heartbeat here."""
    said = [json.loads(line) for line in path.read_text().splitlines() if line.startswith("{")]
    return [line for line in said if line["event"] not in ("beat: Starting...", "heartbeat not written")]


def wait_until(condition: Any, *, within: float = 40) -> None:
    """The condition, or failure."""
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def sent(server: Redis) -> int:
    """How many messages wait for a worker."""
    return int(redis.Redis.from_url(server.url).llen("billing:sweep"))


def test_a_redis_that_is_away_is_said_once_and_its_return_too(own_redis: Redis, beat: Path) -> None:
    """An operator reads one line, with what to look at; the log isn't full of it."""
    wait_until(lambda: sent(own_redis) >= 2)
    assert lines(beat) == []
    own_redis.kill()
    wait_until(lambda: lines(beat))
    said_at = time.monotonic()
    wait_until(lambda: time.monotonic() > said_at + 4)
    own_redis.start()
    wait_until(lambda: len(lines(beat)) >= 2)
    wait_until(lambda: sent(own_redis) >= 2)
    assert [(line["level"], line["event"], line.get("why")) for line in lines(beat)] == [
        ("warning", "waiting", "Redis does not answer (REDIS_URL)"),
        ("info", "beat goes on", None),
    ]


@pytest.mark.parametrize("seconds", [600, -600])
def test_a_clock_that_is_put_back_keeps_nothing_waiting(monkeypatch: pytest.MonkeyPatch, seconds: int) -> None:
    """P5: without a sweep nobody looks for what was lost, and by a clock that was ahead the next one is minutes off."""
    sent: list[str] = []
    beat = Beat(app=app, lazy=True)
    beat.setup_schedule()
    monkeypatch.setattr(beat, "apply_async", lambda entry, **_: sent.append(entry.name))

    def goes_on() -> bool:
        time.sleep(min(beat.tick(), 0.05))
        return "sweep" in sent

    with time_machine.travel(time.time() + seconds, tick=True):
        wait_until(goes_on, within=5)
    sent.clear()
    wait_until(goes_on, within=5)


def test_beat_rings_no_more_than_is_heard(own_redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever comes back after hours has nothing old to take up, and Redis doesn't fill up meanwhile."""
    server, rung = redis.Redis.from_url(own_redis.url), list[str]()
    monkeypatch.setattr(celery_beat, "connect_redis", lambda: server)
    beat = Beat(app=app, lazy=True)
    monkeypatch.setattr(beat, "apply_async", lambda entry, **_: rung.append(entry.name))
    beat.setup_schedule()
    server.lpush("billing:sweep", *["a sweep"] * MOST_WAITING)
    beat.apply_entry(beat.schedule["sweep"])
    assert rung == []
    server.rpop("billing:sweep")
    beat.apply_entry(beat.schedule["sweep"])
    assert rung == ["sweep"]


def test_any_other_trouble_of_beat_is_said_each_time() -> None:
    """A wrong schedule isn't Redis's fault, and nobody would find it otherwise."""

    def fail() -> str:
        raise LookupError

    beat = Beat(app=app, lazy=True)
    entry = beat.Entry(name="broken", task="payments.sweep", schedule=1.0, args=[BeatLazyFunc(fail)], app=app)
    with structlog.testing.capture_logs() as said:
        for _ in range(2):
            beat.apply_entry(entry)
    assert [(line["log_level"], line["event"], line["task"], line["error"]) for line in said] == [
        ("error", "task not sent", "payments.sweep", "LookupError")
    ] * 2
