"""Refunds that somebody made in Stripe's dashboard, or that end later: noted when Stripe itself says so, once."""

import uuid
from datetime import timedelta

import pytest

from billing_project.dev.simulator import Simulator
from payments import charging, notifications, refunds, webhooks
from payments.gateway import Event, Gateway
from payments.models import Payment, Refund, Webhook
from tests.conftest import Clock
from tests.integration.events import accept, event, record
from tests.integration.refunding import (
    ask,
    audit,
    carry_out,
    deliver,
    follow_up,
    listed,
    only,
    pay,
    refusal,
    states,
)

pytestmark = pytest.mark.django_db


def test_a_refund_made_in_the_dashboard_is_noted_once_stripe_was_asked(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock
) -> None:
    """The webhook changes nothing by itself; it stays open until a worker has looked."""
    payment = pay(stripe_gateway, clock)
    stripe.control.refund(payment_intent=payment.intent_id or "", amount=2_500)
    assert deliver(stripe, clock, "refund.", "charge.refund") == ["", ""]
    assert states() == []
    assert follow_up(stripe_gateway, clock) == ["look", "look"]
    [refund] = Refund.objects.all()
    assert (refund.asked_by, refund.state, refund.amount, refund.attention) == ("stripe", "succeeded", 2_500, "")
    assert refund.id == uuid.uuid5(notifications.NAMESPACE, f"refund/{refund.refund_id}")
    payment.refresh_from_db()
    assert (payment.status, payment.refunded, payment.lease_until) == ("success", 2_500, None)
    assert refusal(payment, clock, 7_501) == "more_than_left"
    audit(stripe)


def test_what_a_webhook_says_is_never_believed(stripe: Simulator, stripe_gateway: Gateway, clock: Clock) -> None:
    """Signed and wrong, or overtaken: what counts is what Stripe answers now."""
    payment = pay(stripe_gateway, clock)
    for number, about in enumerate(
        [
            {"id": "re_nobody", "status": "succeeded", "amount": 10_000},
            {"id": "ch_1", "status": "succeeded", "amount_refunded": 10_000},
            {"id": "du_nobody", "status": "lost", "amount": 10_000},
        ]
    ):
        kind = ("refund.created", "charge.refunded", "charge.dispute.closed")[number]
        content = {"data": {"object": about | {"payment_intent": payment.intent_id}}}
        webhooks.receive(event=Event(id=f"evt_{number}", type=kind, content=content), now=clock())
    assert follow_up(stripe_gateway, clock) == ["nothing_new"] * 3
    payment.refresh_from_db()
    assert (payment.refunded, payment.disputed_at, states()) == (0, None, [])


def test_our_own_refund_comes_back_as_a_webhook_and_is_nothing_new(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock
) -> None:
    """Matched by our id in its metadata, or by Stripe's: one row, one sum."""
    ask(pay(stripe_gateway, clock), clock, 2_500)
    carry_out(stripe_gateway, clock)
    deliver(stripe, clock, "refund.", "charge.refund")
    assert follow_up(stripe_gateway, clock) == ["nothing_new", "nothing_new"]
    assert states() == ["succeeded"]
    audit(stripe)


def test_a_webhook_that_overtakes_the_answer_settles_our_refund(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock
) -> None:
    """The answer was lost; Stripe tells by itself, long before the next look."""
    refund = ask(pay(stripe_gateway, clock), clock, 2_500)
    stripe.control.add_fault(endpoint="refunds.create", kind="reset", effect="after")
    assert carry_out(stripe_gateway, clock) == ["unknown"]
    deliver(stripe, clock, "refund.")
    follow_up(stripe_gateway, clock)
    assert only().id == refund.id
    assert (only().state, only().due_at) == ("succeeded", None)
    assert refunds.find_due(now=clock() + timedelta(days=1), limit=1) == []
    audit(stripe)


@pytest.mark.parametrize("order", range(24))
def test_in_any_order_and_doubled_webhooks_end_the_same(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock, order: int
) -> None:
    """Created, pending, succeeded, failed: whatever comes last, the refund is what Stripe says."""
    payment = pay(stripe_gateway, clock, method="pm_card_pendingRefund")
    made = stripe.control.refund(payment_intent=payment.intent_id or "", amount=2_500)
    stripe.control.resolve_refund(refund=made["id"], outcome="failed")
    for _ in range(2):
        deliver(stripe, clock, "refund.created", "refund.failed", "charge.refund", order=order)
        follow_up(stripe_gateway, clock)
    assert states() == ["failed"]
    assert not Webhook.objects.filter(handled_at__isnull=True).exists()
    audit(stripe)


def test_a_refund_that_fails_days_later_is_taken_off_the_sum_and_shown(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock
) -> None:
    """The bank couldn't credit it: the money is ours again, the customer has nothing, a person must look."""
    payment = pay(stripe_gateway, clock, method="pm_card_refundFail")
    refund = ask(payment, clock)
    assert carry_out(stripe_gateway, clock) == ["succeeded"]
    payment.refresh_from_db()
    assert payment.refunded == 10_000
    clock.advance(days=5)
    stripe.control.resolve_refund(refund=only().refund_id or "", failure_reason="expired_or_canceled_card")
    deliver(stripe, clock, "refund.failed")
    assert follow_up(stripe_gateway, clock) == ["look"]
    payment.refresh_from_db()
    refund.refresh_from_db()
    assert (payment.refunded, refund.state, refund.code) == (0, "failed", "expired_or_canceled_card")
    assert "the money is ours again" in refund.attention
    ask(payment, clock)
    audit(stripe)


def test_a_refund_of_a_payment_that_is_not_known_as_paid_waits_for_that(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock
) -> None:
    """It was paid, so the charge is looked at first; then the refund; the webhook waits for both."""
    accepted = accept(record(event(method="pm_1"), at=clock()), now=clock())
    stripe.control.add_fault(kind="reset", endpoint="confirm", effect="after")
    charging.charge(payment_ids=accepted.due, gateway=stripe_gateway, clock=clock)
    payment = Payment.objects.get()
    assert payment.status == "pending"
    stripe.control.refund(payment_intent=payment.intent_id or "")
    deliver(stripe, clock, "refund.")
    assert follow_up(stripe_gateway, clock) == [""]
    payment.refresh_from_db()
    assert payment.due_at == clock()
    charging.charge(payment_ids=[payment.id], gateway=stripe_gateway, clock=clock)
    assert follow_up(stripe_gateway, clock) == ["look"]
    audit(stripe)
    payment.refresh_from_db()
    assert payment.refunded == 10_000


def test_without_an_answer_the_webhook_waits_longer_and_longer(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock
) -> None:
    """Nothing is lost, Stripe isn't asked every second, and a person is shown it."""
    payment = pay(stripe_gateway, clock)
    stripe.control.refund(payment_intent=payment.intent_id or "")
    stripe.control.add_fault(endpoint="refunds.retrieve", kind="status", status=500, count=None)
    deliver(stripe, clock, "refund.")
    for count, seconds in enumerate((5, 30, 60, 120), start=1):
        assert follow_up(stripe_gateway, clock) == [""]
        clock.advance(seconds=seconds - 1)
        assert follow_up(stripe_gateway, clock) == [""]
        assert len(stripe.control.requests(endpoint="refunds.retrieve")) == count
        clock.advance(seconds=1)
    payment.refresh_from_db()
    assert payment.attention == "Stripe tells of a refund or a dispute, and gives no answer about it"
    stripe.control.clear_faults()
    assert follow_up(stripe_gateway, clock) == ["look"]
    payment.refresh_from_db()
    assert (payment.attention, payment.deliveries, payment.lease_until) == ("", 0, None)
    audit(stripe)


def test_hints_without_an_answer_hold_up_no_others(stripe: Simulator, stripe_gateway: Gateway, clock: Clock) -> None:
    """However many there are, and however old."""
    for number in range(2):
        payment = pay(stripe_gateway, clock, subscription=f"sub_{number}")
        stripe.control.refund(payment_intent=payment.intent_id or "")
    stripe.control.add_fault(endpoint="refunds.retrieve", kind="reset")
    deliver(stripe, clock, "refund.")
    assert refunds.follow_up(gateway=stripe_gateway, clock=clock, limit=1) == 0
    assert refunds.follow_up(gateway=stripe_gateway, clock=clock, limit=1) == 1


def test_while_charging_is_paused_nobody_looks(stripe: Simulator, stripe_gateway: Gateway, clock: Clock) -> None:
    """Paused means that nothing goes to Stripe; the webhook waits."""
    payment = pay(stripe_gateway, clock)
    stripe.control.refund(payment_intent=payment.intent_id or "")
    deliver(stripe, clock, "refund.")
    charging.pause(cause="staff", reason="look at it", who="aida", now=clock())
    assert follow_up(stripe_gateway, clock) == [""]
    charging.resume(cause="staff", who="aida", now=clock())
    assert follow_up(stripe_gateway, clock) == ["look"]


def test_a_refund_of_a_closed_payment_contradicts_it(stripe: Simulator, stripe_gateway: Gateway, clock: Clock) -> None:
    """Nothing was taken with it, so nothing can go back: kept, whether it was closed before or after the webhook."""
    accepted = accept(record(event(method="pm_card_chargeDeclined"), at=clock()), now=clock())
    charging.charge(payment_ids=accepted.due, gateway=stripe_gateway, clock=clock)
    payment = Payment.objects.get()
    content = {"data": {"object": {"id": "re_1", "payment_intent": payment.intent_id}}}
    webhooks.receive(event=Event(id="evt_1", type="refund.created", content=content), now=clock())
    charging.close(payment_id=payment.id, who="aida", reason="", gateway=stripe_gateway, now=clock())
    webhooks.receive(event=Event(id="evt_2", type="refund.created", content=content), now=clock())
    assert follow_up(stripe_gateway, clock) == ["kept", "kept"]


def test_a_look_by_a_hint_takes_none_from_the_schedule(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock
) -> None:
    """A refund that the bank has is looked at after a minute, an hour and a day, whatever else tells of it."""
    payment = pay(stripe_gateway, clock, method="pm_card_pendingRefund")
    ask(payment, clock)
    carry_out(stripe_gateway, clock)
    due_at = only().due_at
    for _ in range(2):
        clock.advance(seconds=1)
        deliver(stripe, clock, "refund.")
        follow_up(stripe_gateway, clock)
        [seen] = listed(stripe_gateway, payment)
        assert not refunds.note_refund(payment=payment, seen=seen, now=clock())
        assert only().due_at == due_at
