"""After a restore: which of several PaymentIntents is bound, and what keeps charging paused until a person acts."""

from datetime import datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from payments import charging, notifications, reconcile
from payments.management.commands import reconcile as command
from payments.models import Attempt, Pause, Payment
from tests.integration.books import UNKNOWN, Books, breaks, restored

pytestmark = pytest.mark.django_db


@pytest.fixture
def books(books: Books) -> Books:
    """A database that has forgotten everything that happens at Stripe from now on, and knows it."""
    restored(books)
    return books


@pytest.mark.parametrize(
    "order",
    [
        ["requires_payment_method", "succeeded"], ["succeeded", "requires_payment_method"],
        ["processing", "requires_action"], ["requires_action", "requires_payment_method"],
        ["requires_payment_method", "canceled"],
    ],
    ids=" ".join,
)  # fmt: skip
def test_of_several_the_one_that_has_come_furthest_is_bound_and_the_others_cancelled(
    books: Books, order: list[str]
) -> None:
    """Whichever was made later."""
    payment = books.take_in("a")
    intents = {there: books.forgotten(payment, there) for there in order}
    furthest = next(
        there for there in ("succeeded", "processing", "requires_action", "requires_payment_method") if there in intents
    )
    books.adopt()
    payment.refresh_from_db()
    assert payment.intent_id == intents.pop(furthest)
    assert [books.status(intent) for intent in intents.values()] == ["canceled"]
    assert not charging.is_paused()


def test_of_two_that_were_never_confirmed_the_newest_is_bound(books: Books) -> None:
    """And of two, one of which was tried, that one."""
    payment = books.take_in("a")
    tried = books.forgotten(payment, "requires_payment_method")
    books.gateway.confirm(
        intent=tried, request={"payment_method": "pm_card_chargeDeclined", "off_session": True}, key="old"
    )
    books.advance(seconds=2)
    books.forgotten(payment, "requires_payment_method")
    other = books.take_in("b")
    books.forgotten(other, "requires_payment_method")
    books.advance(seconds=2)
    newest = books.forgotten(other, "requires_payment_method")
    books.adopt()
    payment.refresh_from_db()
    other.refresh_from_db()
    assert (payment.intent_id, other.intent_id) == (tried, newest)


def test_two_successes_are_one_success_and_a_break(books: Books) -> None:
    """PAID_TWICE: a person gives one of them back."""
    payment = books.take_in("a")
    both = {books.forgotten(payment, "succeeded"), books.forgotten(payment, "succeeded")}
    books.adopt()
    payment.refresh_from_db()
    assert payment.status == "success"
    [stray] = both - {payment.intent_id}
    assert sorted(breaks()) == [("paid_there", stray), ("paid_twice", stray)]
    assert not charging.is_paused(), "what is paid can't be charged again"


def test_a_payment_that_is_not_here_yet_keeps_charging_paused(books: Books) -> None:
    """The bridge must read its record first; what was taken shows meanwhile, and agrees afterwards."""
    payment_id = str(notifications.payment_id(subscription="a", number=1))
    forgotten_here = books.stray(payment_id=payment_id, subscription_id="a")
    assert books.adopt().counts["missing"] == 1
    assert charging.is_paused()
    assert breaks() == [("paid_there", forgotten_here)]
    payment = books.take_in("a")
    assert str(payment.id) == payment_id
    books.adopt()
    assert not charging.is_paused()
    books.compare()
    assert breaks() == []


def test_what_will_never_come_is_cancelled_on_request(books: Books) -> None:
    """An unpaid one, of a payment that was re-issued by hand: it must never be confirmed."""
    intent = books.stray(status="requires_payment_method", payment_id=UNKNOWN, subscription_id="a")
    assert books.adopt().counts["missing"] == 1
    assert books.adopt(cancel_missing=True).counts["abandoned"] == 1
    assert books.status(intent) == "canceled"
    assert not charging.is_paused()


def test_what_was_taken_for_nobody_is_left_when_a_person_has_settled_it(books: Books) -> None:
    """Somebody has found out whose it is."""
    books.stray(payment_id=UNKNOWN, subscription_id="a")
    books.adopt()
    [broken] = reconcile.open_breaks()
    reconcile.settle_break(break_id=broken.id, who="aida", why="of the old system", now=books.clock())
    books.adopt()
    assert not charging.is_paused()


def test_one_that_is_not_about_the_payment_is_not_bound(books: Books) -> None:
    """Another amount: binding can't be undone. What was taken is a break."""
    payment = books.take_in("a")
    intent = books.forgotten(payment, "succeeded", amount=999)
    assert books.adopt().counts["not adopted"] == 1
    payment.refresh_from_db()
    assert (payment.intent_id, breaks()) == (None, [("paid_there", intent)])
    assert charging.is_paused()


def test_a_payment_in_a_workers_hands_is_left_to_it_until_later(books: Books) -> None:
    """A call from before the restore may still be on its way."""
    payment = books.take_in("a")
    books.forgotten(payment, "succeeded")
    Payment.objects.update(lease_until=books.clock() + timedelta(minutes=1))
    assert books.adopt().counts["not adopted"] == 1
    assert charging.is_paused()
    books.advance(minutes=2)
    books.adopt()
    assert not charging.is_paused()


def test_adoption_stops_charging_by_itself_and_repeats_do_no_harm(books: Books) -> None:
    """Whoever runs it may not know that nothing had stopped it."""
    Pause.objects.all().delete()
    payment = books.take_in("a")
    books.forgotten(payment, "succeeded")
    said: list[bool] = []
    books.adopt(say=lambda line: said.append(charging.is_paused()) if "listed" in line else None)
    assert said == [True]
    assert not charging.is_paused()
    before = [list(model.objects.values()) for model in (Payment, Attempt)]
    books.adopt()
    assert [list(model.objects.values()) for model in (Payment, Attempt)] == before


def test_an_adoption_that_is_interrupted_leaves_charging_paused(books: Books) -> None:
    """Half a list proves nothing about the other half."""
    payment = books.take_in("a")
    books.forgotten(payment, "succeeded")
    books.stripe.control.add_fault(kind="status", status=503, endpoint="payment_intents.list")
    result = reconcile.reconcile(
        from_at=books.began_at - timedelta(hours=1), until_at=books.clock(), asked_by="aida",
        gateway=books.gateway, clock=books.clock, adopt=True,
    )  # fmt: skip
    assert result.interrupted
    assert charging.is_paused()
    books.adopt(page_size=1)
    assert not charging.is_paused()


@pytest.fixture
def _in_their_time(books: Books, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command looks at the clock of the books, which may be hours ahead."""

    class Now(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return books.clock()

    monkeypatch.setattr(command, "datetime", Now)


@pytest.mark.usefixtures("_in_their_time")
def test_the_command_refuses_a_window_that_is_too_short_and_says_what_is_left(books: Books) -> None:
    """Exit code 3 while something is left; 0 when charging goes on."""
    books.take_in("a")
    Pause.objects.update(began_at=books.clock() + timedelta(seconds=1))
    books.advance(minutes=5)
    since = (books.clock() - timedelta(minutes=1)).isoformat()
    with pytest.raises(CommandError, match="the last record that the database remembers is of"):
        call_command("reconcile", "--adopt", "--from", since)
    books.stray(status="requires_payment_method", payment_id=UNKNOWN, subscription_id="a")
    since = (books.clock() - timedelta(minutes=30)).isoformat()
    out = StringIO()
    with pytest.raises(CommandError, match="charging stays paused: 1 missing") as left:
        call_command("reconcile", "--adopt", "--from", since, stdout=out, stderr=StringIO())
    assert left.value.returncode == 3
    call_command("reconcile", "--adopt", "--cancel-missing", "--from", since, stdout=out, stderr=StringIO())
    assert "charging goes on" in out.getvalue()
    assert not charging.is_paused()


def test_a_window_that_is_too_short_is_refused_also_where_nothing_has_paused_charging(books: Books) -> None:
    """After a failover that has lost no record the bridge sees nothing."""
    Pause.objects.all().delete()
    books.take_in("a")
    books.advance(minutes=10)
    now = books.clock()
    with pytest.raises(reconcile.TooLate, match="the last record that the database remembers is of"):
        reconcile.reconcile(
            from_at=now - timedelta(minutes=5), until_at=now, asked_by="aida", gateway=books.gateway,
            clock=books.clock, adopt=True,
        )  # fmt: skip
    assert books.lists_asked() == []


@pytest.mark.parametrize("more", [[], ["--dry-run"]], ids=" ".join)
def test_an_adoption_with_an_end_is_refused(books: Books, more: list[str]) -> None:
    """P1: charging would go on, and what Stripe has charged after that end would be charged once more."""
    books.forgotten(books.take_in("a"), "succeeded")
    until = (books.clock() - timedelta(minutes=30)).isoformat()
    with pytest.raises(CommandError, match="--adopt goes without --to: leave --to out") as refused:
        call_command("reconcile", "--adopt", "--from", "2h", "--to", until, *more, stdout=StringIO())
    assert refused.value.returncode == 1
    assert charging.is_paused()
    assert books.lists_asked() == []


def test_what_a_restored_row_is_bound_to_stays(books: Books) -> None:
    """Binding is once and for ever: another one of the same payment is cancelled, or a break."""
    Pause.objects.update(ended_at=books.clock())
    payment = books.take_in("a", method="pm_card_chargeDeclined")
    books.charge()
    payment.refresh_from_db()
    bound = payment.intent_id
    unpaid, paid = books.forgotten(payment, "requires_payment_method"), books.forgotten(payment, "succeeded")
    books.adopt()
    payment.refresh_from_db()
    assert (payment.intent_id, payment.status) == (bound, "failed")
    assert (books.status(unpaid), breaks()) == ("canceled", [("paid_there", paid)])
    assert charging.is_paused(), "the payment could be charged once more"
    books.stripe.control.refund(payment_intent=paid)
    books.adopt()
    assert not charging.is_paused()
