"""Stripe's JSON for the records: every field that the SDK's objects promise, null where nothing is known."""

from __future__ import annotations

from typing import Any, assert_never

from .cards import Card
from .ledger import Ledger
from .records import Account, Charge, Customer, Event, PaymentIntent, PaymentMethod, Record, Refund
from .table import Table

API_VERSION = "2026-10-28.endive"
EXPIRY = {"exp_month": 12, "exp_year": 2034}
NO_BILLING_DETAILS: dict[str, Any] = {
    "address": dict.fromkeys(("city", "country", "line1", "line2", "postal_code", "state")),
    **dict.fromkeys(("email", "name", "phone", "tax_id")),
}
NO_CHECKS = {"address_line1_check": None, "address_postal_code_check": None, "cvc_check": None}
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
            "application application_fee application_fee_amount balance_transaction failure_balance_transaction "
            "on_behalf_of receipt_email receipt_number receipt_url review shipping source source_transfer "
            "statement_descriptor transfer_data transfer_group"
        ).split()
    ),
    "billing_details": NO_BILLING_DETAILS,
    "calculated_statement_descriptor": "SIMULATOR",
    "disputed": False,
    "fraud_details": {},
    "livemode": False,
}


def shape(record: Record) -> dict[str, Any]:
    """Return the record as Stripe answers it, nothing expanded."""
    match record:
        case PaymentIntent():
            return _payment_intent(record)
        case Charge():
            return _charge(record)
        case PaymentMethod():
            return _payment_method(record)
        case Refund():
            return _refund(record)
        case Customer():
            return _customer(record)
        case Event():
            return _event(record)
        case Account():
            return _account(record)
        case _:
            assert_never(record)


def expand(ledger: Ledger, answer: dict[str, Any], paths: list[str]) -> None:
    """Replace ids in the answer by the objects they name; a path that leads nowhere changes nothing."""
    for path in paths:
        head, _, rest = path.partition(".")
        value = answer.get(head)
        if isinstance(value, str) and (record := _find(ledger, value)) is not None:
            value = answer[head] = shape(record)
        for item in value if isinstance(value, list) else [value]:
            if rest and isinstance(item, dict):
                expand(ledger, item, [rest])


def _find(ledger: Ledger, identifier: str) -> Record | None:
    tables: dict[str, Table[Any]] = {
        "ch": ledger.charges,
        "pi": ledger.payment_intents,
        "pm": ledger.payment_methods,
        "cus": ledger.customers,
    }
    table = tables.get(identifier.partition("_")[0])
    return table.get(identifier) if table is not None else None


def _payment_intent(intent: PaymentIntent) -> dict[str, Any]:
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


def _charge(charge: Charge) -> dict[str, Any]:
    paid = charge.status == "succeeded"
    card = _card(charge.card, charge.fingerprint)
    card |= {"checks": NO_CHECKS, "network": charge.card.brand, "three_d_secure": None}
    return {
        "id": charge.id,
        "object": "charge",
        **_CHARGE_CONSTANTS,
        "amount": charge.amount,
        "amount_captured": charge.amount if paid else 0,
        "amount_refunded": charge.amount_refunded,
        "captured": paid,
        "created": charge.created,
        "currency": charge.currency,
        "customer": charge.customer,
        "description": charge.description,
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


def _card(card: Card, fingerprint: str) -> dict[str, Any]:
    return {
        "brand": card.brand,
        "country": card.country,
        **EXPIRY,
        "fingerprint": fingerprint,
        "funding": card.funding,
        "last4": card.last4,
        "wallet": None,
    }


def _payment_method(method: PaymentMethod) -> dict[str, Any]:
    return {
        "id": method.id,
        "object": "payment_method",
        "allow_redisplay": "unspecified",
        "billing_details": NO_BILLING_DETAILS,
        "card": _card(method.card, method.fingerprint)
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


def _refund(refund: Refund) -> dict[str, Any]:
    return {
        "id": refund.id,
        "object": "refund",
        "amount": refund.amount,
        "balance_transaction": None,
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


def _customer(customer: Customer) -> dict[str, Any]:
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


def _event(event: Event) -> dict[str, Any]:
    return {
        "id": event.id,
        "object": "event",
        "api_version": API_VERSION,
        "created": event.created,
        "data": {"object": shape(event.snapshot)},
        "livemode": False,
        "pending_webhooks": 0,
        "request": {"id": event.request_id, "idempotency_key": event.idempotency_key},
        "type": event.type,
    }


def _account(account: Account) -> dict[str, Any]:
    return {
        "id": account.id,
        "object": "account",
        "business_type": "company",
        "charges_enabled": True,
        "country": "US",
        "default_currency": "usd",
        "details_submitted": True,
        "email": "simulator@example.com",
        "metadata": {},
        "payouts_enabled": True,
        "type": "standard",
    }
