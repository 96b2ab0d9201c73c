"""Balance transactions as Stripe answers them."""

from __future__ import annotations

from typing import Any

from ..records import BalanceTransaction

DESCRIPTIONS = {
    "charge": "Charge {charge}",
    "refund": "REFUND FOR CHARGE ({charge})",
    "refund_failure": "REFUND FAILURE ({charge})",
    "dispute": "Chargeback withdrawal for {charge}",
    "dispute_reversal": "Chargeback reversal for {charge}",
}


def shape_balance_transaction(moved: BalanceTransaction) -> dict[str, Any]:
    """Return a balance transaction, its source as an id."""
    fees = [{"amount": moved.fee, "application": None, "currency": moved.currency, "type": "stripe_fee"}]
    fees[0]["description"] = "Dispute fee" if moved.category == "dispute" else "Stripe processing fees"
    return {
        "id": moved.id,
        "object": "balance_transaction",
        "amount": moved.amount,
        "available_on": moved.created,
        "balance_type": "payments",
        "created": moved.created,
        "currency": moved.currency,
        "description": DESCRIPTIONS[moved.category].format(charge=moved.charge),
        "exchange_rate": moved.exchange_rate,
        "fee": moved.fee,
        "fee_details": fees if moved.fee else [],
        "net": moved.amount - moved.fee,
        "reporting_category": moved.category,
        "source": moved.source,
        "status": "available",
        "type": moved.type,
    }
