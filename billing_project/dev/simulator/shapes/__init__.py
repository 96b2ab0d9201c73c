"""Stripe's JSON for the records: every field that the SDK's objects promise, null where nothing is known."""

from __future__ import annotations

from typing import Any, assert_never

from ..ledger import Ledger
from ..records import (
    Account,
    BalanceTransaction,
    Charge,
    Customer,
    Dispute,
    Event,
    PaymentIntent,
    PaymentMethod,
    Record,
    Refund,
)
from ..table import Table
from .balance import shape_balance_transaction
from .cards import shape_customer, shape_payment_method
from .charges import shape_charge, shape_payment_intent
from .refunds import shape_dispute, shape_refund

API_VERSION = "2026-10-28.endive"


def shape(record: Record) -> dict[str, Any]:
    """Return the record as Stripe answers it, nothing expanded."""
    match record:
        case PaymentIntent():
            return shape_payment_intent(record)
        case Charge():
            return shape_charge(record)
        case PaymentMethod():
            return shape_payment_method(record)
        case Refund():
            return shape_refund(record)
        case Dispute():
            return shape_dispute(record)
        case Customer():
            return shape_customer(record)
        case BalanceTransaction():
            return shape_balance_transaction(record)
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
        "re": ledger.refunds,
        "du": ledger.disputes,
        "txn": ledger.balance_transactions,
    }
    table = tables.get(identifier.partition("_")[0])
    return table.get(identifier) if table is not None else None


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
