"""Answers that a comparison can do nothing with: no false break, nothing cancelled, and the next run goes on."""

import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from payments import charging, limits, reconcile
from payments.limits import Endpoint
from payments.models import Break, Payment, Reconciliation
from payments.reconcile import books as books_module
from tests.integration.books import Books, breaks

pytestmark = pytest.mark.django_db


@pytest.fixture
def _own_limits() -> Iterator[None]:
    """Whatever a test does to the limits is gone afterwards."""
    limits.connect_redis().flushdb()
    yield
    limits.connect_redis().flushdb()


def refuse(books: Books, endpoint: str, status: int = 400) -> None:
    """Stripe refuses the next such request."""
    books.stripe.control.add_fault(kind="status", status=status, endpoint=endpoint, effect="none")


def test_a_list_that_stripe_refuses_ends_the_run_and_makes_no_break(books: Books) -> None:
    """An empty list would say that nothing was ever paid there."""
    books.paid("a")
    refuse(books, "charges.list")
    assert books.compare().interrupted == "Stripe gives no list (invalid_request)"
    assert breaks() == []
    assert not books.compare().interrupted


@pytest.mark.usefixtures("_own_limits")
def test_while_charging_needs_all_that_the_rate_limit_allows_nothing_is_compared(
    books: Books, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who waits for a charge goes first; the run goes on later."""
    settings.STRIPE_RATE_LIMIT = 1
    monkeypatch.setattr(books_module, "LONGEST_WAIT_FOR_A_TOKEN", 0.0)
    for _ in range(20):
        limits.reserve(endpoint=Endpoint.CHARGE_LIST)
    assert books.compare().interrupted.startswith("charging needs all that Stripe's rate limit allows")
    assert books.lists_asked() == []


@pytest.mark.usefixtures("_own_limits")
def test_a_worker_that_is_told_to_end_waits_for_no_token(
    books: Books, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would be killed before there is one."""
    settings.STRIPE_RATE_LIMIT = 1
    monkeypatch.setattr(books_module, "_told_to_end", threading.Event())
    for _ in range(50):
        limits.reserve(endpoint=Endpoint.CHARGE_LIST)
    told = threading.Timer(0.2, books_module.stop_reading)
    told.start()
    assert books.compare().interrupted == "its time is up: it goes on with the next run"
    told.join()
    assert books.lists_asked() == []


def test_a_success_that_can_not_be_looked_at_stays_a_break_until_it_can(books: Books) -> None:
    """P3: the list says that it is paid; only the PaymentIntent itself settles it."""
    payment = books.take_in("a")
    books.stripe.control.add_fault(kind="reset", endpoint="confirm", effect="after")
    books.charge()
    refuse(books, "payment_intents.retrieve", 404)
    counts = books.compare().counts
    payment.refresh_from_db()
    assert (payment.status, counts.get("settled"), breaks()) == ("pending", None, [("paid_there", payment.intent_id)])
    assert not charging.is_paused(), "it is bound: nothing was forgotten"
    assert books.compare().counts["settled"] == 1
    payment.refresh_from_db()
    assert payment.status == "success"
    books.compare()
    assert breaks() == []


def test_refunds_that_stripe_does_not_list_are_a_break_until_it_does(books: Books) -> None:
    """The sums differ, and nobody can say by which refund."""
    payment = books.paid("a")
    books.stripe.control.refund(payment_intent=str(payment.intent_id), amount=2_500)
    refuse(books, "refunds.list")
    books.compare()
    assert breaks() == [("refunded", payment.intent_id)]
    books.compare()
    payment.refresh_from_db()
    assert (payment.refunded, breaks()) == (2_500, [])


def test_all_refunds_and_disputes_of_several_pages_are_noted(books: Books) -> None:
    """Each once, and the run goes on behind the page that is done."""
    payments = [books.paid(name) for name in ("a", "b")]
    books.advance(days=3)
    for payment in payments:
        books.stripe.control.refund(payment_intent=str(payment.intent_id), amount=2_500)
        books.stripe.control.dispute(payment_intent=str(payment.intent_id), amount=1_000)
    lines: list[str] = []
    counts = books.compare(hours=1, page_size=1, say=lines.append).counts
    assert (counts["refunds"], counts["disputes"]) == (2, 2)
    assert set(Payment.objects.values_list("refunded", flat=True)) == {2_500}
    assert "1 refunds" in lines
    assert "2 refunds, 1 disputes" in lines


def test_an_abandoned_intent_that_stripe_does_not_cancel_is_met_again(books: Books) -> None:
    """By the next run, whose window begins an hour before its own; it isn't counted as cancelled."""
    payment = books.take_in("a")
    charging.close(payment_id=payment.id, who="aida", reason="", gateway=books.gateway, now=books.clock())
    orphans = [books.forgotten(payment, "requires_payment_method") for _ in range(2)]
    books.advance(minutes=61)
    refuse(books, "payment_intents.cancel")
    assert books.compare(page_size=1).counts["abandoned"] == 1
    assert sorted(map(books.status, orphans)) == ["canceled", "requires_payment_method"]
    assert books.compare(page_size=1).counts["abandoned"] == 1
    assert set(map(books.status, orphans)) == {"canceled"}


def test_a_window_whose_only_run_was_interrupted_is_finished_and_not_begun_anew(books: Books) -> None:
    """The same command, once more."""
    window: dict[str, Any] = {
        "from_at": books.clock() - timedelta(hours=1), "until_at": books.clock(), "asked_by": "aida",
        "gateway": books.gateway, "clock": books.clock,
    }  # fmt: skip
    refuse(books, "charges.list")
    assert reconcile.reconcile(**window).interrupted
    result = reconcile.reconcile(**window)
    assert (result.interrupted, len(result.runs)) == ("", 1)
    assert Reconciliation.objects.get().ended_at == books.clock()


def test_a_break_about_what_has_taken_nothing_is_closed(books: Books) -> None:
    """Stripe has no charge of it any more that could be one too many."""
    intent = books.stray(status="requires_payment_method")
    Break.objects.create(
        kind="paid_there", intent_id=intent, reason="paid there", found_at=books.clock(), seen_at=books.clock()
    )
    books.advance(hours=1)
    assert books.compare().counts["closed"] == 1
    assert (breaks(), Break.objects.get().closed_why) == ([], "the books agree")


def test_a_key_that_may_not_read_its_account_compares_all_payments(books: Books) -> None:
    """A restricted key: nothing is left out for being of another account, and charging goes on."""
    books.paid("a")
    books.gateway.account = ""
    books.stripe.control.add_fault(kind="status", status=403, endpoint="account.retrieve", effect="none", count=None)
    result = books.compare()
    assert (result.interrupted, result.counts["payments"], breaks()) == ("", 1, [])
    assert not charging.is_paused()
