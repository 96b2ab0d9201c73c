"""Stripe's rules for the balance: what was taken, given back and disputed, less fees, is one transaction each."""

from __future__ import annotations

from typing import Any

import pytest
import stripe
from stripe import StripeClient

from tests.integration.stripe_contract import pay, wait_until


def moves(client: StripeClient, source: str | None) -> list[stripe.BalanceTransaction]:
    """What one charge, refund or dispute has moved, newest first, with it; Stripe may be a little late."""
    params: Any = {"source": source, "expand": ["data.source"]}
    wait_until(lambda: bool(client.v1.balance_transactions.list(params).data))
    return list(client.v1.balance_transactions.list(params).data)


def test_a_charge_is_on_the_balance_less_its_fee(stripe_target: StripeClient) -> None:
    """Under one id, which the charge knows, with the charge in it where that is asked for."""
    paid = pay(stripe_target, metadata={"payment_id": "p_1"})
    [taken] = moves(stripe_target, str(paid.latest_charge))
    assert (taken.type, taken.reporting_category, taken.object) == ("charge", "charge", "balance_transaction")
    assert taken.fee > 0 and taken.net == taken.amount - taken.fee
    source: Any = taken.source
    assert (source.id, source.object, source.amount, source.currency) == (paid.latest_charge, "charge", 2000, "usd")
    assert (source.payment_intent, source.metadata.to_dict()) == (paid.id, {"payment_id": "p_1"})
    assert stripe_target.v1.charges.retrieve(source.id).balance_transaction == taken.id
    alone = stripe_target.v1.balance_transactions.retrieve(taken.id)
    assert (alone.source, alone.net) == (source.id, taken.net)


def test_a_declined_charge_moves_nothing(stripe_target: StripeClient) -> None:
    """Its balance transaction is null, and the list has none of it."""
    with pytest.raises(stripe.CardError) as declined:
        pay(stripe_target, "pm_card_chargeDeclined")
    error: Any = declined.value.error
    assert stripe_target.v1.charges.retrieve(error.charge).balance_transaction is None
    assert not stripe_target.v1.balance_transactions.list({"source": error.charge}).data


def test_a_refund_leaves_the_balance_and_a_dispute_costs_a_fee_too(stripe_target: StripeClient) -> None:
    """Both as amounts below zero; what disputes move is an adjustment, named by its reporting category."""
    paid, disputed = pay(stripe_target), pay(stripe_target, "pm_card_createDispute")
    refund = stripe_target.v1.refunds.create({"payment_intent": paid.id, "amount": 500})
    [returned] = moves(stripe_target, refund.id)
    assert (returned.type, returned.reporting_category, returned.source.id) == ("refund", "refund", refund.id)  # type: ignore[union-attr]
    assert returned.amount < 0 and returned.net == returned.amount - returned.fee
    disputes = stripe_target.v1.disputes
    wait_until(lambda: any(one.balance_transactions for one in disputes.list({"payment_intent": disputed.id}).data))
    [dispute] = disputes.list({"payment_intent": disputed.id}).data
    [withdrawn] = dispute.balance_transactions
    assert (withdrawn.type, withdrawn.reporting_category, withdrawn.source) == ("adjustment", "dispute", dispute.id)
    assert withdrawn.amount < 0 and withdrawn.fee > 0 and withdrawn.net == withdrawn.amount - withdrawn.fee


def test_the_list_is_newest_first_by_the_page_and_by_type(stripe_target: StripeClient) -> None:
    """Between bounds of creation, which are whole seconds."""
    paid = [pay(stripe_target) for _ in range(3)]
    ids = [moves(stripe_target, str(one.latest_charge))[0].id for one in paid]
    listed = stripe_target.v1.balance_transactions
    since: Any = {"created": {"gte": paid[0].created}, "type": "charge"}
    first = listed.list(since | {"limit": 2})
    assert ([one.id for one in first.data], first.has_more) == ([ids[2], ids[1]], True)
    rest = listed.list(since | {"limit": 2, "starting_after": first.data[-1].id})
    assert ids[0] in [one.id for one in rest.data]
    assert not listed.list({"created": {"gte": paid[0].created}, "type": "refund_failure"}).data
    assert ids[0] not in [one.id for one in listed.list({"created": {"lt": paid[0].created}}).data]
