"""Try a failed payment again: who may ask for it, what it writes, and when it is done by itself."""

import json
from datetime import datetime, timedelta
from typing import Any

import pytest

from payments import charging, notifications
from payments.charging import NotReplayable
from payments.charging.retry import card_declines, find_retry, last_card, refuse_attempt
from payments.models import Attempt, OutboxMessage, Payment, Transition
from payments.retry_policy import NETWORK_CAP, NETWORK_WINDOW, Refusal
from tests.integration.ledger_rows import FAILED, NOW, PAID, attempt, payment, restoring

pytestmark = pytest.mark.django_db
MOMENT = timedelta(microseconds=1)
HOUR = timedelta(hours=1)
DECLINED: dict[str, Any] = {"state": "declined", "ended_at": NOW}
PENDING: dict[str, Any] = {"status": "pending"}


def write(of_payment: dict[str, Any], *attempts: dict[str, Any]) -> Payment:
    """A payment with these attempts, whatever it took to get there."""
    with restoring():
        row = payment(**of_payment)
        for number, fields in enumerate(attempts, 1):
            attempt(row, number=number, **fields)
    return Payment.objects.get()


def declines(row: Payment, count: int, *, card: str = "fp_1", at: datetime = NOW) -> None:
    """So many more attempts that this card was declined for."""
    last = row.attempts.count()
    with restoring():
        for number in range(last + 1, last + count + 1):
            attempt(row, number=number, card=card, state="declined", ended_at=at)


@pytest.mark.parametrize(
    ("method", "customer", "is_customer"),
    [("pm_1", None, "cus_1"), ("pm_1", "cus_2", "cus_2"), ("pm_1", "", ""), ("pm_2", None, None), ("pm_2", "c", "c")],
)
def test_a_request_makes_a_failed_payment_pending_with_nothing_left_of_its_failure(
    method: str, customer: str | None, is_customer: str | None
) -> None:
    """A customer that is known stays so, with the same method; with another one nobody's customer is taken over."""
    told = {"code": "expired_card", "attention": "look", "retry_at": NOW, "due_at": NOW, "customer": "cus_1"}
    row = write(FAILED | told, DECLINED)
    charging.request_attempt(
        payment=row, asked_by="staff: ann", payment_method=method, customer=customer, now=NOW + HOUR, why="she asked",
        evidence={"record": 7},
    )  # fmt: skip
    row.save()
    row.refresh_from_db()
    assert (row.status, row.settled_at, row.due_at, row.retry_at) == ("pending", None, NOW + HOUR, None)
    assert (row.payment_method, row.customer, row.asked_by) == (method, is_customer, "staff: ann")
    assert (row.fault, row.kind, row.code, row.reason, row.attention) == ("", "", "", "", "")
    step = Transition.objects.get()
    assert (step.payment, step.from_status, step.to_status, step.at) == (row, "failed", "pending", NOW + HOUR)
    assert (step.who, step.why, step.evidence) == ("staff: ann", "she asked", {"record": 7})


@pytest.mark.parametrize("attempts", [[], [DECLINED, DECLINED]])
def test_an_attempt_that_is_out_of_the_question_is_written_down_and_told(attempts: list[dict[str, Any]]) -> None:
    """Whoever has asked waits for an answer; the payment stays as it is."""
    row = write(FAILED | {"intent_id": "pi_1"}, *attempts)
    before = Payment.objects.values().get()
    number = len(attempts) + 1
    refusal = Refusal(code="network_cap", text="too often")
    refuse_attempt(payment=row, asked_by="event", payment_method="pm_9", refusal=refusal, now=NOW + HOUR)
    tried = Attempt.objects.latest("number")
    assert (tried.payment, tried.number, tried.state, tried.code) == (row, number, "refused", "network_cap")
    assert (tried.asked_by, tried.payment_method) == ("event", "pm_9")
    assert (tried.created_at, tried.ended_at) == (NOW + HOUR, NOW + HOUR)
    step = Transition.objects.get()
    assert (step.payment, step.attempt, step.attempt_state) == (row, tried, "refused")
    assert (step.from_status, step.to_status) == ("failed", "failed")
    assert (step.who, step.why, step.at) == ("event", "too often", NOW + HOUR)
    told = OutboxMessage.objects.get()
    assert told.message_id == notifications.notification_id(payment=row.id, transition=f"failed/{number}")
    assert told.created_at == NOW + HOUR
    assert json.loads(bytes(told.value or b""))["payment"]["metadata"]["attempt"] == number
    assert Payment.objects.values().get() == before


def test_declines_of_a_card_are_counted_over_the_networks_window() -> None:
    """Over all payments; what has no fingerprint counts for nobody."""
    row = write(FAILED)
    declines(row, 2)
    declines(row, 1, at=NOW - NETWORK_WINDOW + MOMENT)
    declines(row, 1, at=NOW - NETWORK_WINDOW)
    declines(row, 3, card="fp_2")
    declines(row, 3, card="")
    assert [card_declines(card=card, now=NOW) for card in ("fp_1", "fp_2", "fp_3", "")] == [3, 3, 0, 0]


def test_the_last_card_is_the_one_of_the_latest_decline_that_names_one() -> None:
    """Empty if none ever did."""
    row = write(FAILED, DECLINED)
    assert last_card(row) == ""
    declines(row, 1, card="fp_1")
    declines(row, 1, card="fp_2")
    declines(row, 1, card="")
    assert last_card(row) == "fp_2"


BOUND: dict[str, Any] = FAILED | {"intent_id": "pi_1"}


@pytest.mark.parametrize(
    ("of_payment", "earlier", "others", "after"),
    [
        (BOUND, [], 0, HOUR),
        (BOUND, [DECLINED], 0, 2 * HOUR),
        (BOUND, [{"state": "rejected", "ended_at": NOW}], 0, HOUR),
        (BOUND, [DECLINED, DECLINED], 0, None),
        (BOUND | {"kind": "hard"}, [], 0, None),
        (BOUND | {"intent_id": None}, [], 0, None),
        (BOUND | {"next_payment_method": "pm_2"}, [], 0, None),
        (BOUND | {"closed_at": NOW}, [], 0, None),
        (BOUND, [], NETWORK_CAP - 2, HOUR),
        (BOUND, [], NETWORK_CAP - 1, None),
        (BOUND, [], NETWORK_CAP, None),
    ],
)
def test_a_soft_decline_is_tried_again_by_the_schedule_within_the_networks_cap(
    of_payment: dict[str, Any], earlier: list[dict[str, Any]], others: int, after: timedelta | None, settings: Any
) -> None:
    """With RETRY_SOFT_AFTER=1h,2h; the decline that has just come counts, though it isn't written yet."""
    settings.RETRY_SOFT_AFTER = [HOUR, 2 * HOUR]
    row = write(of_payment, *earlier)
    with restoring():
        for number in range(others):
            attempt(row, number=100 + number, card="fp_1", state="refused", ended_at=NOW)
    for beside in range(min(others, 2) + 1):  # those that are written together with this one count all the same
        with restoring():
            Attempt.objects.filter(number__in=range(100, 100 + beside)).update(card="")
        found = find_retry(payment=row, card="fp_1", beside=beside, now=NOW)
        assert found == (NOW + after if after else None)


@pytest.mark.parametrize(
    ("of_payment", "attempts", "refused"),
    [
        (FAILED | {"closed_at": NOW}, [], ("closed", "it is closed: nothing more can be taken with it")),
        (PAID, [], ("paid", "it is paid")),
        (PENDING, [{"state": "unknown"}], ("unknown", "its outcome is unknown: Stripe is being asked")),
        (PENDING, [{"state": "sending"}], ("pending", "it is under way")),
        (PENDING, [], ("pending", "it is under way")),
        (
            FAILED | {"kind": "hard"}, [DECLINED],
            ("declined_for_good", "this payment method was declined for good: another one is needed"),
        ),
        (
            FAILED | {"kind": "action"}, [DECLINED],
            (
                "customer_must_act",
                "the customer must confirm the payment with their bank: charging again without them fails again",
            ),
        ),
        (FAILED, [DECLINED | {"card": "fp_1"}] * (NETWORK_CAP - 1), None),
        (
            FAILED, [DECLINED | {"card": "fp_1"}] * NETWORK_CAP,
            ("network_cap", "this card was declined 15 times in 30 days: the card networks allow no more for now"),
        ),
        (FAILED, [], None),
    ],
)  # fmt: skip
def test_staff_have_tried_again_what_may_be_and_are_told_why_not(
    of_payment: dict[str, Any], attempts: list[dict[str, Any]], refused: tuple[str, str] | None
) -> None:
    """With the method that it has; what is refused stays as it is."""
    row = write(of_payment | {"customer": "cus_1"}, *attempts)
    before = Payment.objects.values().get()
    why_not = charging.replay(payment_id=row.id, who="staff: ann", reason="she asked", now=NOW)
    assert why_not == (NotReplayable(code=refused[0], text=refused[1]) if refused else None)
    if refused:
        assert Payment.objects.values().get() == before
        assert not Transition.objects.exists()
    else:
        row.refresh_from_db()
        assert (row.status, row.due_at, row.asked_by) == ("pending", NOW, "staff: ann")
        assert (row.payment_method, row.customer) == ("pm_1", "cus_1")
        step = Transition.objects.get()
        assert (step.who, step.why, step.at) == ("staff: ann", "she asked", NOW)
