"""What a statement asks Stripe for: the month once, then one by one what is only here, and never more than it must."""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from payments import statement
from payments.intake.import_paid import import_paid
from payments.intake.paid_before import read_paid
from payments.models import Attempt, BalanceLine, Payment, Statement
from payments.statement import read
from tests.integration.books import Books, no_guards
from tests.integration.statements import MARCH, asked_for_pages, differences, february, go_to, make

pytestmark = pytest.mark.django_db

ONLY_HERE = ("charge", "only_here", "no_line")


@pytest.fixture
def books(settings: Any) -> Iterator[Books]:
    """A February of both sides."""
    with february(settings) as found:
        yield found


def paid_here(books: Books, name: str) -> Payment:
    """A payment that is paid here, and that Stripe knows nothing of."""
    payment = books.paid(name)
    with no_guards():
        Payment.objects.filter(pk=payment.pk).update(intent_id=f"pi_gone_{name}")
        Attempt.objects.filter(payment=payment).update(charge_id=f"ch_gone_{name}")
    return payment


def imported(books: Books, intent: str) -> Payment:
    """One that the replaced service has charged: only Stripe knows its charge."""
    line = json.dumps(
        {
            "subId": "old", "price": 100, "currency": "KZT", "transactionId": intent,
            "paidAt": books.clock().isoformat(), "userId": "u_1",
        }
    )  # fmt: skip
    paid, _ = read_paid(lines=[line], price_unit="major", now=books.clock())
    import_paid(paid=paid, who="staff: aida", why="cut-over", now=books.clock(), dry_run=False)
    return Payment.objects.get(subscription_id="old")


def sources_asked(books: Books) -> list[str]:
    """What Stripe was asked for by its id, in order."""
    return [one["params"]["source"] for one in asked_for_pages(books) if "source" in one["params"]]


def test_a_month_that_was_read_to_its_end_is_not_read_again(books: Books) -> None:
    """Interrupted at what is asked for one by one, it goes on there."""
    paid_here(books, "a")
    books.stripe.control.add_fault(kind="status", status=503, endpoint="balance_transactions.list", skip=1)
    with pytest.raises(statement.Interrupted):
        make(books)
    assert Statement.objects.get().lines == BalanceLine.objects.count() == 1
    assert ONLY_HERE in differences(make(books))
    assert len(asked_for_pages(books)) == 3
    assert sources_asked(books) == ["ch_gone_a", "ch_gone_a"]


def test_what_stripe_refuses_to_tell_of_has_no_line(books: Books) -> None:
    """It doesn't know the charge; the month comes to its end all the same."""
    paid_here(books, "a")
    books.stripe.control.add_fault(kind="status", status=404, endpoint="balance_transactions.list", skip=1)
    assert ONLY_HERE in differences(make(books))


@pytest.mark.parametrize("refused", [False, True])
def test_of_a_charge_that_stripe_does_not_have_nothing_is_asked(books: Books, refused: bool) -> None:
    """Paid through the system before, as its list says; Stripe has no charge of it, or not even the PaymentIntent."""
    payment = imported(books, books.stray(status="requires_payment_method"))
    if refused:
        books.stripe.control.add_fault(kind="status", status=404, endpoint="charges.list")
    result = make(books)
    assert differences(result) == [ONLY_HERE]
    assert result["differences"][0]["payment"] == str(payment.id)
    assert sources_asked(books) == []


def test_a_charge_that_only_stripe_knows_is_asked_for(books: Books) -> None:
    """Its line is of the month before: that is no difference, and the sums of this month are without it."""
    intent = books.stray()
    go_to(books, MARCH.from_at + timedelta(hours=1))
    imported(books, intent)
    result = make(books, MARCH)
    assert (result["differences"], result["currencies"]) == ([], [])
    assert sources_asked(books) == list(BalanceLine.objects.values_list("source_id", flat=True))
    assert len(sources_asked(books)) == 1


def test_no_more_than_some_hundreds_are_asked_for_one_by_one(books: Books, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is another account's key then, and the answer would be the same for all."""
    monkeypatch.setattr(read, "ASKED_ONE_BY_ONE", 1)
    for name in ("a", "b", "c"):
        paid_here(books, name)
    assert differences(make(books)).count(ONLY_HERE) == 3
    assert len(sources_asked(books)) == 1


def test_a_statement_that_is_made_is_not_made_again(books: Books) -> None:
    """Two workers have taken the same one up: the second asks Stripe nothing."""
    books.paid("a")
    make(books)
    made, asked = Statement.objects.get(), len(asked_for_pages(books))
    statement.make(statement=made, gateway=books.gateway, clock=books.clock)
    assert (made.ended_at, len(asked_for_pages(books))) == (Statement.objects.get().ended_at, asked)
