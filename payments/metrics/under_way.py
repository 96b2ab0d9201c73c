"""What is under way: what is due and nobody has, how old it is, and the money that waits at each stage.

Each question goes by an index and looks at `MOST_COUNTED` rows at most, as it is asked most when there are millions.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection
from django.db.models import Min, Q, QuerySet, Sum

from payments.metrics.standing import MOST_COUNTED, count
from payments.models import Attempt, HourlyCount, InboxMessage, Payment, Refund

# What nobody has tried yet, what is tried or asked again, and looks at what has failed: the sweep's three indexes.
KINDS = ("new", "again", "look")
# Of a payment, in the order in which money passes them; then what goes back, or is disputed.
STAGES = ("waiting", "sending", "unknown", "processing", "untold", "refunding", "disputed")

_AT_STRIPE = """
SELECT state, currency, sum(amount) FROM (
    SELECT attempt.state, payment.currency, payment.amount
    FROM payments_attempt attempt JOIN payments_payment payment ON payment.id = attempt.payment_id
    WHERE attempt.state IN ('sending', 'unknown', 'processing') LIMIT %s
) few GROUP BY 1, 2
"""
_UNTOLD = """
SELECT currency, sum(amount) FROM (
    SELECT payment.currency, payment.amount
    FROM payments_outboxmessage told JOIN payments_payment payment ON payment.id = told.payment_id
    WHERE told.published_at IS NULL AND told.refused_at IS NULL AND told.channel = 'notifications'
    ORDER BY told.id LIMIT %s
) few GROUP BY 1
"""
_DISPUTED = """
SELECT currency, sum(amount) FROM (
    SELECT currency, amount FROM payments_dispute WHERE ended_at IS NULL LIMIT %s
) few GROUP BY 1
"""


@dataclass(frozen=True, kw_only=True)
class Due:
    """How many of a kind, up to one more than `MOST_COUNTED`, and for how long the first of them is due."""

    payments: int
    oldest: timedelta


def find_due(*, now: datetime) -> dict[str, Due]:
    """By kind: what a worker could take up now, and none has."""
    is_free = Q(lease_until__isnull=True) | Q(lease_until__lte=now)
    due = Payment.objects.filter(is_free, due_at__lte=now)
    pending = due.filter(status=Payment.Status.PENDING)
    new, again = pending.filter(intent_id__isnull=True), pending.filter(intent_id__isnull=False)
    look = due.filter(status=Payment.Status.FAILED, due_at__isnull=False)
    return {kind: _due(rows, now) for kind, rows in zip(KINDS, (new, again, look), strict=True)}


def _due(rows: QuerySet[Payment], now: datetime) -> Due:
    first = rows.order_by("due_at").values_list("due_at", flat=True).first()
    return Due(payments=count(rows) if first else 0, oldest=now - (first or now))


def oldest_unknown() -> datetime | None:
    """When the oldest attempt whose outcome nobody knows was begun."""
    # The condition of the partial index comes along, or the planner wouldn't use it.
    unknown = Attempt.objects.filter(state=Attempt.State.UNKNOWN).filter(state__in=Attempt.OPEN)
    first: datetime | None = unknown.aggregate(first=Min("created_at"))["first"]
    return first


def oldest_parked() -> datetime | None:
    """When the record came in that waits for a person for the longest time."""
    parked = InboxMessage.objects.filter(verdict__in=InboxMessage.PARKED)
    return parked.order_by("received_at").values_list("received_at", flat=True).first()


def find_money_at_rest() -> dict[tuple[str, str], int]:
    """Minor units by stage and currency; of what is pending as of the last count of hours."""
    found = {(state, currency): int(amount) for state, currency, amount in _rows(_AT_STRIPE)}
    pending = HourlyCount.objects.filter(status=Payment.Status.PENDING).order_by()
    for currency, amount in pending.values("currency").annotate(worth=Sum("amount")).values_list("currency", "worth"):
        at_stripe = sum(found.get((state, currency), 0) for state in ("sending", "unknown", "processing"))
        found["waiting", currency] = max(0, int(amount) - at_stripe)
    for stage, sql in (("untold", _UNTOLD), ("disputed", _DISPUTED)):
        found |= {(stage, currency): int(amount) for currency, amount in _rows(sql)}
    going_back = Refund.objects.filter(due_at__isnull=False, state__in=Refund.OPEN).order_by("due_at")
    for currency, back in going_back.values_list("payment__currency", "amount")[:MOST_COUNTED]:
        found["refunding", currency] = found.get(("refunding", currency), 0) + back
    return found


def _rows(sql: str) -> Iterator[tuple[str, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, [MOST_COUNTED])
        yield from cursor.fetchall()
