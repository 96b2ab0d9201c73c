"""The page of statements: for Finance alone, from rows alone, and its file safe to open."""

import csv
import io
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from payments.models import BalanceLine, StaffEntry, Statement
from tests.integration.books import Books
from tests.integration.staff_users import member
from tests.integration.statements import asked_for_pages, february, make

pytestmark = pytest.mark.django_db
PAGE = "/admin/payments/statement/"


@pytest.fixture
def books(settings: Any) -> Iterator[Books]:
    """A February of both sides."""
    with february(settings) as found:
        yield found


@pytest.fixture
def finance(client: Client) -> Client:
    """Who keeps the books."""
    client.force_login(member("Finance"))
    return client


def shown(client: Client, month: str = "2024-02", **options: Any) -> str:
    """The page of a month."""
    answer = client.get(PAGE, {"month": month}, **options)
    assert answer.status_code == 200
    return answer.content.decode()


@pytest.mark.parametrize("group", ["Support", "Lead"])
def test_who_is_not_of_finance_sees_nothing_of_it(client: Client, group: str) -> None:
    """Neither the page, nor the file, nor its place in the menu; and can't have one made."""
    client.force_login(member(group))
    for address in (PAGE, f"{PAGE}?month=2024-02", f"{PAGE}csv/?month=2024-02", f"{PAGE}1/change/"):
        assert client.get(address).status_code == 403, address
    assert client.post(f"{PAGE}make/", {"month": "2024-02"}).status_code == 403
    assert PAGE not in client.get("/admin/").content.decode()
    assert not Statement.objects.exists()


def test_the_page_shows_both_sides_fees_and_each_difference_and_asks_nobody(books: Books, finance: Client) -> None:
    """A payment is a link to its page; what is Stripe's alone has its id."""
    payment = books.paid("a")
    books.stripe.control.refund(payment_intent=payment.intent_id or "", amount=4_000)
    intent = books.stray(amount=7_000)
    make(books)
    asked = len(asked_for_pages(books))
    page = shown(finance)
    for text in ("100.00 KZT", "170.00 KZT", "40.00 KZT", "0.02 USD", "-70.00 KZT", "2 lines differ."):
        assert text.replace(" KZT", "\N{NO-BREAK SPACE}KZT").replace(" USD", "\N{NO-BREAK SPACE}USD") in page, text
    charge: Any = books.stripe.ledger.payment_intents.get(intent)
    assert charge.latest_charge in page
    assert f"/admin/payments/payment/{payment.id}/change/" in page
    assert "made in its dashboard or by another program" in page
    assert len(asked_for_pages(books)) == asked


def test_a_month_is_chosen_and_what_is_none_is_not_found(books: Books, finance: Client) -> None:
    """Months that were made are offered, however old; without one it is the last that is over."""
    make(books)
    assert '<option value="2024-02" selected>' in shown(finance)
    assert '<option value="2024-02">' in shown(finance, "")
    assert "books and ours agree." in shown(finance)
    for wrong in ("2024-13", "x", "2024-02-01"):
        assert finance.get(PAGE, {"month": wrong}).status_code == 404
    made = Statement.objects.get()
    assert finance.get(f"{PAGE}{made.pk}/change/").headers["Location"] == f"{PAGE}?month=2024-02"


def test_who_asks_for_a_statement_waits_for_a_worker_and_is_in_the_log(finance: Client) -> None:
    """The request itself asks Stripe nothing; a month that has not begun is refused."""
    assert "There is no statement of this month yet." in shown(finance)
    answer = finance.post(f"{PAGE}make/", {"month": "2024-02"})
    assert (answer.status_code, answer.headers["Location"]) == (302, f"{PAGE}?month=2024-02")
    asked = Statement.objects.get()
    assert (asked.asked_by, asked.ended_at, asked.result) == ("staff: aida", None, {})
    entry = StaffEntry.objects.get(what="acted")
    assert entry.details == {"action": "statement", "month": "2024-02"}
    assert "Being made since" in shown(finance)
    Statement.objects.update(problem="Stripe gave no answer (no_answer)")
    assert "Making it was interrupted: Stripe gave no answer" in shown(finance)
    finance.post(f"{PAGE}make/", {"month": "2098-01"})
    assert "That month has not begun." in shown(finance, "2098-01")
    assert finance.get(f"{PAGE}make/").status_code == 405


def rows_of(client: Client) -> list[dict[str, str]]:
    """The file as a spreadsheet reads it."""
    answer: Any = client.get(f"{PAGE}csv/", {"month": "2024-02"})
    assert answer.status_code == 200
    content = b"".join(answer.streaming_content)
    assert content.startswith(b"\xef\xbb\xbf")
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"))))


def test_the_file_has_every_line_no_formula_and_numbers_that_can_be_added_up(books: Books, finance: Client) -> None:
    """What comes from outside stays text; an amount below zero is a number; the download is in the log."""
    payment = books.paid("a")
    books.stripe.control.refund(payment_intent=payment.intent_id or "", amount=4_000)
    books.compare()
    BalanceLine.objects.create(
        line_id="=cmd()", category="@SUM(1)", source_id="+1", gross=-500, fee=0, net=-500, settled_in="USD",
        created_at=books.clock(),
    )  # fmt: skip
    make(books)
    charge, refund, other = rows_of(finance)
    assert (charge["kind"], charge["amount_here"], charge["gross"]) == ("charge", "100.00", "0.20")
    assert (refund["kind"], refund["amount_stripe"], refund["gross"], refund["net"]) == (
        "refund", "40.00", "-0.08", "-0.08",
    )  # fmt: skip
    assert (other["kind"], other["balance_transaction"], other["source"]) == ("'@SUM(1)", "'=cmd()", "'+1")
    assert (other["amount_here"], other["gross"]) == ("", "-5.00")
    entry = StaffEntry.objects.get(what="exported")
    assert entry.details == {"list": "statement", "month": "2024-02"}


def test_there_is_no_file_of_half_a_month(books: Books, finance: Client) -> None:
    """While it is made anew the sums of before are shown, with when they were made."""
    make(books)
    Statement.objects.update(ended_at=None, due_at=datetime.now(UTC) + timedelta(minutes=1))
    assert finance.get(f"{PAGE}csv/", {"month": "2024-02"}).status_code == 404
    page = shown(finance)
    assert "All lines as CSV" not in page
    assert "As of 2024-03-02" in page


@pytest.mark.parametrize(("language", "text"), [("ru", "Данные Stripe и наши сходятся."), ("kk", "сәйкес келеді")])
def test_the_page_speaks_the_language_of_who_reads_it(books: Books, finance: Client, language: str, text: str) -> None:
    """As the rest of the desk does."""
    make(books)
    assert text in shown(finance, headers={"accept-language": language})
