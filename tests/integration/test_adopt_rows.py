"""After a restore, row by row: what adoption writes, and what it leaves as it is."""

from typing import Any

import pytest

from payments.answers import Declined
from payments.charging import NotAdopted
from payments.models import Attempt, Payment, Transition
from tests.integration.adopting import BOUND, LOST, SECOND, adopt, before, listed
from tests.integration.ledger_rows import FAILED, NOW, PAID, payment, restoring

pytestmark = pytest.mark.django_db


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
