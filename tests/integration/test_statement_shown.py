"""What the command shows of a month beside the sums: other lines, several currencies of settlement, what is cut off."""

import csv
import io
from collections.abc import Iterator
from typing import Any

import pytest

from payments.models import Attempt, BalanceLine, Payment
from payments.statement import sums
from tests.integration.books import Books, no_guards
from tests.integration.commands import run_command
from tests.integration.statements import february

pytestmark = pytest.mark.django_db


@pytest.fixture
def books(settings: Any) -> Iterator[Books]:
    """A February of both sides."""
    with february(settings) as found:
        yield found


def put_line(books: Books, number: int, **fields: Any) -> None:
    """One more line of Stripe's balance."""
    line: dict[str, Any] = {"category": "charge", "gross": 200, "fee": 5, "net": 195, "settled_in": "USD"}
    about: dict[str, Any] = {"source_id": f"ch_{number}", "amount": 10_000, "currency": "KZT"}
    BalanceLine.objects.create(line_id=f"txn_{number}", created_at=books.clock(), **(line | about | fields))


def test_each_currency_of_settlement_and_each_other_line_has_its_row(books: Books) -> None:
    """Tenge that came to the balance as dollars and as euros; a payout; and what all of it came to."""
    put_line(books, 1)
    put_line(books, 2, settled_in="EUR", gross=180, fee=4, net=176)
    payout: dict[str, Any] = {"category": "payout", "source_id": "po_1", "amount": None, "currency": ""}
    put_line(books, 3, gross=-300, fee=0, net=-300, **payout)
    out, _, code = run_command("statement", "--month", "2024-02")
    rows = [[cell.strip().replace("\N{NO-BREAK SPACE}", " ") for cell in line.split("│")] for line in out.splitlines()]
    [stripe] = [row for row in rows if "KZT Stripe" in row]
    assert stripe[-4:-1] == ["1.80 EUR", "0.04 EUR", "1.76 EUR"]
    assert rows[rows.index(stripe) + 1][1:-1] == ["", "", "", "", "2.00 USD", "0.05 USD", "1.95 USD"]
    assert ["payout", "1", "-3.00 USD", "0.00 USD", "-3.00 USD"] in [row[1:-1] for row in rows]
    assert "net of all lines: -1.05\N{NO-BREAK SPACE}USD" in out
    assert code == 3


def test_what_is_not_shown_is_counted_and_in_the_file(books: Books, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever has so many differences has one reason for them."""
    monkeypatch.setattr(sums, "DIFFERENCES_KEPT", 2)
    for number in range(5):
        put_line(books, number)
    out, error, code = run_command("statement", "--month", "2024-02")
    assert (out.count("only_there"), out.splitlines()[-1], code) == (2, "and 3 more: --csv has all of them", 3)
    assert "5 differ: see above" in error
    out, _, _ = run_command("statement", "--month", "2024-02", "--csv")
    assert out.count("only_there") == 5


def test_what_is_only_here_is_a_row_of_the_file_without_stripes_columns(books: Books) -> None:
    """Empty, and not 0: Stripe says nothing of it."""
    payment = books.paid("a")
    BalanceLine.objects.all().delete()
    with no_guards():
        Payment.objects.filter(pk=payment.pk).update(intent_id="pi_gone")
        Attempt.objects.filter(payment=payment).update(charge_id="ch_gone")
    out, _, _ = run_command("statement", "--month", "2024-02", "--csv")
    rows = list(csv.DictReader(io.StringIO(out.removeprefix("\ufeff"))))
    [row] = [row for row in rows if row["difference"] == "only_here"]
    assert (row["why"], row["payment_id"], row["amount_here"]) == ("no_line", str(payment.id), "100.00")
    there = ("balance_transaction", "amount_stripe", "settled_in", "gross", "fee", "net", "exchange_rate")
    assert {row[name] for name in there} == {""}
