"""A rewind over what is known leaves the database as it is."""

from datetime import timedelta

import pytest
from django.db import connection

from payments.models import InboxMessage
from tests.conftest import Clock
from tests.integration.events import accept, event, record

pytestmark = pytest.mark.django_db


def versions() -> list[tuple[str, ...]]:
    """Of each row that intake writes, which version of it is there; what is written anew is another one."""
    with connection.cursor() as cursor:
        found = []
        for table in ("subscription", "inboxmessage", "payment", "transition", "position"):
            cursor.execute(f"SELECT ctid::text FROM payments_{table} ORDER BY 1")  # noqa: S608 - ours
            found.append(tuple(one for (one,) in cursor.fetchall()))
        return found


def test_records_that_are_known_cause_no_write(clock: Clock) -> None:
    """A rewind over a million of them leaves nothing behind for a vacuum."""
    records = [record(event(f"sub_{n % 7}"), at=clock() + timedelta(seconds=n), partition=n % 2) for n in range(20)]
    accept(*records, now=clock())
    before = versions()
    assert accept(*records, now=clock()).counts == {"known": 20}
    assert versions() == before


def test_known_records_are_told_from_new_ones_between_them(clock: Clock) -> None:
    """Whatever lies between: gaps as transactions leave them, far ones, other partitions, other topics of that name."""
    places = [(0, 1), (0, 3), (0, 4), (0, 5_000), (1, 2), (1, 4), (3, 0)]
    known = [record(event(f"sub_{p}_{o}"), at=clock(), partition=p, offset=o) for p, o in places]
    accept(*known, now=clock())
    new = [
        record(event(f"sub_{p}_{o}"), at=clock(), partition=p, offset=o) for p, o in ((0, 2), (1, 3), (2, 4), (3, 1))
    ]
    mixed = [known[0], new[0], *known[1:5], new[1], known[5], new[2], known[6], new[3]]
    assert accept(*mixed, now=clock()).counts == {"known": 7, "accepted": 4}
    assert InboxMessage.objects.count() == 11
