"""Rows that grow old, for tests of retention."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from payments import charging, intake, outbox, retention
from payments.gateway import Gateway
from payments.models import Payment
from tests.conftest import Clock
from tests.integration.events import accept, event, record

TOPIC = "payment.createInitial"
LONG = timedelta(days=100)


def prune(now: datetime, **options: Any) -> dict[str, int]:
    """A whole run; how many rows of each."""
    counts: dict[str, int] = {}
    for step in retention.prune(now=now, pause=0, **options):
        counts[step.what] = counts.get(step.what, 0) + step.rows
    return counts


def of_topic(sent: Any, *, at: datetime, offset: int, headers: Any = ()) -> intake.Record:
    """A record of a topic that has an id, as Kafka's have."""
    return replace(record(sent, at=at, offset=offset, headers=headers), topic_id="id1")


def take(clock: Clock, *records: intake.Record) -> dict[str, int]:
    """A batch through the front door."""
    return accept(*records, now=clock()).counts


def pay(clock: Clock, gateway: Gateway) -> None:
    """Charge what is due, and publish what is to be told."""
    charging.charge(payment_ids=list(Payment.objects.values_list("id", flat=True)), gateway=gateway, clock=clock)
    publish(clock)


def publish(clock: Clock) -> None:
    """As the relay does."""
    outbox.mark_published(ids=[row.id for row in outbox.waiting(limit=100)], now=clock())


def newest(clock: Clock) -> None:
    """Something comes in now: the newest record stays in any case."""
    take(clock, of_topic(event("newest"), at=clock(), offset=1_000))
