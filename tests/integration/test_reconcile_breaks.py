"""Each kind of break, made at the simulator: found once, shown, growing older, and closed when the books agree."""

from datetime import timedelta
from typing import Any

import pytest

from payments import charging, reconcile
from payments.models import Break, Pause, Payment, Transition
from tests.integration.books import Books, breaks, no_guards, only_break

pytestmark = pytest.mark.django_db


def test_books_that_agree_have_no_breaks(books: Books) -> None:
    """Success, failure, and what was never tried; charges of others are counted and ignored."""
    books.paid("a")
    books.take_in("b", method="pm_card_chargeDeclined")
    books.charge()
    books.take_in("c")
    books.stray()
    books.stray(payment_id="not one of ours")
    result = books.compare()
    assert breaks() == []
    assert {name: result.counts.get(name) for name in ("charges", "foreign", "payments")} == {
        "charges": 1, "foreign": 2, "payments": 1,
    }  # fmt: skip
    assert not charging.is_paused()


def test_a_success_that_was_not_heard_of_is_asked_about_and_settled(books: Books) -> None:
    """No break: the PaymentIntent is looked at, and settled in the usual way; the customer is told."""
    payment = books.take_in("a")
    books.stripe.control.add_fault(kind="reset", endpoint="confirm", effect="after")
    books.charge()
    result = books.compare()
    payment.refresh_from_db()
    assert (payment.status, result.counts["settled"], breaks()) == ("success", 1, [])
    assert payment.notifications.count() == 1
    assert Transition.objects.latest("id").who == "reconciliation"


def test_a_success_of_a_payment_that_is_not_here_is_a_break_that_grows_older(books: Books) -> None:
    """PAID_THERE: found once, however often; the age is kept."""
    unknown = "00000000-0000-4000-8000-000000000000"
    intent = books.stray(payment_id=unknown, subscription_id="lost")
    books.compare()
    broken = only_break()
    assert (broken.kind, broken.intent_id, broken.payment) == ("paid_there", intent, None)
    assert "100.00" in broken.reason
    assert unknown in broken.reason
    found_at = books.clock()
    books.advance(hours=3)
    assert books.compare().counts["breaks"] == 0
    again = only_break()
    assert (again.id, again.found_at, again.seen_at) == (broken.id, found_at, books.clock())
    books.advance(days=3)
    books.compare(hours=1)
    assert only_break().seen_at == books.clock(), "those outside the window are asked about, too"


def test_a_break_is_closed_when_a_later_run_finds_that_the_books_agree(books: Books) -> None:
    """Somebody has refunded it in Stripe's dashboard: nothing of it is left with us."""
    intent = books.stray(payment_id="00000000-0000-4000-8000-000000000000", subscription_id="lost")
    books.compare()
    books.stripe.control.refund(payment_intent=intent)
    books.advance(days=2)
    assert books.compare(hours=1).counts["closed"] == 1
    broken = Break.objects.get()
    assert (broken.closed_at, broken.closed_by, broken.closed_why) == (
        books.clock(), "reconciliation", "the books agree",
    )  # fmt: skip


def test_a_success_that_stripe_says_of_a_closed_payment_is_a_break(books: Books) -> None:
    """It stays closed; the break is shown at the payment."""
    payment = books.take_in("a")
    charging.close(payment_id=payment.id, who="aida", reason="", gateway=books.gateway, now=books.clock())
    intent = books.stray(payment_id=str(payment.id), subscription_id="a")
    books.compare()
    assert breaks() == [("paid_there", intent)]
    payment.refresh_from_db()
    assert payment.attention == f"Stripe's books differ: {only_break().reason}"
    assert not charging.is_paused(), "a closed payment can't be charged again"


@pytest.mark.parametrize("bound", [False, True])
def test_a_success_of_an_intent_that_an_open_payment_is_not_bound_to_stops_charging(books: Books, bound: bool) -> None:
    """P1: a confirm follows its committed bind, so commits were lost: the payment would be charged again."""
    payment = books.take_in("a", method="pm_card_chargeDeclined")
    if bound:
        books.charge()
    intent = books.stray(payment_id=str(payment.id), subscription_id="a")
    books.compare()
    assert breaks() == [("paid_there", intent)]
    assert Pause.objects.get(ended_at__isnull=True).cause == "restored"


@pytest.mark.parametrize("there", ["canceled", "missing"])
def test_a_success_here_that_is_none_there_is_a_break(books: Books, there: str) -> None:
    """PAID_HERE: asked about by id, since no list proves that something isn't there."""
    payment = books.take_in("a")
    intent = books.stray(status="canceled") if there == "canceled" else "pi_nowhere"
    with no_guards():
        Payment.objects.update(
            status="success", intent_id=intent, account_id="acct_simulator", settled_at=books.clock(), due_at=None
        )
    books.compare()
    broken = only_break()
    assert (broken.kind, broken.intent_id, broken.payment) == ("paid_here", intent, payment)
    assert broken.details["there"]["status"] == ("canceled" if there == "canceled" else "")
    with no_guards():
        Payment.objects.update(intent_id=books.stray(), settled_at=books.clock() - timedelta(days=9))
    books.compare()
    assert breaks() == []


def test_a_success_of_another_account_is_not_asked_about(books: Books) -> None:
    """Stripe doesn't have it under this key, which proves nothing."""
    books.take_in("a")
    with no_guards():
        Payment.objects.update(
            status="success", intent_id="pi_elsewhere", account_id="acct_old", settled_at=books.clock(), due_at=None
        )
    assert "payments" not in books.compare().counts
    assert breaks() == []


def test_two_charges_for_one_obligation_are_a_break_until_one_is_given_back(books: Books) -> None:
    """PAID_TWICE, over all payments of the subscription, not only those of the window."""
    books.paid("a")
    books.advance(days=30)
    intent = books.stray(payment_id="00000000-0000-4000-8000-000000000000", subscription_id="a")
    books.compare(hours=1)
    assert sorted(breaks()) == [("paid_there", intent), ("paid_twice", intent)]
    broken = Break.objects.get(kind="paid_twice")
    assert broken.details["others"] == [Payment.objects.get().intent_id]
    books.stripe.control.refund(payment_intent=intent, amount=4_000)
    books.compare(hours=1)
    assert len(breaks()) == 2, "a part of it is still with us"
    books.stripe.control.refund(payment_intent=intent)
    books.compare(hours=1)
    assert breaks() == []


def test_a_closed_payment_and_its_successor_that_are_both_charged_are_paid_twice(books: Books) -> None:
    """The first one's own PaymentIntent: closed here, and charged there after all."""
    first = books.take_in("a")
    intent = books.stray(payment_id=str(first.id), subscription_id="a")
    charging.close(payment_id=first.id, who="aida", reason="", gateway=books.gateway, now=books.clock())
    with no_guards():
        Payment.objects.update(intent_id=intent)
    books.advance(seconds=1)
    second = books.paid("a")
    books.compare()
    assert sorted(breaks()) == [("paid_there", intent), ("paid_twice", intent)]
    assert Break.objects.get(kind="paid_twice").details["others"] == [second.intent_id]


@pytest.mark.parametrize("change", [{"amount": 9_999}, {"currency": "USD"}])
def test_another_amount_or_currency_is_a_break(books: Books, change: dict[str, Any]) -> None:
    """AMOUNT: what was taken isn't what was wished."""
    payment = books.paid("a")
    with no_guards():
        Payment.objects.update(**change)
    books.compare()
    assert breaks() == [("amount", payment.intent_id)]
    with no_guards():
        Payment.objects.update(amount=10_000, currency="KZT")
    books.compare()
    assert breaks() == []
    payment.refresh_from_db()
    assert payment.attention == ""


def test_refunds_and_disputes_of_the_dashboard_are_noted(books: Books) -> None:
    """Whenever the charge was: those lists have windows of their own. What is noted makes no break."""
    payment = books.paid("a")
    other = books.paid("b")
    books.advance(days=40)
    books.stripe.control.refund(payment_intent=str(payment.intent_id), amount=2_500)
    books.stripe.control.dispute(payment_intent=str(other.intent_id))
    counts = books.compare(hours=1).counts
    assert (counts["refunds"], counts["disputes"]) == (1, 1)
    payment.refresh_from_db()
    other.refresh_from_db()
    assert (payment.refunded, other.disputes.count(), breaks()) == (2_500, 1, [])
    again = books.compare(hours=1).counts
    assert (again.get("refunds", 0), again.get("disputes", 0)) == (0, 0)


def test_a_sum_of_refunds_that_differs_is_asked_about_and_then_is_a_break(books: Books) -> None:
    """REFUNDED: first the refunds are noted; what differs then is for a person."""
    payment = books.paid("a")
    books.stripe.control.refund(payment_intent=str(payment.intent_id), amount=2_500)
    books.compare()
    assert breaks() == []
    with no_guards():
        Payment.objects.update(refunded=0)
        payment.refunds.update(state="rejected")
    books.compare()
    assert breaks() == [("refunded", payment.intent_id)]


def test_what_a_person_has_settled_is_not_found_again_unless_it_changes(books: Books) -> None:
    """A reason is asked for and kept, in the payment's history, too."""
    payment = books.paid("a")
    with no_guards():
        Payment.objects.update(amount=9_999)
    books.compare()
    broken = only_break()
    reconcile.settle_break(break_id=broken.id, who="aida", why="agreed with the customer", now=books.clock())
    with pytest.raises(reconcile.NotOpen):
        reconcile.settle_break(break_id=broken.id, who="aida", why="twice", now=books.clock())
    payment.refresh_from_db()
    assert payment.attention == ""
    step = payment.history.latest("id")
    assert (step.who, "agreed with the customer" in step.why) == ("aida", True)
    books.advance(minutes=10)
    books.compare()
    assert breaks() == []
    with no_guards():
        Payment.objects.update(amount=9_998)
    books.compare()
    assert breaks() == [("amount", payment.intent_id)]
