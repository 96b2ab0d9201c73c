"""After a restore, row by row: what adoption writes, and what it leaves as it is."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from payments import charging, notifications
from payments.answers import Declined, Intent, ListedIntent, Seen
from payments.charging import NotAdopted
from payments.models import Attempt, Payment, Transition
from tests.integration.ledger_rows import FAILED, NOW, PAID, attempt, payment, restoring

pytestmark = pytest.mark.django_db
SECOND = timedelta(seconds=1)
LOST = Declined(code="card_declined", decline_code="lost_card", charge="ch_9")
BOUND: dict[str, Any] = {"intent_id": "pi_1", "livemode": False, "account_id": "acct_1"}


def listed(status: str, *, refusal: Declined | None = None, method: str = "", **changes: Any) -> ListedIntent:
    """The PaymentIntent of the only payment there is, as Stripe lists it."""
    intent = Intent(
        id="pi_1", status=status, amount=10_000, currency="KZT", livemode=False, payment=str(Payment.objects.get().id),
        charge="", created_at=NOW,
    )  # fmt: skip
    seen = Seen(intent=replace(intent, **changes), refusal=refusal)
    return ListedIntent(seen=seen, subscription="sub_1", customer="cus_1", declined_method=method)


def adopt(found: ListedIntent, *, tries: int = 0) -> NotAdopted | None:
    """Into the only payment there is."""
    return charging.adopt(payment_id=Payment.objects.get().id, found=found, account="acct_1", now=NOW, tries=tries)


def before(of: Payment, **fields: Any) -> Attempt:
    """An attempt in whatever state it has come to."""
    with restoring():
        return attempt(of, **fields)


def history() -> list[tuple[Any, ...]]:
    """What the payment's history says, oldest first."""
    rows = Transition.objects.order_by("id").values_list(
        "attempt__number", "from_status", "to_status", "attempt_state", "who", "why", "at"
    )
    return list(rows)


BOUND_AGAIN = (
    None, "pending", "pending", "", "adoption", "bound again to the PaymentIntent that was made for it", NOW,
)  # fmt: skip


def test_an_attempt_stands_in_the_place_of_the_one_that_was_forgotten() -> None:
    """With the method that Stripe was asked to charge, and with the answer that Stripe gave to it."""
    row = payment(asked_by="staff: ann")
    before(row, state="declined", ended_at=NOW - SECOND)
    assert adopt(listed("requires_payment_method", refusal=LOST, method="pm_9")) is None
    made = Attempt.objects.latest("number")
    assert (made.number, made.asked_by, made.payment_method) == (2, "staff: ann", "pm_9")
    assert made.request == {"payment_method": "pm_9", "off_session": True, "expand": ["latest_charge"]}
    assert made.idempotency_key.startswith("confirm-")
    assert (made.key_made_at, made.sent_at, made.created_at) == (NOW, NOW, NOW)
    assert (made.state, made.charge_id, made.decline_code) == ("declined", "ch_9", "lost_card")
    assert history() == [
        BOUND_AGAIN,
        (2, "pending", "pending", "sending", "adoption", "in the place of an attempt that was forgotten", NOW),
        (2, "pending", "failed", "declined", "adoption", "declined: lost_card", NOW),
        (None, "failed", "pending", "", "event", "another payment method had come in meanwhile", NOW),
    ]
    assert Transition.objects.order_by("id")[0].evidence == {"intent": "pi_1"}
    row.refresh_from_db()
    assert (row.intent_id, row.intent_customer, row.account_id, row.livemode) == ("pi_1", "cus_1", "acct_1", False)


def test_the_first_attempt_is_number_one_with_the_payments_own_method() -> None:
    """Where Stripe names no method: it has charged the one that came with the event."""
    payment()
    assert adopt(listed("succeeded")) is None
    made = Attempt.objects.get()
    assert (made.number, made.payment_method, made.state) == (1, "pm_1", "succeeded")


@pytest.mark.parametrize(
    ("of_payment", "of_attempt"),
    [
        ({}, {"state": "sending"}),
        (BOUND, {"state": "unknown"}),
        (FAILED, {"state": "rejected", "ended_at": NOW}),
    ],
)
def test_the_answer_is_about_an_attempt_that_is_under_way_or_has_failed(
    of_payment: dict[str, Any], of_attempt: dict[str, Any]
) -> None:
    """No other is made up."""
    with restoring():
        row = payment(**of_payment)
    tried = before(row, **of_attempt)
    assert adopt(listed("succeeded")) is None
    row.refresh_from_db()
    assert row.status == "success"
    assert Attempt.objects.get() == tried


@pytest.mark.parametrize(
    ("of_payment", "changes", "refused"),
    [
        ({"intent_id": "pi_2"}, {}, NotAdopted(text="it is bound to pi_2")),
        (FAILED | {"closed_at": NOW}, {}, NotAdopted(text="it is closed")),
        ({"lease_until": NOW + SECOND}, {}, NotAdopted(text="a worker is at work on it", passes=True)),
        ({}, {"amount": 999}, NotAdopted(text="amount is 999, not 10000")),
        ({}, {"amount": 9, "currency": "USD"}, NotAdopted(text="amount is 9, not 10000, currency is USD, not KZT")),
        (BOUND, {"livemode": True}, NotAdopted(text="livemode is True, not False")),
    ],
)
def test_what_does_not_belong_together_is_left_apart(
    of_payment: dict[str, Any], changes: dict[str, Any], refused: NotAdopted
) -> None:
    """Binding can't be undone: nothing is written."""
    with restoring():
        row = payment(**of_payment)
    rows = Payment.objects.values().get()
    assert adopt(listed("succeeded", **changes)) == refused
    assert Payment.objects.values().get() == rows
    assert (row.attempts.count(), history()) == (0, [])


def test_a_lease_that_has_run_out_holds_nothing() -> None:
    """Its worker is gone."""
    payment(lease_until=NOW)
    assert adopt(listed("succeeded")) is None
    assert Payment.objects.get().status == "success"


@pytest.mark.parametrize("status", ["requires_payment_method", "requires_confirmation"])
@pytest.mark.parametrize("refusal", [None, LOST])
def test_a_failure_is_not_told_again(status: str, refusal: Declined | None) -> None:
    """It is bound, and stays as it was told."""
    with restoring():
        before(payment(**FAILED), state="declined", ended_at=NOW)
    assert adopt(listed(status, refusal=refusal)) is None
    row = Payment.objects.get()
    assert (row.status, row.intent_id, row.attempts.count()) == ("failed", "pi_1", 1)
    assert [step[5] for step in history()] == [BOUND_AGAIN[5]]


def test_what_was_never_confirmed_is_bound_and_waits_for_its_turn() -> None:
    """Nothing is settled: nothing was tried."""
    payment()
    assert adopt(listed("requires_confirmation")) is None
    row = Payment.objects.get()
    assert (row.status, row.intent_id, row.attempts.count(), history()) == ("pending", "pi_1", 0, [BOUND_AGAIN])


def test_what_is_paid_stays_as_it_is() -> None:
    """A repeat does no harm."""
    with restoring():
        payment(**PAID)
    rows = Payment.objects.values().get()
    assert adopt(listed("succeeded")) is None
    assert Payment.objects.values().get() == rows
    assert history() == []


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
