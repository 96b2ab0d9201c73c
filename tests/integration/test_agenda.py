"""The one look of each second: it rings for each task that has something to do, and for none at rest."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from payments import agenda, charging, limits, tasks
from payments.agenda import Agenda
from payments.charging.due import GRACE
from payments.models import Job, Pause, Payment, Refund, Webhook
from tests.integration.events import accept, event, record

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("empty_redis")]

NOTHING = Agenda(payments=False, webhooks=False, refunds=False, jobs=False)


@pytest.fixture
def now() -> datetime:
    """Tasks look at the real clock."""
    return datetime.now(UTC)


@pytest.fixture
def payment(now: datetime) -> Payment:
    """One that is at rest: paid long ago."""
    [one] = accept(record(event("sub_1"), at=now), now=now).due
    Payment.objects.filter(id=one).update(status="success", intent_id="pi_1", settled_at=now, due_at=None)
    return Payment.objects.get()


def rung() -> list[str]:
    """The tasks that were rung for, in their order."""
    raw = limits.connect_redis().lrange(limits.KEY_PREFIX + limits.SWEEP_QUEUE, 0, -1)
    return [json.loads(one)["headers"]["task"] for one in reversed(raw)]


def webhook(payment: Payment, now: datetime) -> None:
    """One that nobody has answered."""
    Webhook.objects.create(event_id="evt_1", type="charge.refunded", livemode=False, payment=payment, received_at=now)


def refund(payment: Payment, now: datetime, *, due_in: timedelta = timedelta()) -> None:
    """One that isn't at its end."""
    Refund.objects.create(payment=payment, amount=1, asked_by="aida", created_at=now, due_at=now + due_in)


def job(now: datetime, state: str) -> None:
    """One about nothing."""
    Job.objects.create(action="retry", reason="a test", asked_by="aida", state=state, total=0, created_at=now)


def test_at_rest_a_sweep_is_one_statement_and_rings_for_nobody(payment: Payment, now: datetime) -> None:
    """What is due later, previewed, or over is nothing to do."""
    refund(payment, now, due_in=timedelta(hours=1))
    job(now, "draft")
    Pause.objects.create(cause="staff", began_at=now, began_by="aida", ended_at=now, ended_by="aida")
    with CaptureQueriesContext(connection) as asked:
        tasks.sweep()
    assert (len(asked), rung(), agenda.look(now=now)) == (1, [], NOTHING)


@pytest.mark.parametrize(
    "state",
    [
        {},
        {"intent_id": "pi_1"},
        {"intent_id": "pi_1", "status": "failed", "fault": "issuer", "kind": "soft", "reason": "declined"},
    ],
)
def test_each_kind_of_payment_that_the_sweep_finds_is_seen(now: datetime, state: dict[str, Any]) -> None:
    """P5: or it would wait for ever."""
    [one] = accept(record(event("sub_1"), at=now), now=now).due
    due_at = now - GRACE
    settled_at = now if state.get("status") == "failed" else None
    Payment.objects.filter(id=one).update(**state, settled_at=settled_at, due_at=due_at)
    assert list(charging.find_due(limit=10, now=now)) == [one]
    assert agenda.look(now=now) == NOTHING._replace(payments=True)
    assert agenda.look(now=due_at - timedelta(seconds=1)) == NOTHING


def test_a_pause_is_seen_as_a_probe_may_end_it(payment: Payment, now: datetime) -> None:
    """Also where no payment is due."""
    charging.pause(cause="outage", reason="no answer", who="breaker", now=now)
    assert agenda.look(now=now) == NOTHING._replace(payments=True)


def test_a_sweep_rings_for_each_task_that_has_something_to_do(payment: Payment, now: datetime) -> None:
    """A webhook for those who judge it and those who look at what it tells of; each task once."""
    webhook(payment, now)
    tasks.sweep()
    assert rung() == ["payments.hint", "payments.give_back"]
    refund(payment, now)
    job(now, "running")
    tasks.sweep()
    assert rung()[2:] == ["payments.hint", "payments.give_back", "payments.sweep_jobs"]


def test_a_refund_that_is_due_is_rung_for_alone(payment: Payment, now: datetime) -> None:
    """And not a moment before."""
    refund(payment, now)
    tasks.sweep()
    assert rung() == ["payments.give_back"]
    assert not agenda.look(now=now - timedelta(seconds=1)).refunds
