"""Which relay is the active one: the one that holds this lock."""

import contextlib

from django.db import InterfaceError, OperationalError, connection

# Session-level advisory lock: whoever holds it is the active relay. The number is arbitrary and fixed.
RELAY_LOCK = 7_243_001


def try_relay_lock() -> bool:
    """Try to become the one active relay; the lock lives and dies with this thread's connection."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [RELAY_LOCK])
        row = cursor.fetchone()
    return bool(row and row[0])


def release_relay_lock() -> None:
    """Let a standby take over at once. Where the connection is gone, so is the lock."""
    with contextlib.suppress(OperationalError, InterfaceError), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_unlock_all()")
