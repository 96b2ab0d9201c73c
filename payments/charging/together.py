"""One transaction for several payments."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection, transaction

# Whoever holds a row longer than that would hold up all the others, which are locked already.
LONGEST_WAIT = "1s"


@contextmanager
def together(count: int) -> Iterator[None]:
    """For so many payments; of more than one none is waited for, but for a moment: Django's `OperationalError` says so,
    and each can be tried alone."""
    with transaction.atomic():
        if count > 1:
            with connection.cursor() as cursor:
                cursor.execute("SELECT set_config('lock_timeout', %s, true)", [LONGEST_WAIT])
        yield
