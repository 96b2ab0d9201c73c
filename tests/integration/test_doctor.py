"""`manage.py doctor` on real services: each is broken once, and named in one line with its fix."""

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import redis
from django.core.management import call_command
from django.db import DEFAULT_DB_ALIAS, connection

from billing_project.dev.services import Redis
from billing_project.dev.simulator import Simulator
from payments import doctor, limits, outbox
from payments.finding import Finding
from payments.heartbeats import Heart
from payments.models import Heartbeat, OutboxMessage, Pause, Payment
from tests.integration.bridge_member import ROOT, events, joined, run_until
from tests.integration.kafka_client import make_all_topics, name_topics
from tests.integration.ledger_rows import PAID, payment
from tests.integration.watching import free_port

pytestmark = pytest.mark.django_db
committed = pytest.mark.django_db(transaction=True)


def by_name(findings: list[Finding]) -> dict[str, tuple[str, str]]:
    """Level and text of each."""
    return {one.name: (one.level, one.says) for one in findings}


def levels(findings: Any) -> dict[str, str]:
    """The level of each."""
    return {one.name: one.level for one in findings}


@contextmanager
def relaying() -> Iterator[None]:
    """A relay is active: somebody holds its lock, on a connection of its own."""
    with closing(connection.copy(DEFAULT_DB_ALIAS)) as other, other.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [outbox.RELAY_LOCK])
        yield


def beat(*processes: Any) -> None:
    """These show themselves."""
    for process in processes:
        heart = Heart(process)
        heart.note()
        heart.write()


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


def test_a_key_of_the_other_mode_than_the_payments_is_told() -> None:
    """A test key on live data, or the other way round: both are money at the wrong place."""
    assert levels(doctor.look_at_modes()) == {"stripe mode": "OK"}
    payment(**PAID, livemode=True)
    assert levels(doctor.look_at_modes()) == {"stripe mode": "FAIL"}


def test_a_migration_that_is_missing_or_of_a_newer_version_is_named() -> None:
    """The tables are asked, and not whether somebody thinks that they are there."""
    assert levels(doctor.look_closer())["migrations"] == "OK"
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO django_migrations (app, name, applied) VALUES ('payments', '9999_later', now())")
        assert by_name(list(doctor.look_closer()))["migrations"] == (
            "WARN", "a newer version has applied payments.9999_later",
        )  # fmt: skip
        cursor.execute("DELETE FROM django_migrations WHERE name IN ('9999_later', '0013_story')")
    assert by_name(list(doctor.look_closer()))["migrations"] == ("FAIL", "1 are not applied: payments.0013_story")


def test_a_database_says_what_it_is_and_holds() -> None:
    """Its version, its clock, its size; and it keeps our session."""
    found = levels([*doctor.look_at_database(), *doctor.look_closer()])
    assert found == {
        "database": "OK", "database session": "OK", "database clock": "OK", "migrations": "OK",
        "database size": found["database size"],
    }  # fmt: skip


@committed
def test_a_standby_is_not_taken_for_the_primary() -> None:
    """After a failover DATABASE_URL may still name the old one."""
    with connection.cursor() as cursor:
        cursor.execute("SET default_transaction_read_only = on")
        try:
            found = by_name(doctor.look_at_database())
        finally:
            cursor.execute("SET default_transaction_read_only = off")
    assert found["database"][0] == "FAIL"
    assert found["database"][1].endswith("is read-only")


def test_a_pooler_in_transaction_mode_is_noticed() -> None:
    """It gives a statement whatever connection is free, while the one from before is busy."""
    with closing(connection.copy(DEFAULT_DB_ALIAS)) as one, closing(connection.copy(DEFAULT_DB_ALIAS)) as other:
        pool: list[Callable[[], Any]] = [one.cursor, other.cursor, one.cursor]
        with closing(connection.copy(DEFAULT_DB_ALIAS)) as busy:
            assert not doctor.keeps_session(lambda: pool.pop(0)(), busy.cursor)
        assert doctor.keeps_session(one.cursor, other.cursor)


def test_each_process_that_is_missing_is_named_with_how_to_start_it() -> None:
    """Without web nobody is charged less; without the others something stands still."""
    now = datetime.now(UTC)
    assert levels(doctor.look_at_processes(now=now)) == {
        "bridge": "FAIL", "relay": "FAIL", "worker": "FAIL", "beat": "FAIL", "web": "WARN", "relay active": "FAIL",
    }  # fmt: skip
    beat("bridge", "relay", "worker", "web")
    Heartbeat.objects.create(
        process="beat", host="away", pid=1, started_at=now, beat_at=now - timedelta(minutes=5)
    )  # fmt: skip
    found = {one.name: one for one in doctor.look_at_processes(now=datetime.now(UTC))}
    assert {name for name, one in found.items() if one.level != "OK"} == {"beat", "relay active"}
    assert found["beat"].fix.startswith("start celery -A billing_project beat")
    assert "on away" in found["beat"].says


def test_one_relay_is_active_and_another_stands_by() -> None:
    """By the lock, and not by who says so; two beats are one too many."""
    now = datetime.now(UTC)
    beat("relay", "beat")
    for process in ("relay", "beat"):
        Heartbeat.objects.create(process=process, host="other", pid=1, started_at=now, beat_at=now)
    Heartbeat.objects.filter(process="relay", host="other").update(facts={"waits_for": "Kafka"})
    with relaying():
        found = by_name(list(doctor.look_at_processes(now=now)))
    assert found["relay active"] == ("OK", "one is active, 1 standing by")
    assert found["relay"][0] == found["beat"][0] == "WARN"
    assert found["relay"][1].endswith("waiting: Kafka")


def test_what_does_not_flow_is_told(settings: Any) -> None:
    """Charging that is paused, outcomes that are not told, webhooks that are off."""
    now = datetime.now(UTC)
    settings.STRIPE_WEBHOOK_SECRETS = ("whsec_1",)
    assert levels(doctor.look_at_flow(now=now)) == {"charging": "OK", "outbox": "OK", "webhooks": "OK"}
    Pause.objects.create(cause="staff", reason="a test.", began_at=now, began_by="aida")
    OutboxMessage.objects.create(
        message_id="1", channel="notifications", created_at=now - timedelta(minutes=2), value=b"{}"
    )
    OutboxMessage.objects.create(message_id="2", channel="notifications", created_at=now, refused_at=now, error="no")
    settings.STRIPE_WEBHOOK_SECRETS = ()
    found = by_name(list(doctor.look_at_flow(now=now)))
    assert {name: level for name, (level, _) in found.items()} == {
        "charging": "WARN", "outbox": "WARN", "outbox set aside": "WARN", "webhooks": "WARN",
    }  # fmt: skip
    assert found["charging"][1] == f"is paused since {now:%Y-%m-%d %H:%M} UTC by aida: a test"
    later = now + timedelta(minutes=15)
    Pause.objects.create(cause="key", reason="no key", began_at=now + timedelta(seconds=1), began_by="aida")
    assert [(one.name, one.level) for one in doctor.look_at_flow(now=later)][:3] == [
        ("charging", "WARN"), ("charging", "FAIL"), ("outbox", "FAIL"),
    ]  # fmt: skip


def test_webhooks_that_are_refused_or_do_not_come_are_told(settings: Any) -> None:
    """Anybody may send rubbish, but as long as Stripe's own come through nothing is said."""
    now = datetime.now(UTC)
    settings.STRIPE_WEBHOOK_SECRETS = ("whsec_1",)
    paid = payment(**PAID)
    Payment.objects.filter(id=paid.id).update(settled_at=now - timedelta(minutes=30))
    assert levels(doctor.look_at_flow(now=now))["webhooks"] == "WARN"
    Heartbeat.objects.create(
        process="web", host="a", pid=1, started_at=now, beat_at=now,
        facts={"refused_at": now.isoformat(), "refused_why": "signature", "refused": 3},
    )  # fmt: skip
    level, says = by_name(list(doctor.look_at_flow(now=now)))["webhooks"]
    assert (level, says.startswith("3 were refused"), says.endswith("(signature)")) == ("FAIL", True, True)


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
