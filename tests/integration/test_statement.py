"""A month of Stripe's balance beside our rows: what agrees, what differs and by how much."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from payments.models import Attempt, Dispute, Payment, Refund
from tests.integration.books import Books, no_guards
from tests.integration.refunding import ask, carry_out
from tests.integration.statements import FEBRUARY, MARCH, differences, february, go_to, lines, make, move, of

pytestmark = pytest.mark.django_db

SAME = {"here": 0, "there": 0}


@pytest.fixture
def books(settings: Any) -> Iterator[Books]:
    """A February of both sides."""
    with february(settings) as found:
        yield found


def both(amount: int) -> dict[str, int]:
    """The same on both sides."""
    return {"here": amount, "there": amount}


def charge_of(payment: Payment) -> str:
    """Stripe's id of the charge that has paid it."""
    return Attempt.objects.get(payment=payment, state="succeeded").charge_id


def test_equal_books_have_the_same_sums_on_both_sides_and_no_difference(books: Books) -> None:
    """By currency, with what it came to on the balance: tenge are settled in dollars, won as they are."""
    paid = books.paid("a")
    books.paid("b", price=50)
    books.paid("c", price=9000, currency="KRW")
    ask(paid, books.clock, 2_500)
    assert carry_out(books.gateway, books.clock) == ["succeeded"]
    result = make(books)
    assert result["differenceCount"] == 0 and result["differences"] == []
    tenge, won = of(result, "KZT"), of(result, "KRW")
    assert (tenge["charged"], tenge["refunded"], tenge["disputed"]) == (both(15_000), both(2_500), SAME)
    assert tenge["settled"] == [{"currency": "USD", "lines": 3, "gross": 20 + 10 - 5, "fee": 2, "net": 23}]
    assert won["charged"] == both(9_000)
    assert won["settled"] == [{"currency": "KRW", "lines": 1, "gross": 9_000, "fee": 261, "net": 8_739}]
    assert result["balance"] == [{"currency": "KRW", "net": 8_739}, {"currency": "USD", "net": 23}]
    assert (result["from"], result["until"]) == ("2024-02-01T00:00:00+00:00", "2024-03-01T00:00:00+00:00")


def test_a_currency_without_decimals_is_not_multiplied(books: Books) -> None:
    """500 yen are 500, and come to the balance as dollars and cents."""
    books.paid("a", price=500, currency="JPY")
    yen = of(make(books), "JPY")
    assert yen["charged"] == both(500)
    assert yen["settled"] == [{"currency": "USD", "lines": 1, "gross": 335, "fee": 10, "net": 325}]


def test_a_charge_made_in_the_dashboard_is_named_as_only_there(books: Books) -> None:
    """With its id and by how much the sums differ for it."""
    books.paid("a")
    intent = books.stray(amount=7_000)
    result = make(books)
    [found] = result["differences"]
    assert differences(result) == [("charge", "only_there", "not_ours")]
    assert found["source"] == books.stripe.ledger.payment_intents.get(intent).latest_charge  # type: ignore[union-attr]
    assert (found["intent"], found["payment"], found["here"]) == (intent, None, None)
    assert found["by"] == {"amount": -7_000, "currency": "KZT"}
    assert of(result, "KZT")["charged"] == {"here": 10_000, "there": 17_000}


def test_a_refund_that_is_missing_here_is_named_until_we_hear_of_it(books: Books) -> None:
    """Made in the dashboard; the statement that is made anew after the reconciliation agrees."""
    payment = books.paid("a")
    made = books.stripe.control.refund(payment_intent=payment.intent_id or "", amount=4_000)
    books.advance(hours=1)
    go_to(books, MARCH.from_at - timedelta(days=1))
    before = make(books)
    assert differences(before) == [("refund", "only_there", "not_here")]
    assert (before["differences"][0]["source"], before["differences"][0]["payment"]) == (made["id"], str(payment.id))
    assert of(before, "KZT")["refunded"] == {"here": 0, "there": 4_000}
    books.compare(hours=24 * 40)
    after = make(books)
    assert differences(after) == []
    assert of(after, "KZT")["refunded"] == both(4_000), "of Stripe's month, though we heard of it in the next one"


def test_a_charge_in_the_last_second_of_a_month_is_of_that_month_though_we_heard_of_it_after_midnight(
    books: Books,
) -> None:
    """23:59:59.9 UTC is February for Stripe; our row says March, and neither month differs."""
    go_to(books, MARCH.from_at + timedelta(minutes=1))
    last, first = books.paid("last"), books.paid("first")
    move(books, charge_of(last), MARCH.from_at - timedelta(seconds=0.1))
    move(books, charge_of(first), MARCH.from_at)
    with no_guards():
        # As of one that another service has charged: only its PaymentIntent is known.
        Attempt.objects.filter(payment=last).update(charge_id="")
    go_to(books, MARCH.end_at + timedelta(hours=1))
    march = make(books, MARCH)
    assert (march["differences"], of(march, "KZT")["charged"]) == ([], both(10_000)), "February's wasn't read before"
    found = make(books)
    assert (found["differences"], of(found, "KZT")["charged"]) == ([], both(10_000))
    assert [one[1] for one in lines()] == ["charge", "charge"]


def test_what_stripe_has_no_line_of_is_only_here(books: Books) -> None:
    """It was asked for it by its id before that is said."""
    payment, kept = books.paid("a"), books.paid("b")
    with no_guards():
        Payment.objects.filter(pk=payment.pk).update(intent_id="pi_gone")
        Attempt.objects.filter(payment=payment).update(charge_id="ch_gone")
        Refund.objects.create(
            payment=kept, amount=100, asked_by="aida", state="succeeded", refund_id="re_gone",
            created_at=books.clock(), ended_at=books.clock(),
        )  # fmt: skip
        Dispute.objects.create(
            dispute_id="du_gone", payment=kept, amount=300, currency="KZT", reason="fraudulent", status="lost",
            opened_at=books.clock(), seen_at=books.clock(), ended_at=books.clock(),
        )  # fmt: skip
    result = make(books)
    assert sorted(differences(result)) == [
        ("charge", "only_here", "no_line"), ("charge", "only_there", "not_here"), ("dispute", "only_here", "no_line"),
        ("refund", "only_here", "no_line"),
    ]  # fmt: skip
    sums = of(result, "KZT")
    assert (sums["charged"], sums["refunded"]) == (both(20_000), {"here": 100, "there": 0})
    assert sums["disputed"] == {"here": 300, "there": 0}


def test_another_amount_or_currency_differs_by_so_much(books: Books) -> None:
    """Of the currency nothing can be said but both sides."""
    amount, currency = books.paid("a"), books.paid("b")
    with no_guards():
        Payment.objects.filter(pk=amount.pk).update(amount=9_000)
        Payment.objects.filter(pk=currency.pk).update(currency="USD")
    result = make(books)
    by = {one["why"]: one["by"] for one in result["differences"]}
    assert {one["difference"] for one in result["differences"]} == {"differs"}
    assert by == {"amount": {"amount": -1_000, "currency": "KZT"}, "currency": None}
    assert of(result, "USD")["charged"] == {"here": 10_000, "there": 0}


def test_a_payment_that_is_not_paid_here_is_said_to_be_so(books: Books) -> None:
    """Stripe has taken the money; the row that says otherwise is there."""
    payment = books.paid("a")
    with no_guards():
        Payment.objects.filter(pk=payment.pk).update(status="pending", settled_at=None, due_at=books.clock())
    assert differences(make(books)) == [("charge", "only_there", "not_so_here")]


def test_what_comes_home_again_is_taken_off_the_sum(books: Books) -> None:
    """A refund that the bank returns, and a dispute that is won; the dispute's fee stays with Stripe."""
    returned, disputed = books.paid("a"), books.paid("b")
    refund = books.stripe.control.refund(payment_intent=returned.intent_id or "", amount=4_000)["id"]
    dispute = books.stripe.control.dispute(payment_intent=disputed.intent_id or "")["id"]
    books.compare()
    books.stripe.control.resolve_refund(refund=refund, outcome="failed")
    books.stripe.control.resolve_dispute(dispute=dispute, outcome="won")
    books.compare()
    result = make(books)
    sums = of(result, "KZT")
    assert (differences(result), sums["refunded"], sums["disputed"]) == ([], SAME, SAME)
    assert sums["settled"] == [
        {"currency": "USD", "lines": 6, "gross": 40, "fee": 2 + 1500, "net": 40 - 1502}
    ]  # fmt: skip


def test_a_dispute_that_is_lost_stays_disputed(books: Books) -> None:
    """In the customer's currency; an inquiry takes nothing and is no line."""
    lost, asked = books.paid("a"), books.paid("b")
    dispute = books.stripe.control.dispute(payment_intent=lost.intent_id or "", amount=6_000)["id"]
    books.stripe.control.dispute(payment_intent=asked.intent_id or "", inquiry=True)
    books.stripe.control.resolve_dispute(dispute=dispute, outcome="lost")
    books.compare()
    result = make(books)
    assert (differences(result), of(result, "KZT")["disputed"]) == ([], both(6_000))


def test_a_month_in_which_nothing_happened_is_empty(books: Books) -> None:
    """And says so, rather than fail."""
    result = make(books)
    assert (result["currencies"], result["other"], result["balance"], result["differenceCount"]) == ([], [], [], 0)
    assert str(FEBRUARY) == result["month"] == "2024-02"
