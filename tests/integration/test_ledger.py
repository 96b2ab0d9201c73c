"""What the database itself refuses, whatever the code does: the last line of defence of the promises."""

from datetime import datetime
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from payments.models import Attempt, OutboxMessage, Refund, Transition
from tests.integration.ledger_rows import FAILED, NOW, attempt, payment, refund, restoring

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("payment_status", {"status": "paid", "settled_at": NOW}),
        ("payment_amount_positive", {"amount": 0}),
        ("payment_settled_or_pending", {"settled_at": NOW}),
        ("payment_settled_or_pending", FAILED | {"settled_at": None}),
        ("payment_success_is_charged", {"status": "success", "settled_at": NOW, "due_at": None}),
        ("payment_success_is_charged", {"status": "success", "settled_at": NOW, "intent_id": "pi_1"}),
        ("payment_failed_says_why", FAILED | {"reason": ""}),
        ("payment_failed_says_why", FAILED | {"fault": "somebody"}),
        ("payment_closed_rests", {"closed_at": NOW}),
        ("payment_closed_rests", FAILED | {"closed_at": NOW, "due_at": NOW}),
        ("payment_pending_is_due", {"due_at": None}),
    ],
)
def test_a_payment_that_breaks_a_promise_is_refused(name: str, fields: dict[str, Any]) -> None:
    """CHECK constraints hold the states."""
    with pytest.raises(IntegrityError, match=name):
        payment(**fields)


def test_a_second_open_payment_of_a_subscription_is_refused() -> None:
    """P1: the unique index that the proof rests on."""
    payment(number=1)
    with pytest.raises(IntegrityError, match="payment_one_open"), transaction.atomic():
        payment(number=2)


def test_after_a_payment_is_closed_there_may_be_another() -> None:
    """Re-issue: only a closed payment makes room."""
    payment(number=1, closed_at=NOW, **FAILED)
    payment(number=2)


def test_an_intent_belongs_to_one_payment() -> None:
    """P1: two payments never share a PaymentIntent."""
    payment(number=1, closed_at=NOW, intent_id="pi_1", **FAILED)
    with pytest.raises(IntegrityError, match="payment_one_per_intent"):
        payment(number=2, intent_id="pi_1")


def test_a_second_open_attempt_is_refused() -> None:
    """P1: two attempts of one payment are never under way side by side, one that was sent and may be sent again too."""
    one = payment()
    Attempt.objects.filter(id=attempt(one).id).update(state="unknown")
    with pytest.raises(IntegrityError, match="attempt_one_open"):
        attempt(one, number=2)


@pytest.mark.parametrize(
    ("state", "ended"), [("declined", None), ("sending", NOW), ("unknown", NOW), ("refused", None)]
)
def test_an_attempt_has_an_end_exactly_if_it_has_ended(state: str, ended: datetime | None) -> None:
    """Every terminal state has its timestamp, and no other has one."""
    with restoring(), pytest.raises(IntegrityError, match="attempt_ended_or_open"), transaction.atomic():
        attempt(payment(), state=state, ended_at=ended)


def test_refunds_never_exceed_the_charge() -> None:
    """What can't be given back can't even be wished; what came to nothing makes room again."""
    first = refund(amount=6_000, refund_id="re_1")
    with (
        pytest.raises(IntegrityError, match="refunds of 10001 in all exceed the charge of 10000"),
        transaction.atomic(),
    ):
        refund(amount=4_001)
    refund(amount=4_000)
    Refund.objects.filter(id=first.id).update(state="failed", ended_at=NOW)
    refund(amount=6_000)


def test_a_refund_that_stripe_tells_of_is_a_fact() -> None:
    """It is in Stripe's books already: refusing to write it down would only hide it."""
    refund(amount=10_000)
    refund(amount=10_000, asked_by="stripe", refund_id="re_1")


def test_history_is_never_rewritten() -> None:
    """Rows of the history can be added and nothing else, by anybody."""
    step = Transition.objects.create(
        payment=payment(), from_status="", to_status="pending", who="event", why="", at=NOW
    )
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
        Transition.objects.filter(id=step.id).update(why="another story")
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
        step.delete()


def test_one_id_is_told_once() -> None:
    """P4: the outbox holds one message for one transition."""
    OutboxMessage.objects.create(message_id="n-1", channel="notifications", created_at=NOW)
    with pytest.raises(IntegrityError, match="outbox_one_per_id"):
        OutboxMessage.objects.create(message_id="n-1", channel="notifications", created_at=NOW)
