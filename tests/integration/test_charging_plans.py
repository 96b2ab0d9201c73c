"""What charging and intake read is their own: as little with thousands of outcomes unknown as with none.

PostgreSQL's statistics are of the time before an outage, when hardly any attempt was open: statements must not rest on
it that those are few.
"""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction

from payments import charging
from payments.models import Attempt, Payment, Subscription
from tests.integration.books import Books
from tests.integration.events import accept, event, record
from tests.integration.ledger_rows import NOW, PAID, restoring

pytestmark = pytest.mark.django_db

OTHERS = 3_000
CHARGED = 10
# Its versions from before are rows as well.
VERSIONS = 10
EXPLAINED = ("SELECT", "UPDATE", "INSERT", "WITH")


def add_others(name: str, *, of_payment: dict[str, Any], of_attempt: dict[str, Any]) -> None:
    """So many payments, each with an attempt, of which nothing is due."""
    names = [f"{name}_{number}" for number in range(OTHERS)]
    Subscription.objects.bulk_create([Subscription(id=one) for one in names])
    defaults: dict[str, Any] = {
        "number": 1, "user_as_sent": {}, "user_id": "u", "price": 100, "amount": 10_000, "currency": "KZT",
        "payment_method": "pm_1", "created_at": NOW, "accepted_at": NOW, "account_id": "acct_1", "livemode": False,
    }  # fmt: skip
    with restoring():
        payments = Payment.objects.bulk_create([
            Payment(**(defaults | of_payment | {"subscription_id": one, "subscription_as_sent": one, "intent_id": one}))
            for one in names
        ])  # fmt: skip
        Attempt.objects.bulk_create([
            Attempt(payment=one, number=1, asked_by="event", payment_method="pm_1", created_at=NOW, **of_attempt)
            for one in payments
        ])  # fmt: skip


@contextmanager
def most_rows() -> Iterator[dict[str, float]]:
    """By statement: the most rows that any step of its plan has come across, those that it had no use for as well."""
    found: dict[str, float] = {}

    def explain(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if sql.lstrip().startswith(EXPLAINED):
            with transaction.atomic(), connection.connection.cursor() as cursor:
                cursor.execute("EXPLAIN (ANALYZE, FORMAT JSON) " + sql, params)
                [[[explained]]] = cursor.fetchall()
                transaction.set_rollback(True)
            found[sql] = max(found.get(sql, 0.0), *(_rows(step) for step in _steps(explained["Plan"])))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(explain):
        yield found


def _steps(step: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield step
    for below in step.get("Plans", ()):
        yield from _steps(below)


def _rows(step: dict[str, Any]) -> float:
    removed = sum(rows for name, rows in step.items() if name.startswith("Rows Removed"))
    return float(step["Actual Loops"] * (step["Actual Rows"] + removed))


@pytest.fixture
def others(books: Books) -> None:
    """Thousands that are paid, of which PostgreSQL knows, and thousands with unknown outcomes, of which it doesn't."""
    add_others("paid", of_payment=PAID, of_attempt={"state": "succeeded", "ended_at": NOW})
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE payments_payment, payments_attempt, payments_subscription")
    later = books.clock() + timedelta(days=1)
    add_others("unknown", of_payment={"due_at": later}, of_attempt={"state": "unknown", "sent_at": NOW})


def take_in(books: Books) -> list[uuid.UUID]:
    """Events that are new; the ids of their payments."""
    records = [record(event(f"new_{number}", method="pm_1"), at=books.clock()) for number in range(CHARGED)]
    return accept(*records, now=books.clock()).due


def too_many(found: dict[str, float]) -> dict[str, float]:
    """The statements that come across more than their own payments need."""
    return {sql: rows for sql, rows in found.items() if rows > CHARGED * VERSIONS}


@pytest.mark.usefixtures("others")
def test_nothing_that_charging_does_reads_what_others_have_open(books: Books) -> None:
    """Plan, claim, bind, mark and settle of ten payments."""
    due = take_in(books)
    with most_rows() as found:
        pace = charging.Pace(live=True, patience=60.0)
        charging.charge(payment_ids=due, gateway=books.gateway, clock=books.clock, pace=pace)
    assert Payment.objects.filter(id__in=due, status="success").count() == CHARGED
    assert len(found) > CHARGED, found
    assert not too_many(found)


@pytest.mark.usefixtures("others")
def test_nothing_that_intake_does_reads_the_payments_of_others(books: Books) -> None:
    """Ten new events, and the same again."""
    with most_rows() as found:
        take_in(books)
        take_in(books)
    assert Payment.objects.filter(subscription__id__startswith="new_").count() == CHARGED
    assert found
    assert not too_many(found)
