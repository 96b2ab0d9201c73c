"""What an operator sees: wrong settings, services that are away, and stopping."""

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from tests.e2e.deployment import COMMANDS, ROOT, Deployment
from tests.placeholders import PLACEHOLDERS

WEB = [sys.executable, "-m", "gunicorn", "billing_project.wsgi", "--bind", "127.0.0.1:0"]
PROCESSES = COMMANDS | {"web": WEB}


def run(command: list[str], **env: str) -> subprocess.CompletedProcess[str]:
    """Run a process that shall end by itself, with these settings only."""
    plain = {name: value for name, value in os.environ.items() if name not in PLACEHOLDERS}
    return subprocess.run(
        command, cwd=ROOT, env=plain | {name: value for name, value in env.items() if value}, capture_output=True,
        text=True, timeout=60,
    )  # fmt: skip


@pytest.mark.parametrize("process", sorted(PROCESSES))
def test_a_missing_key_stops_every_process_with_one_line(process: str) -> None:
    """Names the setting and the fix, exit code 1, no traceback."""
    ended = run(PROCESSES[process], **(PLACEHOLDERS | {"STRIPE_SECRET_KEY": ""}))
    assert ended.returncode == 1
    assert ended.stderr.splitlines() == [
        "configuration: STRIPE_SECRET_KEY: is missing: set it to your Stripe secret key (sk_test_… or sk_live_…)"
    ]


@pytest.mark.parametrize(
    ("setting", "value", "line"),
    [
        ("DATABASE_URL", "mysql://x/y", "DATABASE_URL: is not a postgresql:// or postgres:// URL"),
        ("REDIS_URL", "localhost:6379", "REDIS_URL: is not a redis:// or rediss:// URL"),
        ("KAFKA_BROKER", "kafka", "KAFKA_BROKER: is not host:port"),
        ("STRIPE_SECRET_KEY", "pk_test_1", "STRIPE_SECRET_KEY: is not a secret key of Stripe"),
        ("SECRET_KEY", "short", "SECRET_KEY: is shorter than 32 characters"),
    ],
)
def test_a_wrong_setting_is_one_line_that_does_not_quote_it(setting: str, value: str, line: str) -> None:
    """It may be a secret that was put in the wrong place."""
    ended = run(COMMANDS["relay"], **(PLACEHOLDERS | {setting: value}))
    assert ended.returncode == 1
    assert ended.stderr.startswith(f"configuration: {line}: ")
    assert len(ended.stderr.splitlines()) == 1
    assert value not in ended.stderr.replace(line, "")


def test_a_group_without_offsets_does_not_start_without_being_told_from_where(deployment: Deployment) -> None:
    """The service that this one replaces has charged the topic's history."""
    ended = deployment.command("bridge")
    assert ended.returncode == 1
    [line] = ended.stderr.splitlines()[-1:]
    assert "say where to start with --from earliest, latest, a time or offsets" in line
    assert "Traceback" not in ended.stderr


def _events(deployment: Deployment, name: str) -> list[dict[str, Any]]:
    lines = deployment.log(name).read_text().splitlines() if deployment.log(name).exists() else []
    return [json.loads(line) for line in lines if line.startswith("{")]


def test_redis_away_costs_time_and_one_line(deployment: Deployment) -> None:
    """Intake goes on; when Redis is back the payment is charged without a hand."""
    deployment.start("bridge", "worker", "beat", "relay")
    deployment.send([_event("before")])
    deployment.wait_until_at_rest(records=1)
    deployment.redis.kill()
    deployment.send([_event("during")])
    deployment.wait_until(
        lambda: deployment.count("SELECT count(*) FROM payments_inboxmessage") == 2, what="intake without Redis"
    )
    deployment.redis.start()
    deployment.wait_until_at_rest(records=2, within=90)
    warnings = [line for line in _events(deployment, "bridge") if line["event"].startswith("doorbell failed")]
    assert len(warnings) == 1
    assert "Traceback" not in deployment.log("bridge").read_text()


@pytest.mark.parametrize("process", ["bridge", "relay"])
def test_a_kafka_that_is_away_at_start_is_named_and_tried_again(deployment: Deployment, process: str) -> None:
    """One line with the address and the pause; the process stays, and stops when asked."""
    deployment.env["KAFKA_BROKER"] = "127.0.0.1:9"
    deployment.start(process)
    deployment.wait_until(
        lambda: len([line for line in _events(deployment, process) if line["event"] == "waiting"]) >= 2,
        what="two tries",
    )
    waiting = [line for line in _events(deployment, process) if line["event"] == "waiting"]
    assert waiting[0]["why"].startswith("Kafka at 127.0.0.1:9 does not answer")
    assert waiting[0]["pause"] < waiting[1]["pause"]
    assert "Traceback" not in deployment.log(process).read_text()
    assert deployment.stop(process) == 0


@pytest.mark.parametrize("process", ["bridge", "relay"])
def test_a_database_that_is_away_is_named_and_picked_up_again(deployment: Deployment, process: str) -> None:
    """The connection is cut under the process; it says so and goes on."""
    deployment.start(process)
    deployment.wait_until(lambda: bool(_events(deployment, process)), what="the start")
    poison = [b"[object Object]"]
    deployment.send(poison)
    name = deployment.database.rsplit("/", 1)[1]
    deployment.rows(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid()", name
    )
    deployment.start("relay" if process == "bridge" else "bridge")
    deployment.wait_until_at_rest(records=1, within=60)
    assert "Traceback" not in deployment.log(process).read_text()


def test_sigterm_stops_every_process_with_exit_code_0(deployment: Deployment) -> None:
    """What a rolling deploy does all day."""
    deployment.start()
    deployment.send([_event("sub_1")])
    deployment.wait_until_at_rest(records=1)
    assert {name: deployment.stop(name) for name in ("bridge", "relay", "beat", "worker")} == {
        "bridge": 0,
        "relay": 0,
        "beat": 0,
        "worker": 0,
    }


def _event(subscription: str) -> bytes:
    user = {"id": "u_1", "email": "a@b.kz", "paymentMethod": "pm_1"}
    event = {"subId": subscription, "user": user, "product": {"price": 100, "currency": "KZT"}}
    return json.dumps(event, separators=(",", ":")).encode()
