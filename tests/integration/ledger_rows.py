"""Rows as the product writes them, with changes, for tests of what the database itself holds."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from django.db import connection

from payments.models import Attempt, Dispute, Payment, Refund, Subscription

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
FAILED: dict[str, Any] = {
    "status": "failed", "settled_at": NOW, "fault": "issuer", "kind": "soft", "reason": "declined", "due_at": None,
}  # fmt: skip
PAID: dict[str, Any] = {"status": "success", "settled_at": NOW, "intent_id": "pi_1", "due_at": None}


def payment(**fields: Any) -> Payment:
    """A row as intake writes it, with changes."""
    Subscription.objects.get_or_create(id=fields.get("subscription_id", "sub_1"))
    defaults: dict[str, Any] = {
        "subscription_id": "sub_1", "subscription_as_sent": "sub_1", "user_as_sent": {}, "user_id": "u", "price": 100,
        "amount": 10_000, "currency": "KZT", "payment_method": "pm_1", "due_at": NOW, "created_at": NOW,
        "accepted_at": NOW,
    }  # fmt: skip
    return Payment.objects.create(**(defaults | fields))


def attempt(of: Payment, **fields: Any) -> Attempt:
    """A row as a claim writes it, with changes."""
    defaults: dict[str, Any] = {"number": 1, "asked_by": "event", "payment_method": "pm_1", "created_at": NOW}
    return Attempt.objects.create(payment=of, **(defaults | fields))


def refund(**fields: Any) -> Refund:
    """A row as a request writes it, with changes; of the only payment there is, or of one that is paid."""
    of = fields.pop("payment", None) or Payment.objects.first() or payment(**PAID)
    defaults: dict[str, Any] = {"amount": 100, "asked_by": "aida", "due_at": NOW, "created_at": NOW}
    return Refund.objects.create(payment=of, **(defaults | fields))


def dispute(of: Payment, **fields: Any) -> Dispute:
    """One that is open, with changes."""
    defaults: dict[str, Any] = {
        "dispute_id": "du_1", "amount": of.amount, "currency": of.currency, "reason": "fraudulent",
        "status": "needs_response", "opened_at": NOW, "seen_at": NOW,
    }  # fmt: skip
    return Dispute.objects.create(payment=of, **(defaults | fields))


@contextmanager
def restoring() -> Iterator[None]:
    """As a restore writes: triggers are not asked. For rows that the product gets to by many steps, or never."""
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        try:
            yield
        finally:
            cursor.execute("SET session_replication_role = origin")
