"""After a restore: what the window doesn't show, and what was cancelled there long ago."""

from datetime import timedelta

import pytest

from payments import charging, reconcile
from payments.models import Payment
from tests.integration.books import UNKNOWN, Books, breaks, no_guards, restored

pytestmark = pytest.mark.django_db


def test_what_is_bound_since_before_the_window_stays_bound(books: Books) -> None:
    """P1: the one that was made after the backup is no better for being the only one that is listed."""
    payment = books.take_in("a", method="pm_card_chargeDeclined")
    books.charge()
    payment.refresh_from_db()
    bound = payment.intent_id
    books.advance(hours=3)
    books.take_in("b")
    books.advance(seconds=1)
    restored(books)
    stray = books.forgotten(payment, "requires_payment_method")
    books.advance(seconds=1)
    result = reconcile.reconcile(
        from_at=books.clock() - timedelta(hours=1), until_at=books.clock() + timedelta(minutes=5), asked_by="aida",
        gateway=books.gateway, clock=books.clock, adopt=True,
    )  # fmt: skip
    payment.refresh_from_db()
    assert (payment.intent_id, payment.status) == (bound, "failed")
    assert (result.counts["abandoned"], books.status(stray)) == (1, "canceled")
    assert not charging.is_paused()


def test_a_cancelled_intent_of_a_payment_that_is_not_here_keeps_nothing_waiting(books: Books) -> None:
    """Nothing can be taken with it, whoever's it was."""
    restored(books)
    intent = books.stray(status="canceled", payment_id=UNKNOWN, subscription_id="a")
    counts = books.adopt().counts
    assert (counts.get("missing"), breaks(), books.status(intent)) == (None, [], "canceled")
    assert not charging.is_paused()


def test_a_bound_intent_that_stripe_does_not_have_is_left_to_the_charge(books: Books) -> None:
    """It is another account's: nothing is bound anew, and its next step says what is wrong with the key."""
    payment = books.take_in("a")
    with no_guards():
        Payment.objects.update(intent_id="pi_nowhere")
    restored(books)
    counts = books.adopt().counts
    assert (counts.get("adopted"), counts.get("bound already"), charging.is_paused()) == (None, None, False)
    payment.refresh_from_db()
    assert (payment.intent_id, payment.status, payment.attempts.count()) == ("pi_nowhere", "pending", 0)
