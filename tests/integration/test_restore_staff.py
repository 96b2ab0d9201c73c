"""After a restore nobody is charged twice by what staff and jobs do before Stripe was asked, nor by what they did."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from payments import charging, jobs, notifications, reconcile
from payments.charging import NotClosed
from payments.models import Job, OutboxMessage, Payment
from tests.integration.books import UNKNOWN, Books, backup, breaks, no_guards, restored
from tests.integration.desk import ask

pytestmark = pytest.mark.django_db

FORGOTTEN = NotClosed(
    text="the database was restored, and Stripe may have charged it since: run manage.py reconcile --adopt first"
)


def close(books: Books, payment: Payment) -> NotClosed | None:
    """Somebody presses the button."""
    return charging.close(
        payment_id=payment.id, who="aida", reason="asked by phone", gateway=books.gateway, now=books.clock()
    )


def adopt_from(books: Books, *, hours: float, clock: Callable[[], datetime] | None = None) -> reconcile.Result:
    """What an operator does who takes so many hours ago to be early enough."""
    now = books.clock()
    return reconcile.reconcile(
        from_at=now - timedelta(hours=hours), until_at=now + timedelta(minutes=5), asked_by="aida",
        gateway=books.gateway, clock=clock or books.clock, adopt=True,
    )  # fmt: skip


def told() -> list[str]:
    """Under which ids, oldest first."""
    return list(OutboxMessage.objects.order_by("id").values_list("message_id", flat=True))


def test_what_may_have_been_charged_is_not_closed_before_stripe_was_asked(books: Books) -> None:
    """P1, P3: the customer would be told that it has failed, and would pay once more."""
    payment = books.take_in("a")
    books.forgotten(payment, "succeeded")
    restored(books)
    assert close(books, payment) == FORGOTTEN
    assert told() == []
    books.adopt()
    payment.refresh_from_db()
    assert (payment.status, charging.is_paused()) == ("success", False)


def test_what_stripe_was_asked_about_can_be_closed_though_something_else_is_left(books: Books) -> None:
    """So that a payment which was issued again can be issued again once more."""
    payment = books.take_in("a")
    restored(books)
    books.advance(minutes=6)
    again = str(notifications.payment_id(subscription="a", number=2))
    books.stray(payment_id=again, subscription_id="a")
    assert books.adopt().counts["missing"] == 1
    assert close(books, payment) is None
    made = charging.reissue(payment_id=payment.id, who="aida", reason="again", now=books.clock())
    assert isinstance(made, Payment)
    assert str(made.id) == again
    assert close(books, made) == FORGOTTEN, "it wasn't here when Stripe was asked"
    books.adopt()
    made.refresh_from_db()
    assert (made.status, charging.is_paused(), books.stripe.ledger.twice_charged()) == ("success", False, {})


def test_what_is_accepted_just_before_an_adoption_waits_for_the_next_one(books: Books) -> None:
    """P3: its row may have been committed since it was asked for, and its bridge's clock be behind."""
    payment = books.take_in("a")
    restored(books)
    books.stray(payment_id=UNKNOWN, subscription_id="b")
    assert books.adopt().counts["missing"] == 1
    assert close(books, payment) == FORGOTTEN
    books.advance(minutes=6)
    books.adopt()
    assert close(books, payment) is None


def test_what_is_read_again_after_an_adoption_waits_for_the_next_one(books: Books) -> None:
    """P3: it is the one that was missing."""
    with backup():
        payment = books.take_in("a")
        books.charge(payment)
    restored(books)
    books.advance(seconds=1)
    assert books.adopt().counts["missing"] == 1
    books.advance(seconds=1)
    payment = books.take_in("a")
    assert close(books, payment) == FORGOTTEN
    books.adopt()
    payment.refresh_from_db()
    assert (payment.status, charging.is_paused()) == ("success", False)


def test_what_an_adoption_could_not_bind_is_not_closed_after_it_either(books: Books) -> None:
    """P3: it is paid, and the customer would be told that it has failed."""
    payment = books.take_in("a")
    books.forgotten(payment, "succeeded")
    restored(books)
    Payment.objects.update(lease_until=books.clock() + timedelta(minutes=1))
    assert books.adopt().counts["not adopted"] == 1
    assert close(books, payment) == FORGOTTEN
    books.advance(minutes=2)
    books.adopt()
    payment.refresh_from_db()
    assert payment.status == "success"


def test_an_adoption_that_has_begun_the_pause_itself_has_asked_too(books: Books) -> None:
    """Though its clock has moved on between the two."""
    payment = books.take_in("a")
    books.stray(payment_id=UNKNOWN, subscription_id="b")
    books.advance(minutes=6)
    assert adopt_from(books, hours=1, clock=lambda: books.clock.advance(seconds=1)).counts["missing"] == 1
    assert charging.is_paused()
    assert close(books, payment) is None


def test_what_was_closed_without_a_look_at_stripe_keeps_charging_paused(books: Books) -> None:
    """The money was taken, and the next event would charge anew."""
    payment = books.take_in("a")
    assert close(books, payment) is None
    restored(books)
    intent = books.forgotten(payment, "succeeded")
    assert books.adopt().counts["not adopted"] == 1
    assert (charging.is_paused(), breaks()) == (True, [("paid_there", intent)])
    books.stripe.control.refund(payment_intent=intent)
    books.adopt()
    assert not charging.is_paused()


def test_what_was_never_tried_is_closed_at_stripe_after_adoption(books: Books) -> None:
    """It is bound then, and has no attempt."""
    payment = books.take_in("a")
    restored(books)
    intent = books.forgotten(payment, "requires_confirmation")
    books.adopt()
    assert close(books, payment) is None
    payment.refresh_from_db()
    assert (payment.status, books.status(intent)) == ("failed", "canceled")
    assert payment.closed_at


def test_a_job_does_nothing_before_adoption_and_goes_on_when_somebody_says_so(books: Books) -> None:
    """What it has done since the backup is forgotten: a payment that it issued again was given back, and stays so."""
    payment = books.take_in("a", method="pm_card_chargeDeclined")
    books.charge(payment)
    assert close(books, payment) is None
    payment.refresh_from_db()
    job = ask("reissue", [payment], books.clock)
    with backup():
        jobs.work(job_id=job.id, clock=books.clock, seconds=60)
        again = Payment.objects.get(number=2)
        with no_guards():
            Payment.objects.filter(id=again.id).update(payment_method="pm_1")
        books.charge(again)
        again.refresh_from_db()
        assert again.status == "success"
        books.stripe.control.refund(payment_intent=str(again.intent_id))
    restored(books)
    jobs.work(job_id=job.id, clock=books.clock, seconds=60)
    assert Payment.objects.count() == 1
    assert books.adopt().counts["missing"] == 1, "if it were made anew it would be charged once more"
    assert charging.is_paused()
    assert books.adopt(cancel_missing=True).counts.get("missing") is None
    assert not charging.is_paused()
    job = Job.objects.get()
    assert (job.state, job.stopped_by) == ("stopped", "adoption")


def test_a_window_that_misses_what_a_comparison_has_found_does_not_end_the_pause(books: Books) -> None:
    """It is what has shown that something is forgotten."""
    payment = books.take_in("a")
    intent = books.forgotten(payment, "succeeded")
    books.advance(hours=4)
    books.take_in("b")
    books.advance(hours=1)
    books.compare()
    assert (charging.is_paused(), breaks()) == (True, [("paid_there", intent)])
    assert adopt_from(books, hours=2).counts["not adopted"] == 1
    assert charging.is_paused()
    abroad = books.stray(payment_id=UNKNOWN, subscription_id="c")
    left = adopt_from(books, hours=2).counts
    assert (left["missing"], left["not adopted"]) == (1, 1), "each is said"
    assert close(books, payment) == FORGOTTEN
    books.stripe.control.refund(payment_intent=abroad)
    books.adopt(cancel_missing=True)
    payment.refresh_from_db()
    assert (payment.status, charging.is_paused(), breaks()) == ("success", False, [])


def test_a_comparison_does_not_pause_again_for_what_a_person_has_settled(books: Books) -> None:
    """Somebody has found out whose money it was; every ten minutes it is seen again."""
    books.forgotten(books.take_in("a"), "succeeded", amount=999)
    books.compare()
    [broken] = reconcile.open_breaks()
    reconcile.settle_break(break_id=broken.id, who="aida", why="of the old system", now=books.clock())
    books.adopt()
    assert not charging.is_paused()
    books.compare()
    assert (charging.is_paused(), breaks()) == (False, [])


def test_what_was_made_just_before_the_window_is_found(books: Books) -> None:
    """It may have been bound just after what the database remembers last."""
    payment = books.take_in("a")
    books.forgotten(payment, "succeeded")
    books.advance(hours=1)
    books.take_in("b")
    books.advance(minutes=1)
    restored(books)
    adopt_from(books, hours=0.5)
    payment.refresh_from_db()
    assert payment.status == "success"


@pytest.mark.parametrize("hours", [0, 3], ids="PaymentIntent {} hours before the window".format)
def test_a_second_decline_that_is_forgotten_is_told_again_under_its_number(books: Books, hours: int) -> None:
    """P4: and the next one under the next, which readers don't know yet."""
    for card in ("insufficient_funds", "lost_card", "stolen_card"):
        books.stripe.control.add_payment_method(id=f"pm_{card}", decline_code=card)
    payment = books.take_in("a", method="pm_insufficient_funds")
    books.charge(payment)
    books.advance(hours=hours, seconds=1)
    books.take_in("b")
    books.advance(seconds=1)
    with backup():
        books.take_in("a", method="pm_lost_card")
        books.charge(payment)
        before = told()
        assert len(before) == 2
    restored(books)
    books.take_in("a", method="pm_lost_card")  # read once more
    assert len(told()) == 1
    books.adopt() if not hours else adopt_from(books, hours=0.5)
    assert told() == before
    payment.refresh_from_db()
    assert (payment.status, payment.code) == ("failed", "lost_card")
    assert list(payment.attempts.order_by("number").values_list("number", "state")) == [
        (1, "declined"),
        (2, "declined"),
    ]
    confirms = books.confirms()
    books.advance(seconds=1)
    books.take_in("a", method="pm_stolen_card")
    books.charge(payment)
    assert books.confirms() == confirms + 1
    assert told()[2:] == [notifications.notification_id(payment=payment.id, transition="failed/3")]
