"""What an answer that proves something makes of a payment: the rows that `settle` leaves behind."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from payments import charging, notifications
from payments.answers import Declined, Rejected, Unknown
from payments.models import Attempt, OutboxMessage, Transition
from tests.integration.ledger_rows import FAILED, NOW, attempt, payment
from tests.integration.settled import SOON, seen, settle

pytestmark = pytest.mark.django_db


def test_a_settlement_writes_what_has_changed_and_no_other_column() -> None:
    """What was never touched is never written back; where nothing is new, nothing is."""
    settle(Unknown(why="reset"), sent_at=NOW)
    with CaptureQueriesContext(connection) as asked:
        settle(seen("succeeded"))
    written = [one["sql"] for one in asked if one["sql"].startswith('UPDATE "payments_payment"')]
    assert len(written) == 1
    assert '"status" = ' in written[0]
    assert not [name for name in ("email", "amount", "intent_id", "subscription_id") if f'"{name}" = ' in written[0]]
    with CaptureQueriesContext(connection) as asked:
        settle(seen("succeeded"))
    assert not [one["sql"] for one in asked if one["sql"].startswith("UPDATE")]


def test_a_method_that_had_come_in_meanwhile_is_tried_at_once() -> None:
    """The failure is told; then the newer method is used, with its customer, and once."""
    attempt(payment(intent_id="pi_1", customer="cus_1", next_payment_method="pm_2", next_customer="cus_2"))
    row, tried = settle(Declined(code="card_declined", decline_code="lost_card"))
    assert tried.state == "declined"
    assert (row.status, row.due_at, row.settled_at) == ("pending", SOON, None)
    assert (row.payment_method, row.customer, row.asked_by) == ("pm_2", "cus_2", "event")
    assert (row.next_payment_method, row.next_customer) == ("", None)
    assert (row.fault, row.kind, row.code, row.reason) == ("", "", "", "")
    assert OutboxMessage.objects.count() == 1
    steps = [(step.from_status, step.to_status, step.who, step.why) for step in Transition.objects.order_by("id")]
    assert steps == [
        ("pending", "failed", "stripe", "declined: lost_card"),
        ("failed", "pending", "event", "another payment method had come in meanwhile"),
    ]


def test_a_kept_method_is_not_tried_after_a_success() -> None:
    """P1: paid is paid."""
    attempt(payment(intent_id="pi_1", livemode=False, next_payment_method="pm_2"))
    row, tried = settle(seen("succeeded"))
    assert (row.status, row.due_at, row.payment_method, tried.state) == ("success", None, "pm_1", "succeeded")


def test_who_closed_an_untried_payment_and_why_is_in_its_history() -> None:
    """Somebody asks one day."""
    row = payment()
    unasked: Any = None  # there is nothing to cancel
    charging.close(payment_id=row.id, who="aida", reason="wrong price", gateway=unasked, now=SOON)
    step = Transition.objects.latest("id")
    assert (step.who, step.why, step.to_status) == ("aida", "wrong price", "failed")


def test_a_success_of_a_closed_payment_is_shown_to_a_person() -> None:
    """P3: money was taken for what nobody owes any more, and the rows can't say so otherwise."""
    attempt(payment(intent_id="pi_1", livemode=False, closed_at=NOW, **FAILED))
    Attempt.objects.update(state="declined", ended_at=NOW)
    row, _ = settle(seen("succeeded"))
    assert row.attention == "Stripe says succeeded, but this payment was closed: money was taken"
    assert (row.status, OutboxMessage.objects.count()) == ("failed", 0)


def test_a_decline_is_due_when_it_is_tried_again_or_looked_at_whichever_comes_first(settings: Any) -> None:
    """A retry in half a minute doesn't wait for the look after a minute, nor the look for a retry in an hour."""
    settings.RETRY_SOFT_AFTER = (timedelta(seconds=30),)
    row, _ = settle(Declined(code="card_declined", decline_code="insufficient_funds"))
    assert row.due_at == row.retry_at == SOON + timedelta(seconds=30)


def test_a_failed_payment_that_stripe_has_cancelled_says_so_in_its_history() -> None:
    """Nobody of ours closed it."""
    attempt(payment(intent_id="pi_1", livemode=False, **FAILED | {"due_at": NOW}))
    Attempt.objects.update(state="declined", ended_at=NOW)
    row, _ = settle(seen("canceled"))
    assert (row.closed_at, row.due_at) == (SOON, None)
    assert Transition.objects.latest("id").why == "closed: canceled at Stripe"


def test_a_failure_needs_nobodys_look_any_more() -> None:
    """P5: what was shown because it was slow is settled."""
    attempt(payment(intent_id="pi_1", attention="its outcome is still unknown"))
    row, _ = settle(Declined(code="card_declined"))
    assert (row.status, row.attention, row.due_at) == ("failed", "", SOON + timedelta(minutes=1))


def test_what_failed_without_an_intent_has_nothing_to_be_looked_at() -> None:
    """There is nothing at Stripe that could turn out paid."""
    attempt(payment())
    row, _ = settle(Rejected(code="amount_too_small"))
    assert (row.status, row.due_at) == ("failed", None)


def test_a_payment_closed_between_two_attempts_is_told_under_an_id_of_its_own() -> None:
    """P4: the same from a restored database, so the name that it is made from never changes."""
    attempt(payment(intent_id="pi_1", livemode=False))
    Attempt.objects.update(state="declined", ended_at=NOW)
    row, _ = settle(seen("canceled"))
    told = OutboxMessage.objects.get()
    assert told.message_id == notifications.notification_id(payment=row.id, transition="closed")


CODES: dict[str, Any] = {
    "code": "card_declined", "decline_code": "insufficient_funds", "advice_code": "try_again_later",
    "network_advice_code": "02", "network_decline_code": "51",
}  # fmt: skip


def test_a_decline_is_kept_with_all_that_the_bank_has_said() -> None:
    """The customer reads what the most telling code means."""
    row, tried = settle(Declined(**CODES, charge="ch_1", card="fp_1", request="req_2"))
    assert {name: getattr(tried, name) for name in CODES} == CODES
    assert (tried.charge_id, tried.card, tried.request_id, tried.ended_at) == ("ch_1", "fp_1", "req_2", SOON)
    assert (row.fault, row.kind, row.code) == ("customer", "soft", "insufficient_funds")
    assert "not enough money" in row.reason
    step = Transition.objects.get()
    assert (step.attempt, step.attempt_state, step.at, step.who) == (tried, "declined", SOON, "stripe")
    assert step.evidence == {"request": "req_2", "intent": "pi_1"}


@pytest.mark.parametrize("advice", [{"advice_code": "do_not_try_again"}, {"network_advice_code": "03"}])
def test_advice_not_to_try_again_is_taken(advice: dict[str, Any]) -> None:
    """Whatever the code says by itself; without one, the code stands for the decline."""
    row, _ = settle(Declined(code="processing_error", **advice))
    assert (row.kind, row.code) == ("hard", "processing_error")


def test_who_must_confirm_is_told_so_by_a_look_as_well() -> None:
    """The attempt is over, until the customer acts."""
    attempt(payment(intent_id="pi_1", livemode=False))
    row, tried = settle(seen("requires_action"))
    assert (row.status, row.kind, row.code) == ("failed", "action", "authentication_required")
    assert (tried.state, tried.ended_at) == ("action_required", SOON)
    assert Transition.objects.get().why == "action_required: authentication_required"


def test_a_success_names_its_charge_and_leaves_nothing_of_what_was_wrong() -> None:
    """P3: and nothing is due any more."""
    attempt(payment(intent_id="pi_1", livemode=False, attention="slow"))
    paid = seen("succeeded")
    row, tried = settle(replace(paid, intent=replace(paid.intent, charge="ch_1")))
    assert (row.status, row.due_at, row.retry_at, row.attention) == ("success", None, None, "")
    assert (row.settled_at, tried.state, tried.charge_id, tried.ended_at) == (SOON, "succeeded", "ch_1", SOON)
    step = Transition.objects.get()
    assert (step.from_status, step.to_status, step.why) == ("pending", "success", "Stripe says succeeded")
    assert step.evidence == {"request": "req_1", "intent": "pi_1", "charge": "ch_1"}
    told = OutboxMessage.objects.get()
    assert told.message_id == notifications.notification_id(payment=row.id, transition="success")
