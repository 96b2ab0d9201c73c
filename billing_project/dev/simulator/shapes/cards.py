"""Cards and whose they are, as Stripe answers them."""

from __future__ import annotations

from typing import Any

from ..cards import Card
from ..records import Customer, PaymentMethod

EXPIRY = {"exp_month": 12, "exp_year": 2034}
NO_BILLING_DETAILS: dict[str, Any] = {
    "address": dict.fromkeys(("city", "country", "line1", "line2", "postal_code", "state")),
    **dict.fromkeys(("email", "name", "phone", "tax_id")),
}
NO_CHECKS = {"address_line1_check": None, "address_postal_code_check": None, "cvc_check": None}


def shape_payment_method(method: PaymentMethod) -> dict[str, Any]:
    """Return a saved or single-use card."""
    return {
        "id": method.id,
        "object": "payment_method",
        "allow_redisplay": "unspecified",
        "billing_details": NO_BILLING_DETAILS,
        "card": shape_card(method.card, method.fingerprint)
        | {
            "checks": NO_CHECKS,
            "display_brand": method.card.brand,
            "generated_from": None,
            "networks": {"available": [method.card.brand], "preferred": None},
            "three_d_secure_usage": {"supported": True},
        },
        "created": method.created,
        "customer": method.customer,
        "customer_account": None,
        "livemode": False,
        "metadata": method.metadata,
        "type": "card",
    }


def shape_customer(customer: Customer) -> dict[str, Any]:
    """Return a customer."""
    return {
        "id": customer.id,
        "object": "customer",
        "address": None,
        "balance": 0,
        "created": customer.created,
        "currency": None,
        "default_source": None,
        "delinquent": False,
        "description": customer.description,
        "email": customer.email,
        "livemode": False,
        "metadata": customer.metadata,
        "name": customer.name,
        "phone": customer.phone,
        "shipping": None,
    }


def shape_card(card: Card, fingerprint: str) -> dict[str, Any]:
    """Return what a payment method and a charge both say about the card."""
    return {
        "brand": card.brand,
        "country": card.country,
        **EXPIRY,
        "fingerprint": fingerprint,
        "funding": card.funding,
        "last4": card.last4,
        "wallet": None,
    }
