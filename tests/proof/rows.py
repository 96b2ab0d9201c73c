"""What the driver of a history asks of the rows at every step.

In plain SQL: the ORM takes a millisecond to think of each query, and there are a hundred of these in each of
thousands of histories. What the audits say of the rows at the end they read through the models.
"""

import uuid
from datetime import datetime
from typing import Any, NamedTuple

from django.db import connection

from payments.models import Refund

# Payments whose outcome Stripe never tells.
_GIVEN_UP = "status = 'pending' AND attention <> ''"


class Known(NamedTuple):
    """What staff see of a payment before they press a button."""

    id: uuid.UUID
    subscription_id: str
    number: int
    status: str
    intent_id: str | None
    amount: int


class Paused(NamedTuple):
    """Charging stands still."""

    began_at: datetime
    probed_at: datetime | None


class Waiting(NamedTuple):
    """Something is due, once nobody holds it any more."""

    due_at: datetime | None
    lease_until: datetime | None


def find_payments() -> list[Known]:
    """All of them."""
    columns = ", ".join(Known._fields)
    return [Known(*row) for row in _ask(f"SELECT {columns} FROM payments_payment ORDER BY subscription_id, number")]  # noqa: S608


def find_statuses() -> set[str]:
    """What payments are there."""
    return {status for (status,) in _ask("SELECT DISTINCT status FROM payments_payment")}


def find_due(*, now: datetime) -> list[uuid.UUID]:
    """Payments that are due and free, oldest first."""
    free = "(lease_until IS NULL OR lease_until <= %s)"
    found = _ask(f"SELECT id FROM payments_payment WHERE due_at <= %s AND {free} ORDER BY due_at, id", now, now)  # noqa: S608
    return [payment for (payment,) in found]


def find_pause() -> Paused | None:
    """The first reason why charging stands still."""
    found = _ask("SELECT began_at, probed_at FROM payments_pause WHERE ended_at IS NULL ORDER BY id LIMIT 1")
    return Paused(*found[0]) if found else None


def find_waiting(*, but_given_up: bool) -> list[Waiting]:
    """Payments that are due at some time."""
    but = f" AND NOT ({_GIVEN_UP})" if but_given_up else ""
    found = _ask(f"SELECT due_at, lease_until FROM payments_payment WHERE due_at IS NOT NULL{but}")  # noqa: S608
    return [Waiting(*row) for row in found]


def find_waiting_refunds() -> list[Waiting]:
    """Refunds that haven't ended, and webhooks about money that went back, which wait for a look."""
    found = _ask(
        """
        SELECT due_at, lease_until FROM payments_refund WHERE state = ANY(%s)
        UNION ALL
        SELECT NULL, payment.lease_until FROM payments_webhook AS webhook
            JOIN payments_payment AS payment ON payment.id = webhook.payment_id
            WHERE webhook.handled_at IS NULL
        """,
        list(Refund.OPEN),
    )
    return [Waiting(*row) for row in found]


def is_anything_to_tell() -> bool:
    """Whether the relay has anything to publish."""
    waits = "published_at IS NULL AND refused_at IS NULL"
    return _is_there(f"payments_outboxmessage WHERE {waits}")


def is_any_webhook_open() -> bool:
    """Whether a webhook waits, for a worker or for a look."""
    return _is_there("payments_webhook WHERE handled_at IS NULL")


def find_offsets() -> list[int]:
    """Where the records came from that have a row, in order."""
    return [offset for (offset,) in _ask('SELECT "offset" FROM payments_inboxmessage ORDER BY "offset"')]


def find_told() -> set[str]:
    """The ids of all that was ever to be published."""
    return {message for (message,) in _ask("SELECT message_id FROM payments_outboxmessage")}


def _is_there(what: str) -> bool:
    ((found,),) = _ask(f"SELECT EXISTS (SELECT FROM {what})")  # noqa: S608
    return bool(found)


def _ask(sql: str, *values: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, values or None)
        found: list[tuple[Any, ...]] = cursor.fetchall()
    return found
