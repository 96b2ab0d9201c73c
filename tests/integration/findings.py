"""What the doctor's tests share: findings by name, and processes that are there."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest
from django.db import DEFAULT_DB_ALIAS, connection

from payments import outbox
from payments.finding import Finding
from payments.heartbeats import Heart

committed = pytest.mark.django_db(transaction=True)


def by_name(findings: list[Finding]) -> dict[str, tuple[str, str]]:
    """Level and text of each."""
    return {one.name: (one.level, one.says) for one in findings}


def levels(findings: Any) -> dict[str, str]:
    """The level of each."""
    return {one.name: one.level for one in findings}


@contextmanager
def relaying() -> Iterator[None]:
    """A relay is active: somebody holds its lock, on a connection of its own."""
    with closing(connection.copy(DEFAULT_DB_ALIAS)) as other, other.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [outbox.RELAY_LOCK])
        yield


def beat(*processes: Any) -> None:
    """These show themselves."""
    for process in processes:
        heart = Heart(process)
        heart.note()
        heart.write()
