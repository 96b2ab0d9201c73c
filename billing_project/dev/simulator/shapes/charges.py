"""PaymentIntents and charges as Stripe answers them."""

from __future__ import annotations

from typing import Any

from ..records import Charge, PaymentIntent
from .cards import NO_BILLING_DETAILS, NO_CHECKS, shape_card

_PAYMENT_INTENT_CONSTANTS: dict[str, Any] = {
    **dict.fromkeys(
        (
            "allowed_payment_method_types application application_fee_amount customer_account "
            "excluded_payment_method_types on_behalf_of payment_method_configuration_details review shipping "
            "source statement_descriptor transfer_data transfer_group"
        ).split()
    ),
    "amount_capturable": 0,
    "amount_details": {"tip": {}},
    "confirmation_method": "automatic",
    "livemode": False,
    "payment_method_options": {"card": {"request_three_d_secure": "automatic"}},
    "payment_method_types": ["card"],
}
_CHARGE_CONSTANTS: dict[str, Any] = {
    **dict.fromkeys(
        (
            "application application_fee application_fee_amount failure_balance_transaction on_behalf_of "
            "receipt_email receipt_number receipt_url review shipping source source_transfer statement_descriptor "
            "transfer_data transfer_group"
        ).split()
    ),
    "billing_details": NO_BILLING_DETAILS,
    "calculated_statement_descriptor": "SIMULATOR",
    "fraud_details": {},
    "livemode": False,
}


def shape_payment_intent(intent: PaymentIntent) -> dict[str, Any]:
    """Return a PaymentIntent, its charge as an id."""
    return {
        "id": intent.id,
        "object": "payment_intent",
        **_PAYMENT_INTENT_CONSTANTS,
        "amount": intent.amount,
        "amount_received": intent.amount_received,
        "automatic_payment_methods": intent.automatic_payment_methods,
        "canceled_at": intent.canceled_at,
        "cancellation_reason": intent.cancellation_reason,
        "capture_method": intent.capture_method,
        "client_secret": intent.client_secret,
        "created": intent.created,
        "currency": intent.currency,
        "customer": intent.customer,
        "description": intent.description,
        "last_payment_error": intent.last_payment_error,
        "latest_charge": intent.latest_charge,
        "metadata": intent.metadata,
        "next_action": intent.next_action,
        "payment_method": intent.payment_method,
        "processing": {"type": "card"} if intent.status == "processing" else None,
        "receipt_email": intent.receipt_email,
        "setup_future_usage": intent.setup_future_usage,
        "statement_descriptor_suffix": intent.statement_descriptor_suffix,
        "status": intent.status,
    }


def shape_charge(charge: Charge) -> dict[str, Any]:
    """Return a charge, succeeded or failed."""
    paid = charge.status == "succeeded"
    card = shape_card(charge.card, charge.fingerprint)
    card |= {"checks": NO_CHECKS, "network": charge.card.brand, "three_d_secure": None}
    return {
        "id": charge.id,
        "object": "charge",
        **_CHARGE_CONSTANTS,
        "amount": charge.amount,
        "amount_captured": charge.amount if paid else 0,
        "amount_refunded": charge.amount_refunded,
        "balance_transaction": charge.balance_transaction,
        "captured": paid,
        "created": charge.created,
        "currency": charge.currency,
        "customer": charge.customer,
        "description": charge.description,
        "disputed": charge.disputed,
        "failure_code": charge.failure_code,
        "failure_message": charge.failure_message,
        "metadata": charge.metadata,
        "outcome": charge.outcome,
        "paid": paid,
        "payment_intent": charge.payment_intent,
        "payment_method": charge.payment_method,
        "payment_method_details": {"type": "card", "card": card},
        "refunded": paid and charge.amount_refunded == charge.amount,
        "statement_descriptor_suffix": charge.statement_descriptor_suffix,
        "status": charge.status,
    }
