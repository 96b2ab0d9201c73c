"""Money that goes back, wanted or not: refunds and disputes as Stripe answers them."""

from __future__ import annotations

from typing import Any

from ..records import Dispute, Refund
from .balance import shape_balance_transaction

# Refunding stops the loss only while no money has been withdrawn, or once it is back.
REFUNDABLE = frozenset({"warning_needs_response", "warning_under_review", "warning_closed", "won"})
NO_EVIDENCE: dict[str, Any] = {
    **dict.fromkeys(
        (
            "access_activity_log billing_address cancellation_policy cancellation_policy_disclosure "
            "cancellation_rebuttal customer_communication customer_email_address customer_name "
            "customer_purchase_ip customer_signature duplicate_charge_documentation duplicate_charge_explanation "
            "duplicate_charge_id product_description receipt refund_policy refund_policy_disclosure "
            "refund_refusal_explanation service_date service_documentation shipping_address shipping_carrier "
            "shipping_date shipping_documentation shipping_tracking_number uncategorized_file uncategorized_text"
        ).split()
    ),
    "enhanced_evidence": {},
}


def shape_refund(refund: Refund) -> dict[str, Any]:
    """Return a refund; `failure_reason` and `pending_reason` only where there is one, as Stripe does."""
    reasons = {}
    if refund.failure_reason is not None:
        reasons["failure_reason"] = refund.failure_reason
    if refund.failure_balance_transaction is not None:
        reasons["failure_balance_transaction"] = refund.failure_balance_transaction
    if refund.status == "pending":
        reasons["pending_reason"] = "processing"
    return reasons | {
        "id": refund.id,
        "object": "refund",
        "amount": refund.amount,
        "balance_transaction": refund.balance_transaction,
        "charge": refund.charge,
        "created": refund.created,
        "currency": refund.currency,
        "destination_details": {"card": {"type": "refund"}, "type": "card"},
        "metadata": refund.metadata,
        "payment_intent": refund.payment_intent,
        "reason": refund.reason,
        "receipt_number": None,
        "source_transfer_reversal": None,
        "status": refund.status,
        "transfer_reversal": None,
    }


def shape_dispute(dispute: Dispute) -> dict[str, Any]:
    """Return a dispute, with what it moved on the seller's balance so far."""
    inquiry = dispute.status.startswith("warning_")
    return {
        "id": dispute.id,
        "object": "dispute",
        "amount": dispute.amount,
        "balance_transactions": [shape_balance_transaction(move) for move in dispute.moves],
        "charge": dispute.charge,
        "created": dispute.created,
        "currency": dispute.currency,
        "enhanced_eligibility_types": [],
        "evidence": NO_EVIDENCE,
        "evidence_details": {
            "due_by": dispute.due_by,
            "enhanced_eligibility": {},
            "has_evidence": False,
            "past_due": False,
            "submission_count": 0,
        },
        "is_charge_refundable": dispute.status in REFUNDABLE,
        "livemode": False,
        "metadata": dispute.metadata,
        "payment_intent": dispute.payment_intent,
        "payment_method_details": {
            "type": "card",
            "card": {
                "brand": dispute.card_brand,
                "case_type": "inquiry" if inquiry else "chargeback",
                "network": dispute.card_brand,
                "network_reason_code": None,
            },
        },
        "reason": dispute.reason,
        "status": dispute.status,
    }
