"""For tests of statements: a February of both sides, whatever the day is on which the tests run."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from billing_project.dev.simulator import Simulator
from payments import gateway, statement
from payments.models import BalanceLine, Statement
from payments.statement import Month
from tests.integration.books import Books

# A leap year's, so that the month has an edge of its own.
BEGINS = datetime(2024, 2, 10, 12, tzinfo=UTC)
FEBRUARY = statement.read_month("2024-02")
MARCH = FEBRUARY.after()


@contextmanager
def february(settings: Any) -> Iterator[Books]:
    """A Stripe of the test's own, whose clock begins then, and nothing waits for tokens."""
    with Simulator(seed=1, behind=time.time() - BEGINS.timestamp()) as simulator:
        settings.STRIPE_API_BASE, settings.STRIPE_RATE_LIMIT = simulator.url, 10_000
        gateway.connect.cache_clear()
        yield Books(stripe=simulator, gateway=gateway.connect())
        gateway.connect.cache_clear()


def go_to(books: Books, at: datetime) -> None:
    """Time goes by for both, until then or some milliseconds later."""
    books.advance(seconds=(at - books.clock()).total_seconds())


def make(books: Books, month: Month = FEBRUARY, **options: Any) -> dict[str, Any]:
    """What the month comes to, as it is asked for in the month after it."""
    if books.clock() < month.end_at:
        go_to(books, month.after().from_at.replace(day=2))
    asked = statement.ask(month=month, who="aida", now=books.clock())
    statement.make(statement=asked, gateway=books.gateway, clock=books.clock, **options)
    result: dict[str, Any] = Statement.objects.get(month=month.first).result
    return result


def of(result: dict[str, Any], currency: str) -> dict[str, Any]:
    """One currency's sums."""
    [found] = [one for one in result["currencies"] if one["currency"] == currency]
    return dict(found)


def differences(result: dict[str, Any]) -> list[tuple[str, str, str]]:
    """What differs: kind, how, and why."""
    return [(one["kind"], one["difference"], one["why"]) for one in result["differences"]]


def asked_for_pages(books: Books) -> list[dict[str, Any]]:
    """The requests for Stripe's balance."""
    return [one for one in books.lists_asked() if one["endpoint"] == "balance_transactions.list"]


def move(books: Books, source: str, to: datetime) -> None:
    """Stripe has had this charge on its balance at that very second."""
    with books.stripe.ledger.lock:
        for line in books.stripe.ledger.balance_transactions:
            if line.source == source:
                line.created = int(to.timestamp())


def lines() -> list[tuple[Any, ...]]:
    """The rows, in Stripe's order."""
    return list(BalanceLine.objects.order_by("created_at", "-id").values_list("line_id", "category", "gross", "fee"))
