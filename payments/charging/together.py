"""One transaction for several payments, and the connection that it needs."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import close_old_connections, connection, transaction

# Whoever holds a row longer than that would hold up all the others, which are locked already.
LONGEST_WAIT = "1s"
# Of one alone: the thread that waits may be the one that looks after all payments of its process.
LONGEST_WAIT_ALONE = "5s"


@contextmanager
def together(count: int) -> Iterator[None]:
    """For so many payments. None is waited for but for a moment where they are several, nor for ever where it is one:
    Django's `OperationalError` says so, and each can be tried alone."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT set_config('lock_timeout', %s, true)", [LONGEST_WAIT if count > 1 else LONGEST_WAIT_ALONE]
            )
        yield


def renew_connection() -> None:
    """A new one where it has broken or is too old; but in a transaction of the caller's, which isn't ours to end."""
    if not connection.in_atomic_block:
        close_old_connections()


def session() -> object:
    """The connection that what follows is written on; `is_lost` is asked about it afterwards."""
    connection.ensure_connection()
    return connection.connection


def is_lost(before: object) -> bool:
    """Whether it is gone: nobody knows whether the COMMIT was carried out, and others fare no better. Another one may
    stand in its place, as Django connects anew when it leaves a transaction."""
    return before is None or connection.connection is not before or not connection.is_usable()
