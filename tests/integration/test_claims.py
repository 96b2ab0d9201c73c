"""Claim: which payments a worker takes, what it takes with them, and what it writes before it asks Stripe anything."""

from datetime import timedelta
from typing import Any

import pytest

from payments import charging
from payments.charging.claim import LEASE, Claim, Step
from payments.models import Attempt, Payment, Subscription, Transition
from tests.integration.ledger_rows import FAILED, NOW, attempt, payment, restoring

pytestmark = pytest.mark.django_db
SECOND = timedelta(seconds=1)
BOUND: dict[str, Any] = {"intent_id": "pi_1", "intent_customer": "cus_1", "account_id": "acct_1", "livemode": False}


def claim(*payments: Payment) -> list[Claim]:
    """Claim these, or the only one there is."""
    return charging.claim(payment_ids=[one.id for one in payments or Payment.objects.all()], now=NOW)


def another(name: str, **fields: Any) -> Payment:
    """A payment of a subscription of its own."""
    Subscription.objects.create(id=name)
    with restoring():
        return payment(subscription_id=name, **fields)


def tried_before(of: Payment, **fields: Any) -> Attempt:
    """An attempt in whatever state it has come to."""
    with restoring():
        return attempt(of, **fields)


def test_a_first_claim_says_all_that_the_steps_need() -> None:
    """Its attempt and what will be sent are in the database before anything is asked of Stripe."""
    row = payment(asked_by="staff: ann", customer="cus_1", traceparent="00-1-2-03")
    [made] = claim()
    tried = Attempt.objects.get()
    assert made == Claim(
        number=1,
        payment=row.id, attempt=tried.id, step=Step.CHARGE, lease_until=NOW + LEASE, subscription="sub_1",
        amount=10_000, currency="KZT", payment_method="pm_1", customer="cus_1", intent=None, intent_customer="",
        account="", was_processing=False, traceparent="00-1-2-03",
    )  # fmt: skip
    assert (tried.number, tried.asked_by, tried.state, tried.payment_method) == (1, "staff: ann", "sending", "pm_1")
    assert tried.request == {"payment_method": "pm_1", "off_session": True, "expand": ["latest_charge"]}
    assert (tried.key_made_at, tried.created_at, tried.sent_at, tried.in_doubt) == (NOW, NOW, None, False)
    row.refresh_from_db()
    assert (row.lease_until, row.deliveries, row.attention) == (NOW + LEASE, 1, "")


def test_that_an_attempt_began_is_in_the_history() -> None:
    """Who asked for it, when, and in which state it begins."""
    row = payment(asked_by="staff: ann")
    claim()
    step = Transition.objects.get()
    assert (step.payment, step.attempt) == (row, Attempt.objects.get())
    assert (step.from_status, step.to_status, step.attempt_state) == ("pending", "pending", "sending")
    assert (step.who, step.why, step.at) == ("staff: ann", "attempt started", NOW)


def test_every_attempt_has_a_key_of_its_own_that_says_nothing_of_anybody() -> None:
    """As Stripe wants it: long, random, and without personal data."""
    payment()
    another("sub_2")
    claim()
    first, second = Attempt.objects.values_list("idempotency_key", flat=True)
    assert first != second
    assert all(key.startswith("confirm-") and len(key) == len("confirm-") + 32 for key in (first, second))


@pytest.mark.parametrize(
    ("of_payment", "of_attempt", "step"),
    [
        (BOUND, {"state": "unknown"}, Step.RESOLVE),
        (BOUND, {"state": "processing"}, Step.RESOLVE),
        (BOUND, {"state": "sending", "in_doubt": True}, Step.RESOLVE),
        (BOUND, {"state": "sending", "sent_at": NOW}, Step.RESOLVE),
        (BOUND, {"state": "sending"}, Step.CHARGE),
        ({}, {"state": "unknown"}, Step.CHARGE),
        ({}, {"state": "sending", "in_doubt": True}, Step.CHARGE),
        (BOUND | FAILED | {"due_at": NOW}, {"state": "declined", "ended_at": NOW}, Step.LOOK),
        (FAILED | {"due_at": NOW}, {"state": "declined", "ended_at": NOW}, Step.LOOK),
    ],
)
def test_what_may_have_been_sent_is_asked_about_first(
    of_payment: dict[str, Any], of_attempt: dict[str, Any], step: Step
) -> None:
    """P1, P3: without an intent nothing can have been charged; of a failed payment only a look is due."""
    with restoring():
        row = payment(**of_payment)
    tried = tried_before(row, **of_attempt)
    [made] = claim()
    assert (made.step, made.attempt, made.was_processing) == (step, tried.id, of_attempt["state"] == "processing")
    assert (made.intent, made.intent_customer, made.account) == (
        (of_payment.get("intent_id"), "cus_1", "acct_1") if "intent_id" in of_payment else (None, "", "")
    )


def test_what_is_claimed_is_about_the_latest_attempt() -> None:
    """The ones before it are over."""
    row = payment(**BOUND)
    tried_before(row, number=1, state="declined", ended_at=NOW)
    latest = tried_before(row, number=2, state="unknown")
    [made] = claim()
    assert (made.step, made.attempt, made.number) == (Step.RESOLVE, latest.id, 2)


@pytest.mark.parametrize(
    ("state", "sent", "doubted"),
    [("sending", True, True), ("sending", False, False), ("unknown", True, False)],
)
def test_an_attempt_whose_worker_died_on_it_is_in_doubt(state: str, sent: bool, doubted: bool) -> None:
    """P3: nobody can tell whether its confirm left, so that a refusal of it proves nothing from now on."""
    tried_before(payment(**BOUND), state=state, sent_at=NOW if sent else None)
    claim()
    assert Attempt.objects.get().in_doubt == doubted


def test_a_payment_that_is_tried_again_gets_the_next_attempt_with_the_method_that_it_has_now() -> None:
    """Numbers go on from the highest; other payments' numbers don't matter."""
    row = payment(payment_method="pm_2", **BOUND)
    for number in (1, 2):
        tried_before(row, number=number, state="declined", ended_at=NOW, payment_method="pm_1")
    other = another("sub_2")
    claim()
    assert row.attempts.latest("number").number == 3
    assert row.attempts.latest("number").request["payment_method"] == "pm_2"
    assert other.attempts.get().number == 1


def test_only_what_is_due_open_and_free_is_claimed_the_longest_due_first() -> None:
    """A lease that ends now is over, and what is due now is due."""
    late, now = another("late", due_at=NOW - SECOND), another("now", lease_until=NOW)
    another("soon", due_at=NOW + SECOND)
    another("taken", lease_until=NOW + SECOND)
    another("closed", closed_at=NOW, **FAILED)
    not_asked = another("not asked")
    asked = list(Payment.objects.exclude(id=not_asked.id))
    assert [one.payment for one in claim(*asked)] == [late.id, now.id]
    assert set(Payment.objects.filter(deliveries=1)) == {late, now}
    assert set(Attempt.objects.values_list("payment", flat=True)) == {late.id, now.id}


def test_while_charging_is_paused_nothing_is_claimed() -> None:
    """And nothing is written."""
    payment()
    charging.pause(cause="staff", reason="lunch", who="ann", now=NOW)
    assert claim() == []
    assert (Attempt.objects.count(), Payment.objects.get().lease_until) == (0, None)


@pytest.mark.parametrize(("before", "attention"), [(3, ""), (4, "its worker died each time it was tried")])
def test_the_fifth_claim_without_an_answer_shows_a_payment_to_a_person(before: int, attention: str) -> None:
    """And no other payment of its message."""
    row, other = payment(deliveries=before), another("sub_2")
    assert len(claim(row, other)) == 2
    row.refresh_from_db()
    other.refresh_from_db()
    assert (row.deliveries, row.attention) == (before + 1, attention)
    assert (other.deliveries, other.attention) == (1, "")


@pytest.mark.parametrize(("after", "is_tried"), [(-SECOND, True), (timedelta(), True), (SECOND, False)])
def test_a_retry_is_made_when_its_time_has_come(after: timedelta, is_tried: bool) -> None:
    """Asked for by the schedule, with the method that was declined; before that it is only looked at."""
    row = another("a", **BOUND | FAILED | {"due_at": NOW, "retry_at": NOW + after, "customer": "cus_1"})
    tried_before(row, state="declined", ended_at=NOW)
    [made] = claim()
    row.refresh_from_db()
    assert (made.step, row.status) == ((Step.CHARGE, "pending") if is_tried else (Step.LOOK, "failed"))
    assert (row.customer, row.payment_method, row.attempts.count()) == ("cus_1", "pm_1", 2 if is_tried else 1)
    assert row.retry_at == (None if is_tried else NOW + after)
    history = [(step.who, step.from_status, step.to_status, step.why) for step in Transition.objects.order_by("id")]
    assert history == is_tried * [
        ("schedule", "failed", "pending", "tried again by schedule"),
        ("schedule", "pending", "pending", "attempt started"),
    ]
