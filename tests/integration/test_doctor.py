"""`manage.py doctor` on real services: each is broken once, and named in one line with its fix."""

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from django.core.management import call_command
from django.db import connection

from billing_project.dev.services import Redis
from billing_project.dev.simulator import Simulator
from payments import doctor, limits
from tests.integration.bridge_member import ROOT, events, joined, run_until
from tests.integration.findings import beat, by_name, committed, levels, relaying
from tests.integration.kafka_client import make_all_topics, name_topics
from tests.integration.watching import free_port

pytestmark = pytest.mark.django_db


@pytest.fixture
def own_redis(settings: Any) -> Iterator["redis.Redis"]:
    """A Redis of the test's own, in the settings; what the process keeps connections to stays the other one."""
    limits.connect_redis()
    limits.read_gauges()
    server = Redis(folder=Path(os.environ["TEST_DATA"]) / f"redis-{uuid.uuid4().hex[:8]}", durable=True)
    server.start()
    settings.REDIS_URL = server.url
    client = redis.Redis.from_url(server.url)
    client.config_set("maxmemory-policy", "noeviction")
    yield client
    client.close()
    server.stop()


@committed
def test_where_all_is_well_every_line_says_so(
    stripe: Simulator, own_redis: "redis.Redis", settings: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """From the topics to the webhooks; what is meant for a developer's machine alone is a warning."""
    neighbour = make_all_topics(name_topics(settings), partitions=2)
    neighbour.send(events("a"), partition=0)
    beat("bridge", "relay", "worker", "beat", "web")
    settings.STRIPE_WEBHOOK_SECRETS = ("whsec_1",)
    with relaying(), joined() as member, pytest.raises(SystemExit) as ended:
        run_until(member, records=1)
        call_command("doctor", "--json")
    told = json.loads(capsys.readouterr().out)
    found = {one["name"]: one for one in told["findings"]}
    # What is free on this machine is not the test's business.
    assert {name for name, one in found.items() if one["level"] != "OK"} - {"disk", "database size"} == {"settings"}
    assert found["settings"]["says"] == "STRIPE_API_BASE is set: a stand-in is asked in Stripe's place"
    assert found[f"group {neighbour.group}"]["says"] == "0 records wait to be read, 1 members read"
    assert found["stripe key"]["says"] == "test mode of acct_simulator"
    assert found["relay active"]["says"] == "one is active, none is standing by"
    assert ended.value.code == {"WARN": 3, "FAIL": 1}[told["worst"]]


def test_what_is_away_is_one_line_each_and_no_traceback(tmp_path: Path) -> None:
    """All of it at once: none hides another, and nobody waits long."""
    away = f"127.0.0.1:{free_port()}"
    env = os.environ | {
        "DATABASE_URL": f"postgresql://user:canary@{away}/billing", "REDIS_URL": f"redis://:canary@{away}/0",
        "KAFKA_BROKER": away, "STRIPE_API_BASE": f"http://{away}",
    }  # fmt: skip
    ended = subprocess.run(
        [sys.executable, "manage.py", "doctor"],
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    fails = [line.split(": ", 1)[0].split("  ")[1] for line in ended.stdout.splitlines() if line.startswith("FAIL")]
    assert (sorted(fails), ended.returncode) == (["database", "kafka", "redis", "stripe key"], 1)
    assert f"Kafka at {away} does not answer" in ended.stdout
    assert "canary" not in ended.stdout + ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_topic_that_is_missing_is_named_with_the_command_that_makes_it(
    stripe: Simulator, settings: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """And its group is not asked about."""
    neighbour = name_topics(settings)
    with pytest.raises(SystemExit):
        call_command("doctor")
    lines = capsys.readouterr().out.splitlines()
    for topic in (neighbour.payments, neighbour.notifications, neighbour.dead_letters):
        assert f"FAIL  topic {topic}: is not there. Fix: make it with manage.py topics" in lines
    assert not [line for line in lines if f"group {neighbour.group}" in line]


@pytest.mark.parametrize(
    ("setting", "value", "name", "level"),
    [
        ("maxmemory-policy", "allkeys-lru", "redis policy", "FAIL"),
        ("appendonly", "no", "redis persistence", "WARN"),
        ("maxmemory", "500000", "redis memory", "WARN"),
    ],
)
def test_a_redis_that_may_lose_something_is_told(
    own_redis: "redis.Redis", setting: str, value: str, name: str, level: str
) -> None:
    """By what it says of itself, without a right to read its configuration."""
    assert set(levels(doctor.look_at_redis()).values()) == {"OK"}
    own_redis.config_set(setting, value)
    assert levels(doctor.look_at_redis()) == {
        "redis": "OK", "redis clock": "OK", "redis policy": "OK", "redis memory": "OK", "redis persistence": "OK",
        name: level,
    }  # fmt: skip


def test_a_redis_that_wants_another_password_is_told(own_redis: "redis.Redis") -> None:
    """One line, with the setting."""
    own_redis.config_set("requirepass", "another")
    assert by_name(doctor.look_at_redis()) == {"redis": ("FAIL", "does not accept our user and password")}


def test_a_key_that_stripe_refuses_is_told(stripe: Simulator, settings: Any) -> None:
    """Revoked: nothing else can be asked with it."""
    stripe.control.set_api_key(key=settings.STRIPE_SECRET_KEY, state="revoked")
    assert by_name(doctor.look_at_stripe()) == {"stripe key": ("FAIL", "is refused (401)")}


@pytest.mark.parametrize(
    ("endpoint", "right", "level"),
    [
        ("charges.list", "read Charges", "FAIL"),
        ("payment_intents.cancel", "write PaymentIntents", "FAIL"),
        ("payment_methods.retrieve", "read PaymentMethods", "FAIL"),
        ("refunds.list", "read Refunds", "FAIL"),
        ("refunds.create", "write Refunds", "FAIL"),
        ("disputes.list", "read Disputes", "FAIL"),
    ],
)
def test_each_right_that_a_restricted_key_lacks_is_named(
    stripe: Simulator, endpoint: str, right: str, level: str
) -> None:
    """By the name that it has in Stripe's dashboard, without making or changing anything there."""
    stripe.control.add_fault(kind="status", endpoint=endpoint, effect="none", status=403, count=None)
    found = doctor.look_at_stripe()
    assert [(one.level, one.says) for one in found if one.name == "stripe rights"] == [
        (level, f"the key may not {right}")
    ]
    assert stripe.control.ledger()["payment_intents"] == []
    assert list(stripe.ledger.refunds) == []


def test_the_right_to_expand_charges_is_asked_for_by_itself(stripe: Simulator) -> None:
    """A key may list PaymentIntents, and be refused as soon as their charges are to come along."""
    stripe.control.add_fault(kind="status", endpoint="payment_intents.list", effect="none", status=403, skip=1)
    assert by_name(doctor.look_at_stripe())["stripe rights"] == (
        "FAIL", "the key may not read PaymentIntents with their charges",
    )  # fmt: skip


def test_a_stripe_that_is_down_is_told(stripe: Simulator) -> None:
    """A 5xx is no word about our key."""
    stripe.control.add_fault(kind="status", effect="none", status=503, count=None)
    assert by_name(doctor.look_at_stripe()) == {
        "stripe key": ("FAIL", "Stripe's stand-in (STRIPE_API_BASE) gives no answer (HTTP 503)")
    }


@committed
def test_a_table_that_is_missing_hides_nothing_else(
    stripe: Simulator, settings: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before the first `migrate` there is none: still one line each, with the command."""
    name_topics(settings)
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE payments_heartbeat RENAME TO hidden")
        try:
            with pytest.raises(SystemExit):
                call_command("doctor")
        finally:
            cursor.execute("ALTER TABLE hidden RENAME TO payments_heartbeat")
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if line.startswith("FAIL  processes: could not be looked at")]
    assert [line for line in lines if "stripe mode: test" in line]
