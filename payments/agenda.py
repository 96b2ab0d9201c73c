"""Is there anything to do? One statement, asked every second, instead of each task's own: to be at rest costs little.

It may say yes where a task then finds nothing; where one would find something it must never say no.
"""

from datetime import datetime
from typing import NamedTuple

from django.db import connection


class Agenda(NamedTuple):
    """What there is: payments that are due, or a pause that may be over; webhooks that nobody has answered; refunds
    that are due; jobs that run."""

    payments: bool
    webhooks: bool
    refunds: bool
    jobs: bool


# Each looks at the first entry of a partial index that holds only what is open. Leases are left to the tasks.
_SQL = """SELECT
    EXISTS (SELECT FROM payments_payment WHERE status = 'pending' AND intent_id IS NULL AND due_at <= %(now)s)
    OR EXISTS (SELECT FROM payments_payment WHERE status = 'pending' AND intent_id IS NOT NULL AND due_at <= %(now)s)
    OR EXISTS (SELECT FROM payments_payment WHERE status = 'failed' AND due_at <= %(now)s)
    OR EXISTS (SELECT FROM payments_pause WHERE ended_at IS NULL),
    EXISTS (SELECT FROM payments_webhook WHERE handled_at IS NULL),
    EXISTS (SELECT FROM payments_refund WHERE due_at <= %(now)s),
    EXISTS (SELECT FROM payments_job WHERE state = 'running')
"""


def look(*, now: datetime) -> Agenda:
    """What there is to do now."""
    with connection.cursor() as cursor:
        cursor.execute(_SQL, {"now": now})
        return Agenda(*cursor.fetchone())
