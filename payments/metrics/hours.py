"""Payments counted by the hour, so that a month of a million payments is read in milliseconds.

Exact: every change of a payment has its line in the history, so the hours of the payments with new lines are counted
again, whole. Nothing is added up from one count to the next, so no mistake can stay.

Lines are seen by their ids, which are drawn before a transaction ends: a later one may be seen first. So a line is
looked at again until every transaction that was there when it was first seen is over (`final_id`).
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from django.db import connection, transaction

from payments.models import CountedUntil

# A twentieth of the time at most: an hour in which a million records came takes a second, each time.
REST = 20
LEAST_REST = timedelta(seconds=4)

_HORIZON = """
SELECT coalesce(max(id), 0), pg_snapshot_xmin(pg_current_snapshot())::text::bigint,
       pg_snapshot_xmax(pg_current_snapshot())::text::bigint
FROM payments_transition
"""
_TOUCHED = """
SELECT DISTINCT date_trunc('hour', payment.created_at, 'UTC')
FROM payments_transition line JOIN payments_payment payment ON payment.id = line.payment_id
WHERE line.id > %s
"""
_COUNT = """
SELECT date_trunc('hour', created_at, 'UTC') AS hour, currency, status, fault, code, count(*) AS payments,
       sum(amount) AS amount
FROM {payments} GROUP BY 1, 2, 3, 4, 5
"""
_OF_HOURS = """
unnest(%(hours)s::timestamptz[]) AS wanted(since) JOIN payments_payment
    ON created_at >= wanted.since AND created_at < wanted.since + interval '1 hour'
"""
# Rows that say so already are left alone.
_KEEP = """
WITH fresh AS ({fresh}), gone AS (
    DELETE FROM payments_hourlycount old WHERE {these} AND NOT EXISTS (
        SELECT FROM fresh WHERE (fresh.hour, fresh.currency, fresh.status, fresh.fault, fresh.code)
            = (old.hour, old.currency, old.status, old.fault, old.code))
)
INSERT INTO payments_hourlycount AS old (hour, currency, status, fault, code, payments, amount)
SELECT hour, currency, status, fault, code, payments, amount FROM fresh
ON CONFLICT (hour, currency, status, fault, code) DO UPDATE SET payments = EXCLUDED.payments, amount = EXCLUDED.amount
WHERE (old.payments, old.amount) IS DISTINCT FROM (EXCLUDED.payments, EXCLUDED.amount)
"""


def count_hours(*, clock: Callable[[], datetime]) -> bool:
    """Count again the hours that have changed. Returns False where it isn't time yet, or somebody else is at it."""
    began = clock()
    CountedUntil.objects.get_or_create(id=1)
    with transaction.atomic():
        until = CountedUntil.objects.select_for_update(skip_locked=True).filter(id=1).first()
        if until is None or (until.next_at and began < until.next_at):
            return False
        with connection.cursor() as cursor:
            cursor.execute(_HORIZON)
            last, oldest, following = cursor.fetchone()
        if until.counted_at is None:
            _count_all()
        else:
            _count_again(_touched_since(until.final_id))
        if oldest >= until.seen_before:
            # Whatever could have had an id up to `seen_id` is over, and was among the lines just looked at.
            until.final_id, until.seen_id, until.seen_before = until.seen_id, last, following
        until.counted_at = began
        until.next_at = began + max(LEAST_REST, REST * (clock() - began))
        until.save()
    return True


def _touched_since(final_id: int) -> list[datetime]:
    with connection.cursor() as cursor:
        cursor.execute(_TOUCHED, [final_id])
        return [hour for (hour,) in cursor.fetchall()]


def _count_again(hours: Sequence[datetime]) -> None:
    if hours:
        sql = _KEEP.format(fresh=_COUNT.format(payments=_OF_HOURS), these="old.hour = ANY(%(hours)s)")
        with connection.cursor() as cursor:
            cursor.execute(sql, {"hours": list(hours)})


def _count_all() -> None:
    with connection.cursor() as cursor:
        cursor.execute(_KEEP.format(fresh=_COUNT.format(payments="payments_payment"), these="true"))
