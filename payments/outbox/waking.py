"""The relay is woken by commits, and waits for that. A wake-up may be lost: rows are what counts."""

import select
import threading
import time

from django.db import connection

# PostgreSQL channel on which a waiting relay hears that there is something to do.
WAKE = "payments_outbox"

# At most one wake-up per this long and process, as each costs a statement. A relay that was woken looks once more
# after as long, for what was committed without one.
WAKE_INTERVAL = 0.005

_last_wake = threading.local()


def wake() -> None:
    """Tell a waiting relay, after the commit. Best effort: it also looks by itself every now and then."""
    if time.monotonic() - getattr(_last_wake, "at", 0.0) < WAKE_INTERVAL:
        return
    _last_wake.at = time.monotonic()
    with connection.cursor() as cursor:
        # Not durable, so that it doesn't wait for the disk: NOTIFY commits one at a time.
        cursor.execute(f"SET LOCAL synchronous_commit = off; NOTIFY {WAKE}")


def listen() -> None:
    """Hear `wake` on this thread's connection from now on."""
    with connection.cursor() as cursor:
        cursor.execute(f"LISTEN {WAKE}")


def wait_for_wake(*, seconds: float, again: bool = False) -> bool:
    """Wait until somebody wakes us, for so many seconds at most; returns whether somebody did. Needs `listen` before.
    Whoever was woken waits `again` for what was committed without a wake-up: for `WAKE_INTERVAL`.

    Raises Django's `OperationalError` where the connection has died, and our lock with it.
    """
    raw = connection.connection
    with connection.wrap_database_errors:
        if not raw.notifies:
            select.select([raw], [], [], WAKE_INTERVAL if again else seconds)
            raw.poll()
        woken = bool(raw.notifies)
        raw.notifies.clear()
    return woken
