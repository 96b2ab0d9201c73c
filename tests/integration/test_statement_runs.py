"""How a statement is made: pages, interruptions, two at once, by schedule, by command, and as a file."""

import csv
import io
import json
import signal
import threading
from collections.abc import Iterator
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connections

from payments import charging, statement, tasks
from payments.models import BalanceLine, Pause, Statement
from payments.statement.compare import PART
from tests.integration.books import Books
from tests.integration.commands import run_command
from tests.integration.statements import BEGINS, FEBRUARY, MARCH, asked_for_pages, february, go_to, lines, make

pytestmark = pytest.mark.django_db


@pytest.fixture
def books(settings: Any) -> Iterator[Books]:
    """A February of both sides."""
    with february(settings) as found:
        yield found


def test_more_than_one_page_is_read_to_the_end_and_each_line_once(books: Books) -> None:
    """Whatever the size of Stripe's page."""
    books.paid("a")
    for _ in range(104):
        books.stray()
    result = make(books)
    assert result["differenceCount"] == 104
    assert (BalanceLine.objects.count(), len(asked_for_pages(books))) == (105, 2)
    Statement.objects.all().delete()
    assert make(books, page_size=25) | {"asOf": ""} == result | {"asOf": ""}
    assert BalanceLine.objects.count() == 105


def test_more_lines_than_are_looked_at_at_once_are_each_counted_once(books: Books) -> None:
    """Of one second, too: the place to go on from is the time and the id."""
    line: dict[str, Any] = {"category": "charge", "gross": 200, "fee": 5, "net": 195, "settled_in": "USD"}
    BalanceLine.objects.bulk_create(
        BalanceLine(
            line_id=f"txn_{number}", source_id=f"ch_{number}", amount=200, currency="USD", **line,
            created_at=books.clock() + timedelta(seconds=number // 900),
        )
        for number in range(PART + 30)
    )  # fmt: skip
    result = make(books)
    [dollars] = result["currencies"]
    assert dollars["charged"] == {"here": 0, "there": 200 * (PART + 30)}
    assert dollars["settled"][0]["lines"] == result["differenceCount"] == PART + 30
    assert len(result["differences"]) == statement.DIFFERENCES_KEPT


def test_interrupted_and_run_again_it_comes_to_the_same(books: Books) -> None:
    """It goes on behind the page that was kept; until it is done there are no sums of half a month."""
    for name in ("a", "b", "c", "d", "e"):
        books.paid(name)
    books.stray(amount=7_000)
    whole = make(books, page_size=2)
    kept, asked = lines(), len(asked_for_pages(books))
    Statement.objects.all().delete()
    BalanceLine.objects.all().delete()
    books.stripe.control.add_fault(kind="status", status=503, endpoint="balance_transactions.list", skip=1)
    with pytest.raises(statement.Interrupted, match="Stripe gave no answer"):
        make(books, page_size=2)
    left = Statement.objects.get()
    assert (left.result, left.ended_at, left.lines, BalanceLine.objects.count()) == ({}, None, 2, 2)
    assert left.due_at == books.clock() + timedelta(minutes=5)
    assert make(books, page_size=2) | {"asOf": ""} == whole | {"asOf": ""}
    assert lines() == kept
    assert len(asked_for_pages(books)) == asked + asked + 1, "no page twice but the one that failed"


def test_made_anew_it_shows_what_was_until_it_is_done(books: Books) -> None:
    """Also where Stripe doesn't answer meanwhile."""
    books.paid("a")
    first = make(books)
    books.stripe.control.set_api_key(key="sk_test_placeholder", state="revoked")
    with pytest.raises(statement.Interrupted, match="refuses our key"):
        make(books)
    kept = Statement.objects.get()
    assert (kept.result, kept.ended_at) == (first, None)
    assert "STRIPE_SECRET_KEY" in kept.problem


@pytest.mark.django_db(transaction=True)
def test_of_two_at_once_the_second_refuses(books: Books) -> None:
    """The lock lives and dies with the first one's connection."""
    books.paid("a")
    at_work, go_on = threading.Event(), threading.Event()
    go_to(books, MARCH.from_at + timedelta(days=1))

    def first() -> None:
        def say(_: str) -> None:
            at_work.set()
            go_on.wait(20)

        try:
            make(books, say=say)
        finally:
            connections.close_all()

    thread = threading.Thread(target=first)
    thread.start()
    assert at_work.wait(20)
    try:
        with pytest.raises(statement.Busy):
            make(books)
    finally:
        go_on.set()
        thread.join(20)
    assert make(books)["differenceCount"] == 0


def test_the_month_so_far_counts_until_some_minutes_ago_and_what_has_not_begun_is_refused(books: Books) -> None:
    """What is new may still be on its way between Stripe and us."""
    books.paid("a")
    books.advance(minutes=6)
    books.paid("b")
    asked = statement.ask(month=FEBRUARY, who="aida", now=books.clock())
    statement.make(statement=asked, gateway=books.gateway, clock=books.clock)
    assert asked.result["currencies"][0]["charged"] == {"here": 10_000, "there": 10_000}
    assert asked.result["until"] == (books.clock() - timedelta(minutes=5)).isoformat()
    with pytest.raises(statement.TooEarly, match="2024-03 has not begun"):
        statement.ask(month=MARCH, who="aida", now=books.clock())


def test_the_schedule_makes_last_months_once_and_whatever_somebody_asked_for(books: Books) -> None:
    """Some hours after midnight; one that was made while the month went on is made again; not while Stripe is away."""

    def scheduled() -> str:
        found = statement.make_by_schedule(gateway=books.gateway, clock=books.clock)
        return f"{found} {found.asked_by}" if found else ""

    assert (scheduled(), scheduled()) == ("2024-01 schedule", "")
    statement.ask(month=FEBRUARY, who="staff: aida", now=books.clock())
    assert (scheduled(), scheduled()) == ("2024-02 staff: aida", "")
    go_to(books, MARCH.from_at + timedelta(hours=5))
    assert scheduled() == ""
    books.advance(hours=2)
    charging.pause(cause=Pause.Cause.OUTAGE, reason="", who="breaker", now=books.clock())
    assert scheduled() == ""
    charging.resume(cause=Pause.Cause.OUTAGE, who="probe", now=books.clock())
    assert (scheduled(), scheduled()) == ("2024-02 schedule", "")
    assert Statement.objects.get(month=FEBRUARY.first).until_at == MARCH.from_at


def test_a_task_whose_time_is_over_is_gone_on_with_at_once(books: Books) -> None:
    """A task must end before its message is delivered again."""
    slow = iter(range(10_000))
    began = books.clock()
    found = statement.make_by_schedule(gateway=books.gateway, clock=lambda: began + timedelta(minutes=2) * next(slow))
    assert found is not None
    assert (found.ended_at, found.problem) == (None, "")
    books.advance(hours=1)
    again = statement.make_by_schedule(gateway=books.gateway, clock=books.clock)
    assert again is not None
    assert (again.pk, again.ended_at) == (found.pk, books.clock())


def test_the_task_of_beat_makes_it(books: Books) -> None:
    """Under the name that the schedule has."""
    tasks.make_statement()
    assert Statement.objects.get().asked_by == "schedule"


def command(*arguments: str) -> tuple[str, str, int]:
    """What it prints, what it says on the way, and its exit code."""
    return run_command("statement", *arguments)


def test_the_command_says_by_its_exit_code_what_came_of_it(books: Books) -> None:
    """0: agrees, 3: differs, 1: couldn't be found out; a table, JSON or every line."""
    payment = books.paid("a")
    out, progress, code = command("--month", "2024-02")
    assert (code, out.splitlines()[-1], "1 lines read" in progress) == (0, "The books agree.", True)
    assert progress.endswith("Stripe was asked 1 time.\n")
    assert "100.00\N{NO-BREAK SPACE}KZT" in out and "0.20\N{NO-BREAK SPACE}USD" in out
    books.advance(seconds=2)
    books.stray(amount=7_000)
    out, error, code = command("--month", "2024-02")
    assert (code, "only_there not_ours" in out, "-70.00\N{NO-BREAK SPACE}KZT" in out) == (3, True, True)
    assert error.endswith("1 differs: see above")
    out, _, code = command("--month", "2024-02", "--json")
    found = json.loads(out)
    assert (code, found["month"], found["differenceCount"]) == (3, "2024-02", 1)
    assert found["stripe_calls"] == 1
    out, _, code = command("--month", "2024-02", "--csv")
    rows = list(csv.DictReader(io.StringIO(out.removeprefix("\ufeff"))))
    assert (code, [row["difference"] for row in rows]) == (3, ["", "only_there"])
    assert rows[0] | {
        "kind": "charge", "payment_id": str(payment.id), "currency_here": "KZT", "amount_here": "100.00",
        "amount_stripe": "100.00", "settled_in": "USD", "gross": "0.20", "fee": "0.01", "net": "0.19",
        "exchange_rate": "0.002",
    } == rows[0]  # fmt: skip
    assert rows[0]["created_at"].startswith(f"{BEGINS:%Y-%m-%dT}")
    books.stripe.control.add_fault(kind="status", status=503, endpoint="balance_transactions.list")
    _, error, code = command("--month", "2024-02")
    assert (code, error.endswith("The same command goes on where it was.")) == (1, True)


class Impatient(StringIO):
    """Somebody who presses Ctrl-C when the first page was read."""

    def write(self, text: str, /) -> int:
        """As a terminal does it."""
        written = super().write(text)
        if "lines read" in text:
            signal.raise_signal(signal.SIGINT)
        return written


def test_ctrl_c_ends_the_command_with_130_and_the_same_command_goes_on(books: Books) -> None:
    """Nothing that was read is read again."""
    for _ in range(101):
        books.stray()
    with pytest.raises(CommandError, match="The same command goes on") as ended:
        call_command("statement", "--month", "2024-02", stdout=StringIO(), stderr=Impatient())
    assert (ended.value.returncode, BalanceLine.objects.count(), Statement.objects.get().ended_at) == (130, 100, None)
    assert command("--month", "2024-02")[2] == 3
    assert (BalanceLine.objects.count(), len(asked_for_pages(books))) == (101, 2)


@pytest.mark.parametrize("month", ["2024-13", "24-02", "2024-2", "february", "1999-01", "２０24-02"])
def test_the_command_says_what_a_month_looks_like(month: str) -> None:
    """One line."""
    assert "must be a month like 2026-10" in command("--month", month)[1]


def test_a_month_that_has_not_begun_is_refused_in_one_line() -> None:
    """Nobody is asked."""
    assert command("--month", "2099-01")[1:] == ("2099-01 has not begun (months are those of UTC)", 1)
