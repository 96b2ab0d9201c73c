"""What Prometheus reads of rows: true to the rows, cheap, and nothing of a customer."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from billing_project.dev.simulator import Simulator
from payments import charging, limits, metrics
from payments.gateway import Gateway
from payments.metrics import exposition, names
from payments.models import (
    Attempt,
    Break,
    Dispute,
    Heartbeat,
    Job,
    OutboxMessage,
    Pause,
    Payment,
    Reconciliation,
    Webhook,
)  # fmt: skip
from tests.conftest import Clock
from tests.integration.bridge_member import database_away
from tests.integration.events import accept, event, record
from tests.integration.ledger_rows import FAILED, NOW, PAID, attempt, payment, refund, restoring
from tests.integration.watching import numbers


def read(now: datetime = NOW) -> dict[str, float]:
    """As Prometheus would."""
    return numbers(metrics.expose(now=now))


@pytest.mark.django_db
def test_an_empty_ledger_tells_zeros_and_no_moments_that_never_were() -> None:
    """A series that isn't there yet is no alarm; one that is 0 is known to be."""
    found = read()
    assert found["ledger_up"] == found["redis_up"] == 1
    zeros = (
        "ledger_outbox_rows ledger_outbox_oldest_seconds ledger_unknown_attempts ledger_attention[what=payment] "
        "ledger_due_payments[kind=new] ledger_due_oldest_seconds[kind=look] ledger_breaks_open[kind=paid_twice] "
        "ledger_charging_paused[cause=key] ledger_processes[process=worker] ledger_parked_records[verdict=conflict]"
    )
    assert {name: found[name] for name in zeros.split()} == dict.fromkeys(zeros.split(), 0)
    moments = [name for name in found if "timestamp" in name]
    assert moments == []
    assert len({name.partition("[")[0] for name in found}) >= 20


@pytest.mark.django_db
def test_payments_are_told_by_what_they_wait_for_and_what_they_are_worth(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock
) -> None:
    """Taken in, charged, declined; then one whose outcome nobody knows."""
    for subscription, changes in [("sub_1", {}), ("sub_2", {"method": "pm_card_chargeDeclined"})]:
        accept(record(event(subscription, **changes), at=clock()), now=clock())
    clock.advance(seconds=30)
    metrics.count_hours(clock=clock)
    found = read(clock())
    assert (found["ledger_due_payments[kind=new]"], found["ledger_due_oldest_seconds[kind=new]"]) == (2, 30)
    assert found["ledger_money_at_rest[currency=KZT,stage=waiting]"] == 20_000
    charging.charge(payment_ids=list(Payment.objects.values_list("id", flat=True)), gateway=stripe_gateway, clock=clock)
    clock.advance(seconds=10)
    metrics.count_hours(clock=clock)
    found = read(clock())
    assert found["ledger_due_payments[kind=new]"] == 0
    assert "ledger_money_at_rest[currency=KZT,stage=waiting]" not in found
    assert found["ledger_payments_of_day[currency=KZT,fault=,status=success]"] == 1
    assert found["ledger_payments_of_day[currency=KZT,fault=issuer,status=failed]"] == 1
    assert found["ledger_money_at_rest[currency=KZT,stage=untold]"] == 20_000
    assert (found["ledger_outbox_rows"], found["ledger_outbox_oldest_seconds"]) == (2, 10)
    assert found["ledger_counted_timestamp_seconds"] == clock().timestamp()


@pytest.mark.django_db
def test_what_is_in_a_workers_hands_is_not_due() -> None:
    """It has a lease; the others are told by the sweep's own three kinds."""
    due = NOW - timedelta(minutes=5)
    payment(due_at=due, lease_until=NOW + timedelta(minutes=1))
    assert read()["ledger_due_payments[kind=new]"] == 0
    Payment.objects.update(lease_until=NOW)
    assert read()["ledger_due_oldest_seconds[kind=new]"] == 300
    Payment.objects.update(intent_id="pi_1")
    found = read()
    assert (found["ledger_due_payments[kind=again]"], found["ledger_due_payments[kind=new]"]) == (1, 0)
    Payment.objects.update(**FAILED | {"due_at": due})
    assert read()["ledger_due_payments[kind=look]"] == 1


@pytest.mark.django_db
def test_what_waits_for_a_person_or_for_stripe_is_told() -> None:
    """One row of each, and its number."""
    paid = payment(**PAID, attention="look at it")
    with restoring():
        attempt(paid, state=Attempt.State.UNKNOWN, created_at=NOW - timedelta(seconds=90))
    refund(payment=paid, amount=700)
    Break.objects.create(kind="amount", intent_id="pi_1", reason="x", found_at=NOW - timedelta(hours=1), seen_at=NOW)
    Dispute.objects.create(
        dispute_id="dp_1", payment=paid, amount=9_000, currency="KZT", reason="fraudulent", status="needs_response",
        respond_by=NOW + timedelta(days=1), opened_at=NOW, seen_at=NOW,
    )  # fmt: skip
    Pause.objects.create(cause="outage", reason="x", began_at=NOW, began_by="breaker")
    Job.objects.create(action="retry", reason="x", asked_by="aida", state="running", total=1, created_at=NOW)
    OutboxMessage.objects.create(message_id="m", channel="notifications", created_at=NOW, refused_at=NOW)
    Reconciliation.objects.create(asked_by="schedule", from_at=NOW, until_at=NOW, began_at=NOW, ended_at=NOW)
    Reconciliation.objects.create(asked_by="schedule", from_at=NOW, until_at=NOW, began_at=NOW)
    Webhook.objects.create(event_id="evt_1", type="t", livemode=False, received_at=NOW)
    Heartbeat.objects.create(
        process="web", host="a", pid=1, started_at=NOW, beat_at=NOW, facts={"refused_at": NOW.isoformat()}
    )
    accept(record(b"poison", at=NOW), now=NOW - timedelta(seconds=20))
    at = NOW.timestamp()
    expected = {
        "ledger_attention[what=payment]": 1, "ledger_unknown_attempts": 1, "ledger_unknown_oldest_seconds": 90,
        "ledger_money_at_rest[currency=KZT,stage=unknown]": 10_000, "ledger_breaks_open[kind=amount]": 1,
        "ledger_money_at_rest[currency=KZT,stage=refunding]": 700, "ledger_breaks_oldest_seconds": 3600,
        "ledger_money_at_rest[currency=KZT,stage=disputed]": 9_000, "ledger_disputes_to_answer": 1,
        "ledger_dispute_answer_by_timestamp_seconds": at + 86_400, "ledger_charging_paused[cause=outage]": 1,
        "ledger_charging_paused[cause=staff]": 0, "ledger_jobs_running": 1, "ledger_outbox_refused_rows": 1,
        "ledger_reconciled_timestamp_seconds": at, "ledger_webhook_received_timestamp_seconds": at,
        "ledger_webhook_refused_timestamp_seconds": at, "ledger_processes[process=web]": 1,
        "ledger_process_seen_timestamp_seconds[process=web]": at, "ledger_parked_records[verdict=invalid]": 1,
        "ledger_parked_oldest_seconds": 20,
    }  # fmt: skip
    found = read()
    assert {name: found.get(name) for name in expected} == expected


@pytest.mark.django_db
def test_nothing_of_a_customer_is_told(stripe_gateway: Gateway, clock: Clock) -> None:
    """Labels are names of ours and currencies."""
    accept(record(event("sub_canary", user="u_canary"), at=clock()), now=clock())
    metrics.count_hours(clock=clock)
    text = metrics.expose(now=clock()).decode()
    assert [canary for canary in ("canary", "a@b.kz", "pm_card") if canary in text] == []


@pytest.mark.django_db
def test_no_question_reads_a_whole_table(stripe_gateway: Gateway, clock: Clock) -> None:
    """It is asked every few seconds, and most during an outage; small tables may be read."""
    accept(record(event("sub_1"), at=clock()), now=clock())
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
    plans: list[str] = []

    def explain(execute, sql, params, many, context):  # type: ignore[no-untyped-def]
        if sql.lstrip().startswith("SELECT"):
            with connection.connection.cursor() as raw:
                raw.execute(f"EXPLAIN {sql}", params)
                plans.append("\n".join(row[0] for row in raw.fetchall()))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(explain):
        metrics.expose(now=clock())
    small = ("payments_pause", "payments_heartbeat", "payments_counteduntil", "payments_break")
    assert len(plans) > 25
    assert [plan for plan in plans if "Seq Scan" in plan and not any(table in plan for table in small)] == []


def test_a_database_that_is_away_is_told_and_nothing_is_made_up(transactional_db: None) -> None:
    """Old numbers would look like a quiet night."""
    with database_away():
        connection.close()
        of_rows = {name: value for name, value in read().items() if not name.startswith("stripe_")}
        assert of_rows == {"ledger_up": 0}
    assert read()["ledger_up"] == 1


@pytest.mark.django_db
def test_redis_that_is_away_is_told(settings: Any) -> None:
    """The rows are read all the same."""
    settings.REDIS_URL = "redis://127.0.0.1:9/0"
    limits.gauges._redis.cache_clear()
    try:
        found = read()
    finally:
        limits.gauges._redis.cache_clear()
    assert (found["ledger_up"], found["redis_up"]) == (1, 0)
    assert not [name for name in found if name.startswith("redis_messages")]


def test_every_name_is_told_by_some_reading() -> None:
    """Each measure stands in a dictionary that `read` fills; a name without one would be a promise to nobody."""
    text = Path(exposition.__file__).read_text()
    made = [name for name, one in vars(names).items() if isinstance(one, names.Measure)]
    assert [name for name in made if f"names.{name}" not in text] == []
