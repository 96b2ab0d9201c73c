"""What the doctor reads in the database: the database itself, the processes, and what flows."""

from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import DEFAULT_DB_ALIAS, connection

from payments import doctor
from payments.doctor import on_database
from payments.models import Heartbeat, OutboxMessage, Pause, Payment
from tests.integration.findings import beat, by_name, committed, levels, relaying
from tests.integration.ledger_rows import PAID, payment

pytestmark = pytest.mark.django_db


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


def test_a_database_that_is_too_old_is_told_by_its_version(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before a migration stumbles over what it hasn't."""
    monkeypatch.setattr(on_database, "OLDEST_VERSION", 99)
    [found] = doctor.look_at_database()
    assert (found.level, found.fix) == ("FAIL", "run PostgreSQL 99 or newer")
    assert found.says.startswith("is PostgreSQL ")


def test_what_a_plain_role_may_not_know_is_not_asked() -> None:
    """Where its folder is only some may read: that is no error, and what is free is then not known."""
    with connection.cursor() as cursor:
        cursor.execute("CREATE ROLE plain_doctor")
        cursor.execute("SET ROLE plain_doctor")
        found = on_database._look_at_size()
        cursor.execute("RESET ROLE")
    assert found.level == "OK"
    assert found.says.startswith("holds ")
    assert found.says.endswith("; what is free there can't be seen from here")


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
