"""Stripe's rules for money that goes back: refunds and disputes."""

from __future__ import annotations

from typing import Any

import pytest
import stripe
from stripe import StripeClient

from tests.integration.stripe_contract import make, pay, wait_until


def test_refunds_add_up_to_no_more_than_was_taken(stripe_target: StripeClient) -> None:
    """Part, then the rest; a refund over the rest and one after it are refused."""
    paid = pay(stripe_target)
    part = stripe_target.v1.refunds.create({"payment_intent": paid.id, "amount": 500, "metadata": {"refund_id": "1"}})
    assert (part.status, part.amount, part.charge) == ("succeeded", 500, paid.latest_charge)
    with pytest.raises(stripe.InvalidRequestError, match="greater than unrefunded amount") as refused:
        stripe_target.v1.refunds.create({"payment_intent": paid.id, "amount": 1501})
    assert refused.value.param == "amount"
    rest = stripe_target.v1.refunds.create({"payment_intent": paid.id})
    assert rest.amount == 1500
    with pytest.raises(stripe.InvalidRequestError) as done:
        stripe_target.v1.refunds.create({"payment_intent": paid.id})
    assert done.value.code == "charge_already_refunded"
    charge = stripe_target.v1.charges.retrieve(str(paid.latest_charge))
    assert (charge.refunded, charge.amount_refunded, charge.status) == (True, 2000, "succeeded")
    listed = stripe_target.v1.refunds.list({"payment_intent": paid.id})
    assert [r.id for r in listed.data] == [rest.id, part.id]
    assert stripe_target.v1.refunds.retrieve(part.id).payment_intent == paid.id


def test_refunds_are_listed_by_the_page(stripe_target: StripeClient) -> None:
    """Newest first, those of one PaymentIntent only, between bounds of their creation."""
    paid, other = pay(stripe_target), pay(stripe_target)
    refunds = stripe_target.v1.refunds
    refunds.create({"payment_intent": other.id, "amount": 100})
    made = [refunds.create({"payment_intent": paid.id, "amount": 100}) for _ in range(3)]
    first = refunds.list({"payment_intent": paid.id, "limit": 2, "created": {"gte": made[0].created}})
    assert ([r.id for r in first.data], first.has_more) == ([made[2].id, made[1].id], True)
    rest = refunds.list({"payment_intent": paid.id, "limit": 2, "starting_after": first.data[-1].id})
    assert ([r.id for r in rest.data], rest.has_more) == ([made[0].id], False)
    assert not refunds.list({"payment_intent": paid.id, "created": {"lt": made[0].created}}).data


def test_only_what_was_taken_can_be_refunded(stripe_target: StripeClient) -> None:
    """An unpaid PaymentIntent, an unknown one, none at all, and nothing to give back are refused."""
    bad: list[Any] = [
        {"payment_intent": make(stripe_target).id},
        {"payment_intent": "pi_none"},
        {"amount": 1},
        {"payment_intent": pay(stripe_target).id, "amount": 0},
    ]
    for body in bad:
        with pytest.raises(stripe.InvalidRequestError) as refused:
            stripe_target.v1.refunds.create(body)
        assert refused.value.http_status == 400


@pytest.mark.parametrize(
    ("card", "status"), [("pm_card_pendingRefund", "pending"), ("pm_card_refundFail", "succeeded")]
)
def test_a_refund_is_not_always_final(stripe_target: StripeClient, card: str, status: str) -> None:
    """It may be pending at first, or look like a success; either counts against what is left."""
    paid = pay(stripe_target, card)
    refund = stripe_target.v1.refunds.create({"payment_intent": paid.id, "amount": 1500})
    assert refund.status == status
    with pytest.raises(stripe.InvalidRequestError):
        stripe_target.v1.refunds.create({"payment_intent": paid.id, "amount": 501})


def test_a_dispute_names_its_charge_and_stops_refunds(stripe_target: StripeClient) -> None:
    """It is listed by PaymentIntent and by charge, with what an answer needs; the charge says so too."""
    paid, other = (pay(stripe_target, "pm_card_createDispute") for _ in range(2))
    disputes = stripe_target.v1.disputes
    wait_until(lambda: all(disputes.list({"payment_intent": one.id}).data for one in (paid, other)))
    [dispute] = disputes.list({"charge": str(paid.latest_charge), "created": {"gte": paid.created}}).data
    assert dispute.id.startswith("du_") or dispute.id.startswith("dp_")
    assert (dispute.payment_intent, dispute.charge) == (paid.id, paid.latest_charge)
    assert (dispute.amount, dispute.currency, dispute.reason) == (2000, "usd", "fraudulent")
    assert (dispute.status, dispute.is_charge_refundable, dispute.livemode) == ("needs_response", False, False)
    assert dispute.evidence_details.due_by and dispute.evidence_details.due_by > dispute.created
    assert disputes.retrieve(dispute.id).id == dispute.id
    assert stripe_target.v1.charges.retrieve(str(paid.latest_charge)).disputed
    with pytest.raises(stripe.InvalidRequestError) as refused:
        stripe_target.v1.refunds.create({"payment_intent": paid.id})
    assert refused.value.code == "charge_disputed"
    assert not disputes.list({"payment_intent": paid.id, "created": {"lt": paid.created}}).data


def test_an_inquiry_can_still_be_answered_by_a_refund(stripe_target: StripeClient) -> None:
    """No money was withdrawn yet."""
    paid = pay(stripe_target, "pm_card_createDisputeInquiry")
    disputes = stripe_target.v1.disputes
    wait_until(lambda: bool(disputes.list({"payment_intent": paid.id}).data))
    [inquiry] = disputes.list({"payment_intent": paid.id}).data
    assert (inquiry.status, inquiry.is_charge_refundable) == ("warning_needs_response", True)
    assert not inquiry.balance_transactions
    assert stripe_target.v1.refunds.create({"payment_intent": paid.id}).amount == 2000


def test_refunds_and_disputes_are_events(stripe_target: StripeClient) -> None:
    """A refund is told as itself and as its charge, a dispute as its creation and the withdrawal."""
    paid = pay(stripe_target)
    refund = stripe_target.v1.refunds.create({"payment_intent": paid.id})
    disputed = pay(stripe_target, "pm_card_createDispute")
    expected = {
        ("refund.created", refund.id),
        ("charge.refunded", paid.latest_charge),
        ("charge.dispute.created", disputed.latest_charge),
        ("charge.dispute.funds_withdrawn", disputed.latest_charge),
    }

    def told() -> set[tuple[str, str]]:
        events = stripe_target.v1.events.list({"limit": 50, "types": [kind for kind, _ in expected]}).data
        about = [(event.type, event.data.object.to_dict()) for event in events]
        return {(kind, one["charge"] if one["object"] == "dispute" else one["id"]) for kind, one in about}

    wait_until(lambda: expected <= told())
