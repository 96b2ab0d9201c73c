"""After a restore: which attempt, and which method, what Stripe shows was of, and what is tried afterwards."""

from dataclasses import replace
from typing import Any

import pytest

from payments import charging, notifications
from payments.answers import Declined
from payments.models import Payment
from tests.integration.adopting import BOUND, LOST, SECOND, adopt, before, listed
from tests.integration.ledger_rows import FAILED, NOW, payment, restoring

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(("number", "state"), [(1, "action_required"), (2, "unknown")])
def test_who_is_asked_to_confirm_may_be_of_an_earlier_attempt(number: int, state: str) -> None:
    """P3: only a first one is it for sure; any other is resolved by the charge."""
    with restoring():
        row = payment(**BOUND)
    tried = before(row, number=number, state="unknown", sent_at=NOW)
    assert adopt(listed("requires_action")) is None
    tried.refresh_from_db()
    assert tried.state == state


@pytest.mark.parametrize(("method", "attempts"), [("pm_0", 1), ("pm_1", 2), ("pm_2", 2), ("", 2)])
def test_what_an_earlier_methods_customer_did_not_confirm_is_no_try_of_the_next_one(method: str, attempts: int) -> None:
    """P3: it has left no charge, and is of a method that the payment goes on without."""
    with restoring():
        row = payment(**BOUND, next_payment_method="pm_2")
    before(row, state="action_required", payment_method="pm_0", charge_id="ch_1", ended_at=NOW - SECOND)
    not_confirmed = Declined(code="payment_intent_authentication_failure", decline_code="", charge="")
    assert adopt(listed("requires_payment_method", refusal=not_confirmed, method=method)) is None
    assert row.attempts.count() == attempts


@pytest.mark.parametrize(
    ("ours", "theirs", "is_known"),
    [
        ({"charge_id": "ch_9"}, LOST, True),
        ({"charge_id": "ch_8", "code": "card_declined", "decline_code": "lost_card"}, LOST, False),
        ({"code": "card_declined", "decline_code": "lost_card"}, replace(LOST, charge=""), True),
        ({"code": "card_declined", "decline_code": "stolen_card"}, replace(LOST, charge=""), False),
        ({"code": "expired_card", "decline_code": "lost_card"}, replace(LOST, charge=""), False),
        ({"charge_id": "ch_9", "state": "action_required"}, LOST, True),
        ({"charge_id": "ch_9", "state": "rejected"}, LOST, False),
    ],
)
def test_a_decline_that_is_known_here_is_not_settled_again(
    ours: dict[str, Any], theirs: Declined, is_known: bool
) -> None:
    """By its charge; without one, by its codes. A replay that was asked for since is tried, then."""
    before(payment(**BOUND), **{"state": "declined", "ended_at": NOW} | ours)
    assert adopt(listed("requires_payment_method", refusal=theirs)) is None
    row = Payment.objects.get()
    assert (row.status, row.attempts.count()) == (("pending", 1) if is_known else ("failed", 2))


@pytest.mark.parametrize(
    ("declined", "status", "method"), [("pm_2", "failed", "pm_2"), ("pm_1", "pending", "pm_2"), ("", "pending", "pm_2")]
)
def test_a_method_that_is_kept_for_later_is_tried_unless_it_was(declined: str, status: str, method: str) -> None:
    """With its own customer; and once used, it isn't kept any more."""
    payment(customer="cus_1", next_payment_method="pm_2", next_customer="cus_2")
    assert adopt(listed("requires_payment_method", refusal=LOST, method=declined)) is None
    row = Payment.objects.get()
    assert (row.status, row.payment_method, row.customer) == (status, method, "cus_2")
    assert (row.next_payment_method, row.next_customer) == ("", None)


def test_a_method_whose_turn_has_not_come_is_tried_after_what_another_one_was_declined_with() -> None:
    """P2: a newer event has asked for it. The forgotten decline is told under its own number."""
    with restoring():
        row = payment(**BOUND, payment_method="pm_2", customer="cus_2")
    before(row, state="declined", charge_id="ch_1", ended_at=NOW - SECOND)
    assert adopt(listed("requires_payment_method", refusal=LOST, method="pm_1"), tries=1) is None
    row.refresh_from_db()
    assert (row.status, row.payment_method, row.customer, row.next_payment_method) == ("pending", "pm_2", "cus_2", "")
    own_id = notifications.notification_id(payment=row.id, transition="failed/2")
    assert [one.message_id for one in row.notifications.all()] == [own_id]
    [claimed] = charging.claim(payment_ids=[row.id], now=NOW)
    assert (claimed.number, claimed.payment_method, claimed.customer) == (3, "pm_2", "cus_2")


def test_a_method_that_came_later_still_takes_its_place() -> None:
    """The newest wish counts, as ever."""
    with restoring():
        row = payment(**BOUND, payment_method="pm_2", next_payment_method="pm_3", next_customer="cus_3")
    before(row, state="declined", charge_id="ch_1", ended_at=NOW - SECOND)
    assert adopt(listed("requires_payment_method", refusal=LOST, method="pm_1"), tries=1) is None
    row.refresh_from_db()
    assert (row.status, row.payment_method, row.customer, row.next_payment_method) == ("pending", "pm_3", "cus_3", "")


def test_a_method_whose_attempt_was_under_way_is_not_tried_once_more() -> None:
    """It was the first of these tries."""
    with restoring():
        row = payment(**BOUND)
    before(row, state="unknown", sent_at=NOW)
    assert adopt(listed("requires_payment_method", refusal=LOST, method="pm_2"), tries=2) is None
    row.refresh_from_db()
    assert (row.status, row.next_payment_method, row.attempts.count()) == ("failed", "", 2)


def test_a_test_methods_name_says_nothing_of_what_was_declined() -> None:
    """It stands for a method with an id of its own."""
    with restoring():
        row = payment(**BOUND, payment_method="pm_card_chargeDeclined")
    before(row, state="declined", charge_id="ch_1", ended_at=NOW - SECOND)
    assert adopt(listed("requires_payment_method", refusal=LOST, method="pm_1"), tries=1) is None
    row.refresh_from_db()
    assert (row.status, row.next_payment_method, row.attempts.count()) == ("failed", "", 2)


def test_who_is_asked_to_confirm_was_so_before_the_next_method_came() -> None:
    """Its turn is still to come, with the next number."""
    with restoring():
        row = payment(**BOUND, payment_method="pm_2")
    before(row, state="action_required", charge_id="ch_1", ended_at=NOW - SECOND)
    assert adopt(listed("requires_action")) is None
    row.refresh_from_db()
    assert (row.status, row.payment_method, row.attempts.count()) == ("pending", "pm_2", 1)


@pytest.mark.parametrize(("method", "attempts"), [("pm_9", 1), ("pm_1", 2), ("", 2)])
def test_a_failed_payment_takes_no_card_that_the_customer_has_tried_by_themselves(method: str, attempts: int) -> None:
    """Nobody has asked for it here: it is neither told nor tried again by schedule."""
    with restoring():
        row = payment(**FAILED | BOUND)
    before(row, state="declined", charge_id="ch_1", ended_at=NOW - SECOND)
    assert adopt(listed("requires_payment_method", refusal=LOST, method=method), tries=1) is None
    row.refresh_from_db()
    assert (row.status, row.payment_method, row.attempts.count()) == ("failed", "pm_1", attempts)
    assert row.notifications.count() == attempts - 1
