"""What only the simulator can do: refunds that hang or fail, refunds and disputes that nobody here asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import requests
import stripe
from stripe import StripeClient

from billing_project.dev.simulator import Simulator
from tests.integration.simulated import client_of, confirm, make


def pay(client: StripeClient, card: str = "pm_1") -> str:
    """A paid PaymentIntent of 100.00."""
    intent = make(client)
    confirm(client, intent, payment_method=card)
    return intent


def told(simulator: Simulator, *kinds: str) -> list[str]:
    """Types of the events since the payment, oldest first."""
    return [event.type for event in simulator.ledger.events if event.type.startswith(kinds)]


@pytest.mark.parametrize(
    ("outcome", "status", "events"),
    [
        (None, "succeeded", ["refund.updated", "charge.refund.updated"]),
        ("succeeded", "succeeded", ["refund.updated", "charge.refund.updated"]),
        ("failed", "failed", ["refund.updated", "charge.refund.updated", "refund.failed"]),
        ("canceled", "canceled", ["refund.updated", "charge.refund.updated"]),
    ],
)
def test_a_pending_refund_is_decided_by_the_bank(
    simulator: Simulator, outcome: str | None, status: str, events: list[str]
) -> None:
    """Pending counts as refunded; failed and canceled give the amount free for another refund."""
    client = client_of(simulator)
    intent = pay(client, "pm_card_pendingRefund")
    refund = client.v1.refunds.create({"payment_intent": intent, "amount": 4000})
    assert (refund.status, refund.to_dict()["pending_reason"]) == ("pending", "processing")
    assert simulator.ledger.refunded(intent) == 4000
    simulator.control.resolve_refund(refund=refund.id, outcome=outcome)
    after = client.v1.refunds.retrieve(refund.id)
    assert (after.status, after.to_dict().get("pending_reason")) == (status, None)
    assert told(simulator, "refund.", "charge.refund") == ["refund.created", "charge.refunded", *events]
    back = 4000 if status == "succeeded" else 0
    assert simulator.ledger.refunded(intent) == back
    assert client.v1.charges.list({"payment_intent": intent}).data[0].amount_refunded == back
    assert client.v1.refunds.create({"payment_intent": intent}).amount == 10000 - back


def test_a_refund_can_fail_after_it_had_succeeded(simulator: Simulator) -> None:
    """The money comes home: the charge isn't refunded any more, and why is told; no other arrow leads anywhere."""
    client = client_of(simulator)
    intent = pay(client, "pm_card_refundFail")
    refund = client.v1.refunds.create({"payment_intent": intent})
    assert refund.status == "succeeded"
    assert client.v1.charges.list({"payment_intent": intent}).data[0].refunded
    for no_arrow in ("succeeded", "canceled", "pending"):
        with pytest.raises(ValueError, match="can't become"):
            simulator.control.resolve_refund(refund=refund.id, outcome=no_arrow)
    simulator.control.resolve_refund(refund=refund.id, failure_reason="expired_or_canceled_card")
    after = client.v1.refunds.retrieve(refund.id)
    assert (after.status, after.failure_reason) == ("failed", "expired_or_canceled_card")
    charge = client.v1.charges.list({"payment_intent": intent}).data[0]
    assert (charge.refunded, charge.amount_refunded) == (False, 0)
    assert told(simulator, "refund.failed") == ["refund.failed"]
    with pytest.raises(ValueError, match="can't become"):
        simulator.control.resolve_refund(refund=refund.id, outcome="failed")


@pytest.mark.parametrize(
    ("returns", "status", "back"),
    [("succeeded", "succeeded", 10000), ("pending", "pending", 10000), ("fails", "failed", 0)],
)
def test_all_refunds_can_be_told_what_they_meet(simulator: Simulator, returns: str, status: str, back: int) -> None:
    """Whatever the card says, until it is taken back."""
    client = client_of(simulator)
    intent = pay(client)
    body: Any = {"returns": returns}
    requests.post(f"{simulator.url}/_control/set_refunds", json=body, timeout=5).raise_for_status()
    assert client.v1.refunds.create({"payment_intent": intent}).status == status
    assert simulator.ledger.refunded(intent) == back
    assert requests.post(f"{simulator.url}/_control/set_refunds", json={"returns": "x"}, timeout=5).status_code == 400
    simulator.control.set_refunds()
    assert client.v1.refunds.create({"payment_intent": pay(client)}).status == "succeeded"


def test_a_refund_of_the_dashboard_has_no_metadata(simulator: Simulator) -> None:
    """It is told and listed like any other, counts against the rest, and can't go over it."""
    client = client_of(simulator)
    intent = pay(client)
    body = {"payment_intent": intent, "amount": 3000, "reason": "requested_by_customer"}
    made = requests.post(f"{simulator.url}/_control/refunds", json=body, timeout=5).json()
    [listed] = client.v1.refunds.list({"payment_intent": intent}).data
    assert (listed.id, listed.amount, listed.reason) == (made["id"], 3000, "requested_by_customer")
    assert not (listed.metadata and listed.metadata.to_dict())
    with pytest.raises(ValueError, match="greater than unrefunded"):
        simulator.control.refund(payment_intent=intent, amount=7001)
    assert simulator.control.refund(payment_intent=intent)["amount"] == 7000
    with pytest.raises(ValueError, match="already been refunded"):
        simulator.control.refund(payment_intent=intent)
    assert told(simulator, "charge.refunded") == ["charge.refunded"] * 2


@pytest.mark.parametrize(
    ("outcome", "back", "events"),
    [
        ("lost", 0, ["charge.dispute.closed"]),
        ("won", 20, ["charge.dispute.closed", "charge.dispute.funds_reinstated"]),
    ],
)
def test_a_dispute_takes_the_money_until_it_is_won(
    simulator: Simulator, outcome: str, back: int, events: list[str]
) -> None:
    """Withdrawn at once, reinstated if won; a charge that was won back can be refunded, one that was lost not."""
    client = client_of(simulator)
    intent = pay(client)
    dispute = simulator.control.dispute(payment_intent=intent, reason="duplicate", respond_by=2_000_000_000)
    assert (dispute["reason"], dispute["evidence_details"]["due_by"]) == ("duplicate", 2_000_000_000)
    assert simulator.control.resolve_dispute(dispute=dispute["id"], outcome="under_review")["status"] == "under_review"
    simulator.control.resolve_dispute(dispute=dispute["id"], outcome=outcome)
    after = client.v1.disputes.retrieve(dispute["id"])
    assert after.status == outcome
    assert sum(one.amount for one in after.balance_transactions) == back - 20  # in US cents
    begun = ["charge.dispute.created", "charge.dispute.funds_withdrawn", "charge.dispute.updated"]
    assert told(simulator, "charge.dispute") == begun + events
    assert client.v1.charges.list({"payment_intent": intent}).data[0].disputed
    with pytest.raises(ValueError, match="can't become"):
        simulator.control.resolve_dispute(dispute=dispute["id"], outcome="under_review")
    if outcome == "won":
        assert client.v1.refunds.create({"payment_intent": intent}).amount == 10000
        return
    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.refunds.create({"payment_intent": intent})
    assert refused.value.code == "charge_disputed"


def test_an_inquiry_can_become_a_dispute(simulator: Simulator) -> None:
    """It withdraws nothing until then."""
    client = client_of(simulator)
    inquiry = simulator.control.dispute(payment_intent=pay(client), amount=2500, inquiry=True)
    assert (inquiry["amount"], inquiry["balance_transactions"]) == (2500, [])
    assert told(simulator, "charge.dispute") == ["charge.dispute.created"]
    grown = simulator.control.resolve_dispute(dispute=inquiry["id"], outcome="needs_response")
    assert [one["amount"] for one in grown["balance_transactions"]] == [-5]  # in US cents
    other = simulator.control.dispute(payment_intent=pay(client), inquiry=True)
    assert (
        simulator.control.resolve_dispute(dispute=other["id"], outcome="warning_closed")["status"] == "warning_closed"
    )


def test_only_a_payment_can_be_disputed(simulator: Simulator) -> None:
    """Not an unpaid PaymentIntent, nor for more than it took; unknown ids are named."""
    client = client_of(simulator)
    with pytest.raises(ValueError, match="no successful charge"):
        simulator.control.dispute(payment_intent=make(client))
    with pytest.raises(ValueError, match="1 to 10000"):
        simulator.control.dispute(payment_intent=pay(client), amount=10001)
    with pytest.raises(ValueError, match="no dispute du_none"):
        simulator.control.resolve_dispute(dispute="du_none", outcome="won")
    with pytest.raises(ValueError, match="no refund re_none"):
        simulator.control.resolve_refund(refund="re_none")


@pytest.mark.parametrize(
    "status",
    ["succeeded", "processing", "requires_action", "requires_confirmation", "requires_payment_method", "canceled"],
)
def test_others_use_the_account_as_well(simulator: Simulator, status: str) -> None:
    """Their PaymentIntents are listed among ours and carry nothing of ours."""
    client = client_of(simulator)
    ours = make(client)
    body = {"amount": 777, "currency": "eur", "status": status}
    foreign = requests.post(f"{simulator.url}/_control/foreign_payments", json=body, timeout=5).json()
    assert (foreign["status"], foreign["amount"], foreign["metadata"]) == (status, 777, {})
    assert [i.id for i in client.v1.payment_intents.list().data] == [foreign["id"], ours]
    assert len(client.v1.charges.list({"payment_intent": foreign["id"]}).data) == (status == "succeeded")
    with pytest.raises(ValueError, match="status is one of"):
        simulator.control.add_foreign_payment(amount=1, currency="kzt", status="paid")


def test_money_back_survives_a_restart(tmp_path: Path) -> None:
    """The journal has refunds and disputes as they were last."""
    journal = tmp_path / "journal.jsonl"
    with Simulator(journal=journal) as before:
        intent, disputed = pay(client_of(before), "pm_card_pendingRefund"), pay(client_of(before))
        refund = client_of(before).v1.refunds.create({"payment_intent": intent, "amount": 1})
        before.control.resolve_refund(refund=refund.id, outcome="failed")
        before.control.dispute(payment_intent=disputed)
    with Simulator(journal=journal) as after:
        client = client_of(after)
        assert client.v1.refunds.retrieve(refund.id).status == "failed"
        assert client.v1.charges.list({"payment_intent": intent}).data[0].amount_refunded == 0
        [dispute] = client.v1.disputes.list({"payment_intent": disputed}).data
        assert [one.status for one in after.ledger.disputes_of(disputed)] == [dispute.status]
        assert client.v1.refunds.create({"payment_intent": intent, "amount": 1}).status == "pending"
        rows = {row["id"]: row for row in after.control.ledger()["payment_intents"]}
        assert (rows[intent]["amount_refunded"], rows[disputed]["disputed"]) == (1, True)


def test_the_balance_has_each_movement_in_the_currency_of_settlement(simulator: Simulator) -> None:
    """Tenge become dollars at a rate that is told; a refund that comes home and a dispute that is won come back; a
    currency that the account holds stays as it is."""
    client = client_of(simulator)
    intent, other = pay(client), pay(client)
    refund = simulator.control.refund(payment_intent=intent, amount=5000)["id"]
    simulator.control.resolve_refund(refund=refund, outcome="failed", failure_reason="lost_or_stolen_card")
    dispute = simulator.control.dispute(payment_intent=other)["id"]
    simulator.control.resolve_dispute(dispute=dispute, outcome="won")
    simulator.control.add_foreign_payment(amount=900, currency="krw")
    listed = client.v1.balance_transactions.list().data
    assert [(one.reporting_category, one.amount, one.fee, one.currency, one.exchange_rate) for one in listed] == [
        ("charge", 900, 27, "krw", None),
        ("dispute_reversal", 20, 0, "usd", 0.002), ("dispute", -20, 1500, "usd", 0.002),
        ("refund_failure", 10, 0, "usd", 0.002), ("refund", -10, 0, "usd", 0.002),
        ("charge", 20, 1, "usd", 0.002), ("charge", 20, 1, "usd", 0.002),
    ]  # fmt: skip
    assert [one.source for one in listed[1:5]] == [dispute, dispute, refund, refund]
