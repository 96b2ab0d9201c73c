"""What staff may not do, or not just now: the sentence that says why, before it is asked for and when it is done."""

import uuid
from datetime import timedelta
from typing import Any

import pytest

from billing_project.dev.simulator import Simulator
from payments import actions, intake, jobs
from payments.actions import ACTIONS, ArgumentInvalid
from payments.gateway import Gateway
from payments.intake.import_paid import import_paid
from payments.intake.paid_before import read_paid
from payments.models import Break, InboxMessage, Payment
from tests.conftest import Clock
from tests.integration.desk import AIDA, BULAT, ask, do, draft, finish, read, settle_one, wish_for
from tests.integration.events import accept, event, record
from tests.integration.parked_rows import park, value

pytestmark = pytest.mark.django_db

IMPORTED = (
    '{"subId": "old", "price": 100, "currency": "KZT", "transactionId": "pi_old", "paidAt": "2026-01-30T12:00:00Z",'
    ' "userId": "u_1"}'
)


def act(action: str, subject: int | uuid.UUID, clock: Clock) -> str:
    """The sentence with which it is refused by who does it."""
    outcome = ACTIONS[action].act(wish_for(subject, clock))
    assert isinstance(outcome, actions.Refused), outcome
    return outcome.text


def make_untried(_gateway: Gateway, clock: Clock) -> Payment:
    """Accepted a moment ago."""
    accept(record(event("new"), at=clock()), now=clock())
    return Payment.objects.get(subscription_id="new")


def make_closed(gateway: Gateway, clock: Clock) -> Payment:
    """Closed, with a PaymentIntent that was cancelled."""
    lost = settle_one("lost", gateway, clock)
    assert do("close", lost, clock) == ("done", "is closed")
    return read(lost.id)


def make_retried(gateway: Gateway, clock: Clock) -> Payment:
    """Somebody had it tried again, and no worker has come yet."""
    poor = settle_one("poor", gateway, clock)
    assert do("retry", poor, clock)[0] == "done"
    return read(poor.id)


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (make_untried, "nothing of it is at Stripe"),
        (make_closed, "it is closed: nothing can change any more"),
        (make_retried, "it is about to be charged: its outcome comes by itself"),
    ],
)
def test_stripe_is_not_asked_where_it_can_say_nothing(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock, make: Any, why: str
) -> None:
    """In the preview and, whatever has happened since, when it is done."""
    payment = make(stripe_gateway, clock)
    asked = len(stripe.control.requests())
    assert ACTIONS["refresh"].find_refusal(payment, clock()) == why
    assert act("refresh", payment.id, clock) == why
    assert len(stripe.control.requests()) == asked
    assert read(payment.id).due_at == payment.due_at


def test_what_somebody_else_has_just_asked_for_is_on_its_way(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock
) -> None:
    """A worker has the payment: its answer is the one that was asked for, and its row is left alone."""
    stripe.control.add_fault(kind="reset", endpoint="confirm")
    unknown = settle_one("paid", stripe_gateway, clock)
    assert unknown.status == "pending"
    Payment.objects.filter(id=unknown.id).update(lease_until=clock() + timedelta(seconds=30))
    assert do("refresh", unknown, clock) == ("done", "Stripe is being asked")
    assert read(unknown.id).due_at == unknown.due_at


def test_books_that_differ_are_said_to_and_become_a_break(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock
) -> None:
    """Stripe says of a payment that is paid here that it isn't."""
    paid = settle_one("paid", stripe_gateway, clock)
    with stripe.ledger.lock:
        intent = stripe.ledger.payment_intents.get(paid.intent_id or "")
        assert intent is not None
        intent.status = "requires_payment_method"
    assert do("refresh", paid, clock) == ("done", "Stripe's books differ: see the breaks")
    assert list(Break.objects.values_list("kind", "payment")) == [("paid_here", paid.id)]


def test_a_closed_payment_is_closed_once(stripe: Simulator, stripe_gateway: Gateway, clock: Clock) -> None:
    """And a paid one never."""
    closed, paid = make_closed(stripe_gateway, clock), settle_one("paid", stripe_gateway, clock)
    assert ACTIONS["close"].find_refusal(closed, clock()) == "it is closed already"
    assert ACTIONS["close"].find_refusal(paid, clock()) == "it is paid: refund it instead"


def test_what_was_told_to_nobody_is_not_told_again(clock: Clock) -> None:
    """Paid through the system before this one: that one has told it."""
    paid, _ = read_paid(lines=[IMPORTED], price_unit="major", now=clock())
    import_paid(paid=paid, who=AIDA, why="cut-over", now=clock(), dry_run=False)
    payment = Payment.objects.get()
    assert ACTIONS["notify"].find_refusal(payment, clock()) == "nobody was told anything about it yet"
    assert act("notify", payment.id, clock) == "nobody was told anything about it yet"
    assert not payment.notifications.exists()


def test_another_payment_method_is_taken_only_when_stripe_has_said_whose_it_is(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock
) -> None:
    """A stranger would be charged by a guess. For the one that it has there is another button."""
    lost = settle_one("lost", stripe_gateway, clock)
    [argument] = ACTIONS["retry_with"].arguments
    with pytest.raises(ArgumentInvalid, match="is the payment method that it has now"):
        argument.read(lost.payment_method, lost)
    stripe.control.add_fault(kind="status", status=500, endpoint="payment_methods.retrieve")
    with pytest.raises(ArgumentInvalid, match="could not be looked up, as Stripe gave no answer"):
        argument.read("pm_card_visa", lost)
    assert argument.read("pm_card_visa", lost) == "pm_card_visa"


def test_what_is_kept_with_a_masked_card_is_not_judged_as_it_came(clock: Clock) -> None:
    """Somebody else could pay: it needs the corrected event."""
    parked = park(event(method="4242424242424242"), clock)
    assert parked.verdict == "invalid"
    assert ACTIONS["replay_record"].find_refusal(parked, clock()) == intake.NEEDS_A_VALUE
    assert ACTIONS["correct_record"].find_refusal(parked, clock()) == ""
    assert act("replay_record", parked.id, clock) == intake.NEEDS_A_VALUE


def test_a_correction_that_asks_for_what_is_under_way_is_a_duplicate(clock: Clock) -> None:
    """P1: the shop has sent it again meanwhile; the record is off the list, and there is one payment."""
    parked = park(b'{"subId": "sub_1"', clock)
    clock.advance(seconds=1)
    accept(record(event(), at=clock()), now=clock())
    clock.advance(seconds=1)
    state, text = do("correct_record", parked, clock, value=value().decode())
    assert (state, text.partition(":")[0]) == ("done", "is a duplicate")
    assert (Payment.objects.count(), InboxMessage.objects.get(id=parked.id).verdict) == (1, "duplicate")


@pytest.mark.parametrize("action", ["replay_record", "dismiss_record"])
def test_a_record_that_somebody_else_has_dismissed_meanwhile_is_left_to_them(clock: Clock, action: str) -> None:
    """Both have seen it parked; the second is told what became of it."""
    parked = park(b'{"subId": "sub_1"', clock)
    second = draft(action, [parked], clock, who=BULAT)
    assert finish(ask("dismiss_record", [parked], clock), clock) == [("done", "is dismissed")]
    jobs.confirm(job=second, who=BULAT, why="me too", arguments={}, now=clock())
    assert finish(second, clock) == [("refused", "it isn't parked: it is “dismissed”")]
    parked.refresh_from_db()
    assert (parked.verdict, parked.handled_by) == ("dismissed", AIDA)
