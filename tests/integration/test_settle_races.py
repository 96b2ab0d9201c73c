"""What two connections do to one attempt at the same time: neither may undo what the other has written."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection, connections, transaction

from payments import charging
from payments.answers import Unknown
from payments.models import Attempt
from tests.conftest import Clock
from tests.integration.ledger_rows import attempt, payment

pytestmark = pytest.mark.django_db(transaction=True)
PATIENCE = 20.0


def elsewhere(threads: ThreadPoolExecutor, do: Callable[[], object]) -> "Future[None]":
    """Run on another connection."""

    def run() -> None:
        try:
            do()
        finally:
            connections.close_all()

    return threads.submit(run)


def waiting() -> int:
    """How many other connections to this database wait for a lock."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_clear_snapshot()")  # else a transaction sees the same answer for ever
        cursor.execute("""
            SELECT count(*) FROM pg_stat_activity
            WHERE datname = current_database() AND pid <> pg_backend_pid() AND wait_event_type = 'Lock'
        """)
        return int(cursor.fetchone()[0])


@pytest.mark.parametrize("written", ["sent_at", "idempotency_key"])
def test_settling_never_undoes_what_a_worker_writes_before_it_confirms(clock: Clock, written: str) -> None:
    """P3: that a confirm may have left, and under which key, is known to whoever judges the next answer."""
    row = attempt(payment(), idempotency_key="old")
    new = {"sent_at": clock(), "idempotency_key": "new"}[written]

    def settle() -> None:
        charging.settle(attempt_id=row.id, answer=Unknown(why="reset"), now=clock() + timedelta(seconds=1))

    def about_to_confirm() -> None:
        Attempt.objects.filter(id=row.id).update(**{written: new})

    with ThreadPoolExecutor(2) as threads:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("LOCK TABLE payments_transition IN SHARE MODE")
            settling = elsewhere(threads, settle)
            while not waiting():  # it has read the attempt, and can't write its history yet
                assert not settling.done()
            confirming = elsewhere(threads, about_to_confirm)
            while waiting() < 2 and not confirming.done():
                pass  # either it waits for who settles, or it was let by
        settling.result(PATIENCE)
        confirming.result(PATIENCE)
    row.refresh_from_db()
    assert (row.state, getattr(row, written)) == ("unknown", new)
