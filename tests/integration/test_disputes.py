"""Disputes: what Stripe says of them is kept, shown and told; nothing is decided here."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from billing_project.dev.simulator import Simulator
from payments import refunds
from payments.answers import DisputeSeen, StripeDispute
from payments.gateway import Gateway
from payments.models import Dispute, OutboxMessage, Transition
from tests.conftest import Clock
from tests.integration.refunding import deliver, follow_up, pay, refusal, told_back

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _topic(settings: Any) -> None:
    settings.KAFKA_TOPIC_REFUNDS = "payment.refunded"


def seen(gateway: Gateway, dispute: str) -> StripeDispute:
    """What Stripe says now."""
    answer = gateway.retrieve_dispute(dispute=dispute)
    assert isinstance(answer, DisputeSeen)
    return answer.dispute


def test_a_dispute_is_kept_shown_and_told(stripe: Simulator, stripe_gateway: Gateway, clock: Clock) -> None:
    """Since when, why, and until when to answer; the payment stays a success."""
    payment = pay(stripe_gateway, clock)
    due_by = int(datetime(2026, 2, 7, 12, tzinfo=UTC).timestamp())
    made = stripe.control.dispute(payment_intent=payment.intent_id or "", respond_by=due_by)
    deliver(stripe, clock, "charge.dispute.")
    assert set(follow_up(stripe_gateway, clock)) == {"look"}
    dispute = Dispute.objects.get()
    assert (dispute.dispute_id, dispute.status, dispute.reason) == (made["id"], "needs_response", "fraudulent")
    assert (dispute.amount, dispute.currency, dispute.ended_at) == (10_000, "KZT", None)
    assert dispute.respond_by == datetime(2026, 2, 7, 12, tzinfo=UTC)
    payment.refresh_from_db()
    assert (payment.status, payment.refunded, payment.disputed_at) == ("success", 0, dispute.opened_at)
    assert payment.attention == "disputed (fraudulent): answer in Stripe's dashboard by 2026-02-07 12:00 UTC"
    step = Transition.objects.latest("id")
    assert (step.from_status, step.to_status, step.who) == ("success", "success", "stripe")
    assert step.why == "dispute of 100.00\xa0KZT (fraudulent): needs_response"
    assert told_back() == [{"refunded": 0, "dispute": {"id": made["id"], "amount": 100, "status": "open"}}]
    assert refusal(payment, clock) == "disputed"


@pytest.mark.parametrize(("outcome", "refundable"), [("won", True), ("lost", False)])
def test_a_dispute_ends(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock, outcome: str, refundable: bool
) -> None:
    """Told once more; nobody has to look any more; that it was disputed stays known."""
    payment = pay(stripe_gateway, clock)
    made = stripe.control.dispute(payment_intent=payment.intent_id or "")
    deliver(stripe, clock, "charge.dispute.")
    follow_up(stripe_gateway, clock)
    clock.advance(days=1)
    stripe.control.resolve_dispute(dispute=made["id"], outcome="under_review")
    deliver(stripe, clock, "charge.dispute.")
    follow_up(stripe_gateway, clock)
    payment.refresh_from_db()
    assert payment.attention == "", "it was answered"
    clock.advance(days=1)
    stripe.control.resolve_dispute(dispute=made["id"], outcome=outcome)
    deliver(stripe, clock, "charge.dispute.")
    follow_up(stripe_gateway, clock)
    dispute = Dispute.objects.get()
    assert (dispute.status, dispute.ended_at) == (outcome, clock())
    payment.refresh_from_db()
    assert payment.disputed_at == dispute.opened_at
    assert [one["dispute"]["status"] for one in told_back()] == ["open", outcome]
    assert (refunds.find_refusal(payment, amount=None, left=10_000) is None) == refundable


def test_an_inquiry_is_shown_and_ends_without_taking_anything(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock
) -> None:
    """It may be answered by a refund; Stripe's own words for it are not told."""
    payment = pay(stripe_gateway, clock)
    made = stripe.control.dispute(payment_intent=payment.intent_id or "", inquiry=True)
    note = refunds.note_dispute(payment=payment, seen=seen(stripe_gateway, made["id"]), now=clock())
    assert note
    payment.refresh_from_db()
    assert payment.attention.startswith("disputed (fraudulent): answer")
    assert refunds.find_refusal(payment, amount=None, left=1) is None
    stripe.control.resolve_dispute(dispute=made["id"], outcome="warning_closed")
    clock.advance(minutes=1)
    refunds.note_dispute(payment=payment, seen=seen(stripe_gateway, made["id"]), now=clock())
    assert [one["dispute"]["status"] for one in told_back()] == ["open", "closed"]
    payment.refresh_from_db()
    assert payment.attention == ""


def test_of_two_looks_the_later_one_counts(stripe: Simulator, stripe_gateway: Gateway, clock: Clock) -> None:
    """One asked before it was won and was written down after: nothing is told of it."""
    payment = pay(stripe_gateway, clock)
    made = stripe.control.dispute(payment_intent=payment.intent_id or "")
    before, asked_at = seen(stripe_gateway, made["id"]), clock()
    stripe.control.resolve_dispute(dispute=made["id"], outcome="won")
    after = seen(stripe_gateway, made["id"])
    assert refunds.note_dispute(payment=payment, seen=after, now=clock.advance(seconds=1))
    assert not refunds.note_dispute(payment=payment, seen=before, now=asked_at)
    assert not refunds.note_dispute(payment=payment, seen=before, now=clock()), "at the same time, the end counts"
    assert not refunds.note_dispute(payment=payment, seen=after, now=clock.advance(seconds=1))
    assert Dispute.objects.get().status == "won"
    assert [one["dispute"]["status"] for one in told_back()] == ["won"]


def test_an_appeal_is_told_under_ids_of_its_own(stripe: Simulator, stripe_gateway: Gateway, clock: Clock) -> None:
    """Lost, appealed, lost again: each is news to who keeps accounts, and dropped by nobody as known."""
    payment = pay(stripe_gateway, clock)
    made = stripe.control.dispute(payment_intent=payment.intent_id or "")
    seen_now = seen(stripe_gateway, made["id"])
    for status in ("needs_response", "under_review", "lost", "appeal_needs_response", "lost"):
        told = StripeDispute(**(vars(seen_now) | {"status": status}))
        assert refunds.note_dispute(payment=payment, seen=told, now=clock.advance(days=1))
    assert [one["dispute"]["status"] for one in told_back()] == ["open", "lost", "open", "lost"]
    assert len(set(OutboxMessage.objects.values_list("message_id", flat=True))) == 5  # and the payment's own


def test_nobody_elses_reason_for_a_look_is_overwritten(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock
) -> None:
    """Disputes have a list of their own, too."""
    payment = pay(stripe_gateway, clock)
    payment.attention = "something else"
    payment.save(update_fields=["attention"])
    made = stripe.control.dispute(payment_intent=payment.intent_id or "")
    refunds.note_dispute(payment=payment, seen=seen(stripe_gateway, made["id"]), now=clock())
    payment.refresh_from_db()
    assert payment.attention == "something else"


def test_a_dispute_of_another_payment_is_not_noted(stripe: Simulator, stripe_gateway: Gateway, clock: Clock) -> None:
    """A hint may name anything."""
    payment, other = pay(stripe_gateway, clock), pay(stripe_gateway, clock, subscription="sub_2")
    made = stripe.control.dispute(payment_intent=other.intent_id or "")
    assert not refunds.note_dispute(payment=payment, seen=seen(stripe_gateway, made["id"]), now=clock())
    assert not Dispute.objects.exists()


def test_the_oldest_deadline_is_shown_first(stripe: Simulator, stripe_gateway: Gateway, clock: Clock) -> None:
    """Of several disputes of one payment."""
    payment = pay(stripe_gateway, clock)
    for days in (9, 3):
        due_by = int((clock() + timedelta(days=days)).timestamp())
        made = stripe.control.dispute(payment_intent=payment.intent_id or "", amount=100, respond_by=due_by)
        refunds.note_dispute(payment=payment, seen=seen(stripe_gateway, made["id"]), now=clock())
    payment.refresh_from_db()
    assert payment.attention.endswith("by 2026-02-03 12:00 UTC")
