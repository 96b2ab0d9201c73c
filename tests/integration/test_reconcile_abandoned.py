"""PaymentIntents of lost races are cancelled, and never one that is, or may yet be, a payment's own."""

from datetime import timedelta
from typing import Any

import pytest

from payments import charging, reconcile
from payments.models import Pause, Payment
from tests.integration.books import Books

pytestmark = pytest.mark.django_db


def orphan(books: Books, payment: Payment) -> str:
    """A PaymentIntent that was made for this payment and isn't bound to it."""
    return books.forgotten(payment, "requires_payment_method")


def test_the_intent_whose_creation_was_not_answered_is_cancelled_after_an_hour(books: Books) -> None:
    """Another one was bound meanwhile; before that hour it may be that of a worker at work."""
    books.stripe.control.add_fault(kind="reset", endpoint="payment_intents.create", effect="after")
    payment = books.take_in("a", method="pm_card_chargeDeclined")
    books.charge()
    books.advance(seconds=5)
    books.charge()
    payment.refresh_from_db()
    lost, bound = sorted(
        (intent.id for intent in books.stripe.ledger.payment_intents_of("subscription_id", "a")),
        key=lambda intent: intent == payment.intent_id,
    )
    books.advance(minutes=30)
    assert "abandoned" not in books.compare(hours=2).counts
    books.advance(minutes=35)
    assert books.compare(hours=2).counts["abandoned"] == 1
    assert (books.status(lost), books.status(bound)) == ("canceled", "requires_payment_method")
    assert "abandoned" not in books.compare(hours=2).counts


def test_the_windows_of_the_schedule_leave_none_out(books: Books) -> None:
    """Each is met by a run when it is old enough, wherever in a window it was made."""
    payment = books.paid("a")
    made = []
    for _ in range(30):
        made.append(orphan(books, payment))
        books.advance(minutes=4)
        reconcile.reconcile_by_schedule(gateway=books.gateway, clock=books.clock)
    for _ in range(18):
        books.advance(minutes=4)
        reconcile.reconcile_by_schedule(gateway=books.gateway, clock=books.clock)
    assert {books.status(intent) for intent in made} == {"canceled"}


def test_one_of_a_closed_payment_is_cancelled(books: Books) -> None:
    """A worker that died between create and bind, while the payment was closed."""
    payment = books.take_in("a")
    charging.close(payment_id=payment.id, who="aida", reason="", gateway=books.gateway, now=books.clock())
    intent = orphan(books, payment)
    books.advance(minutes=61)
    books.compare()
    assert books.status(intent) == "canceled"


def test_one_of_a_payment_that_has_none_is_cancelled_when_nobody_is_at_work_on_it(books: Books) -> None:
    """Whoever made it is gone: only the worker that has made one binds it."""
    payment = books.take_in("a")
    intent = orphan(books, payment)
    books.advance(minutes=61)
    Payment.objects.update(lease_until=books.clock() + timedelta(minutes=2))
    assert books.compare().counts["unbound"] == 1
    assert books.status(intent) == "requires_payment_method"
    Payment.objects.update(lease_until=None)
    books.compare()
    assert books.status(intent) == "canceled"


def test_one_whose_payment_was_in_a_workers_hands_is_met_again(books: Books) -> None:
    """By a later run of the schedule, though its window begins after it."""
    payment = books.take_in("a")
    reconcile.reconcile_by_schedule(gateway=books.gateway, clock=books.clock)
    intent = orphan(books, payment)
    for minutes in range(0, 110, 10):
        Payment.objects.update(lease_until=books.clock() + timedelta(minutes=20) if minutes < 80 else None)
        books.advance(minutes=10)
        reconcile.reconcile_by_schedule(gateway=books.gateway, clock=books.clock)
    assert books.status(intent) == "canceled"


def test_nothing_that_is_to_be_adopted_is_cancelled(books: Books) -> None:
    """P1: after a restore it may be the payment's own, charged or about to be."""
    payment = books.take_in("a")
    intent = orphan(books, payment)
    charging.pause(cause=Pause.Cause.RESTORED, reason="", who="bridge", now=books.clock())
    books.advance(minutes=61)
    books.compare()
    assert books.status(intent) == "requires_payment_method"


@pytest.mark.parametrize(
    "metadata", [{}, {"payment_id": "not ours"}, {"payment_id": "00000000-0000-4000-8000-000000000000"}]
)
def test_those_of_others_are_left_alone(books: Books, metadata: dict[str, Any]) -> None:
    """Without our metadata, or of a payment that isn't here: another installation's, or one to be read again."""
    intent = books.stray(status="requires_payment_method", **metadata)
    books.advance(minutes=61)
    assert "abandoned" not in books.compare().counts
    assert books.status(intent) == "requires_payment_method"


@pytest.mark.parametrize("there", ["processing", "requires_action", "succeeded"])
def test_what_has_been_confirmed_is_not_cancelled(books: Books, there: str) -> None:
    """Money may be on its way: that is a matter for a person, or for adoption."""
    payment = books.paid("a")
    intent = books.stray(status=there, payment_id=str(payment.id), subscription_id="a")
    books.advance(minutes=61)
    assert "abandoned" not in books.compare().counts
    assert books.status(intent) == there
