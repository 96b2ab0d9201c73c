"""After a restore: payments are bound again to the PaymentIntents that were made for them, then charging goes on."""

import pytest

from payments import charging, notifications
from payments.models import Attempt, Pause
from tests.integration.books import Books, breaks, restored

pytestmark = pytest.mark.django_db


@pytest.fixture
def books(books: Books) -> Books:
    """A database that has forgotten everything that happens at Stripe from now on, and knows it."""
    restored(books)
    return books


def test_a_success_is_bound_and_settled_at_once(books: Books) -> None:
    """And told, under the id under which it was told before the restore; nobody is charged again."""
    payment = books.take_in("a")
    intent = books.forgotten(payment, "succeeded")
    counts = books.adopt().counts
    payment.refresh_from_db()
    assert (payment.status, payment.intent_id, payment.account_id) == ("success", intent, "acct_simulator")
    assert (payment.livemode, counts["adopted"], breaks()) == (False, 1, [])
    assert payment.notifications.count() == 1
    assert not charging.is_paused()
    books.charge()
    assert books.confirms() == 0, "a card was charged once more"


def test_a_decline_is_settled_from_what_stripe_keeps_and_the_card_is_not_tried_again(books: Books) -> None:
    """Whoever had it tried was told; a replay may try it again, and a later success is still found."""
    payment = books.take_in("a", method="pm_card_chargeDeclined")
    intent = books.stripe.control.add_foreign_payment(
        amount=10_000, currency="kzt", status="requires_payment_method",
        metadata={"payment_id": str(payment.id), "subscription_id": "a"},
    )["id"]  # fmt: skip
    books.gateway.confirm(
        intent=intent, request={"payment_method": "pm_card_chargeDeclined", "off_session": True}, key="old"
    )
    asked = books.confirms()
    books.adopt()
    payment.refresh_from_db()
    assert (payment.status, payment.code, payment.kind) == ("failed", "generic_decline", "soft")
    attempt = Attempt.objects.get()
    assert (attempt.number, attempt.state, attempt.charge_id[:3], bool(attempt.card)) == (1, "declined", "ch_", True)
    assert payment.notifications.count() == 1
    books.advance(hours=30)
    books.charge()
    assert books.confirms() == asked
    books.adopt()
    assert Attempt.objects.count() == 1


@pytest.mark.parametrize(("there", "here"), [("processing", "pending"), ("requires_action", "failed")])
def test_what_is_under_way_is_bound_and_settled_as_it_is(books: Books, there: str, here: str) -> None:
    """It is asked about from then on, as ever."""
    payment = books.take_in("a")
    intent = books.forgotten(payment, there)
    books.adopt()
    payment.refresh_from_db()
    assert (payment.status, payment.intent_id) == (here, intent)
    books.stripe.control.resolve(payment_intent=intent, outcome="success")
    books.advance(minutes=2)
    books.charge()
    payment.refresh_from_db()
    assert payment.status == "success"
    assert books.confirms() == 0, "a card was charged once more"


def test_one_that_was_never_confirmed_is_bound_and_charged_with_it(books: Books) -> None:
    """One PaymentIntent per payment, whatever was forgotten."""
    payment = books.take_in("a")
    intent = books.forgotten(payment, "requires_payment_method")
    books.adopt()
    books.charge()
    payment.refresh_from_db()
    assert (payment.status, payment.intent_id) == ("success", intent)
    assert len(books.stripe.ledger.payment_intents_of("subscription_id", "a")) == 1


def test_one_that_was_cancelled_closes_the_payment_as_staff_had_closed_it(books: Books) -> None:
    """But not one that reconciliation has cancelled: that was never the payment's own."""
    closed, other = books.take_in("a"), books.take_in("b")
    books.forgotten(closed, "canceled")
    abandoned = books.forgotten(other, "requires_payment_method")
    books.gateway.cancel(intent=abandoned, reason="abandoned")
    books.adopt()
    closed.refresh_from_db()
    other.refresh_from_db()
    assert (closed.status, closed.closed_at is not None) == ("failed", True)
    assert (other.status, other.intent_id) == ("pending", None)


def test_a_pending_payment_whose_intent_is_older_than_the_window_is_looked_at(books: Books) -> None:
    """A replay that was forgotten: declined once more, and told. The card isn't charged a third time."""
    Pause.objects.update(ended_at=books.clock())
    payment = books.take_in("a", method="pm_card_chargeDeclined")
    books.charge()
    books.advance(days=3)
    assert charging.replay(payment_id=payment.id, who="aida", reason="", now=books.clock()) is None
    payment.refresh_from_db()
    books.gateway.confirm(
        intent=str(payment.intent_id), key="forgotten",
        request={"payment_method": "pm_card_chargeDeclinedLostCard", "off_session": True},
    )  # fmt: skip
    asked = books.confirms()
    books.take_in("b")
    books.began_at = books.clock()
    books.adopt()
    payment.refresh_from_db()
    assert (payment.status, payment.code, payment.attempts.count()) == ("failed", "lost_card", 2)
    books.charge(payment)
    assert books.confirms() == asked


def test_a_pending_payment_about_which_nothing_was_forgotten_is_tried(books: Books) -> None:
    """Its last decline is known here: the replay was never sent."""
    Pause.objects.update(ended_at=books.clock())
    books.stripe.control.add_payment_method(id="pm_moody", behaviour=["pm_card_chargeDeclined", "success"])
    payment = books.take_in("a", method="pm_moody")
    books.charge()
    books.advance(days=3)
    assert charging.replay(payment_id=payment.id, who="aida", reason="", now=books.clock()) is None
    books.adopt()
    payment.refresh_from_db()
    assert payment.status == "pending"
    books.charge()
    payment.refresh_from_db()
    assert payment.status == "success"


def test_a_method_that_came_meanwhile_and_was_declined_too_is_not_tried_again(books: Books) -> None:
    """Two events, read again one after the other: the second method is kept for later, and was declined before."""
    payment = books.take_in("a", method="pm_card_chargeDeclined")
    books.advance(seconds=1)
    books.stripe.control.add_payment_method(id="pm_second", decline_code="insufficient_funds")
    books.take_in("a", method="pm_second")
    payment.refresh_from_db()
    assert payment.next_payment_method == "pm_second"
    intent = books.forgotten(payment, "requires_payment_method")
    for method in ("pm_card_chargeDeclined", "pm_second"):
        books.gateway.confirm(intent=intent, request={"payment_method": method, "off_session": True}, key=method)
    asked = books.confirms()
    books.adopt()
    books.charge()
    payment.refresh_from_db()
    assert (payment.status, payment.code, payment.payment_method) == ("failed", "insufficient_funds", "pm_second")
    assert books.confirms() == asked


def test_a_failed_payment_that_stripe_has_charged_since_is_paid(books: Books) -> None:
    """Failed before the backup without a PaymentIntent; tried again, and paid, after it."""
    payment = books.take_in("a", method="pm_nobody")
    Pause.objects.update(ended_at=books.clock())
    books.charge()
    payment.refresh_from_db()
    assert (payment.status, payment.intent_id) == ("failed", None)
    intent = books.forgotten(payment, "succeeded")
    books.adopt()
    payment.refresh_from_db()
    assert (payment.status, payment.intent_id) == ("success", intent)


def test_a_success_after_declines_that_were_forgotten_too_gets_its_number_back(books: Books) -> None:
    """P4: it is told again with the same bytes, `metadata.attempt` among them."""
    payment = books.take_in("a")
    try_cards(books, books.forgotten(payment, "requires_payment_method"), "pm_poor", "pm_1")
    books.adopt()
    assert attempts() == [(2, "succeeded")]
    assert b'"attempt":2' in bytes(payment.notifications.get().value or b"")


def test_a_decline_after_one_that_was_forgotten_too_is_told_under_its_own_id(books: Books) -> None:
    """And not under that of the first, which had another reason."""
    payment = books.take_in("a")
    try_cards(books, books.forgotten(payment, "requires_payment_method"), "pm_poor", "pm_card_chargeDeclinedLostCard")
    books.adopt()
    assert attempts() == [(2, "declined")]
    own_id = notifications.notification_id(payment=payment.id, transition="failed/2")
    assert payment.notifications.get().message_id == own_id


@pytest.mark.parametrize(("second", "state"), [("pm_1", "succeeded"), ("pm_card_chargeDeclinedLostCard", "declined")])
def test_an_attempt_that_was_under_way_is_overtaken_by_the_one_after_it(books: Books, second: str, state: str) -> None:
    """The backup is of the moment before the first card was declined; what the second did is told as its own."""
    Pause.objects.update(ended_at=books.clock())
    books.stripe.control.add_payment_method(id="pm_poor", decline_code="insufficient_funds")
    payment = books.take_in("a", method="pm_poor")
    books.stripe.control.add_fault(kind="reset", endpoint="confirm", effect="before", count=1)
    books.charge()
    restored(books)
    payment.refresh_from_db()
    try_cards(books, str(payment.intent_id), "pm_poor", second)
    books.adopt()
    assert attempts() == [(1, "superseded"), (2, state)]


def try_cards(books: Books, intent: str, *methods: str) -> None:
    """Confirms that the database knows nothing of."""
    books.stripe.control.add_payment_method(id="pm_poor", decline_code="insufficient_funds")
    for method in methods:
        books.gateway.confirm(intent=intent, request={"payment_method": method, "off_session": True}, key=method)


def attempts() -> list[tuple[int, str]]:
    """Number and state of each."""
    return list(Attempt.objects.order_by("number").values_list("number", "state"))
