"""The promises, asked of the whole database: each check is a query for what breaks it. They stand in `checks.sql`.

Reads alone, in one snapshot, so that live traffic neither waits nor looks like a break. It trusts no constraint and no
trigger: after a restore, an import or a hand at a psql prompt those may have been away. What Stripe has is not asked
here: that is reconciliation.
"""

import re
from collections.abc import Generator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.db import connection, transaction

from payments import retry_policy

# Ids that a check names; the number of all is told beside them.
NAMED = 5

LIMITS: dict[str, Any] = {
    # P5's three minutes, and what a look that was due just then may take.
    "shown_within": retry_policy.UNKNOWN_BEFORE_A_LOOK + timedelta(minutes=2),
    # A relay that was started anew, or Kafka away for a moment, is no break.
    "told_within": timedelta(minutes=5),
    # Payments wait for their turn in a backlog, for hours perhaps; but while they do, somebody's turn comes.
    "tried_within": timedelta(minutes=10),
}

_FIRST = ") SELECT (SELECT count(*) FROM broken), ARRAY(SELECT id FROM broken ORDER BY id LIMIT %(named)s)"


@dataclass(frozen=True, kw_only=True)
class Check:
    """`says`: what holds, for a person. `sql`: gives the number of things that break it, and their first ids."""

    promise: str
    name: str
    says: str
    sql: str


@dataclass(frozen=True, kw_only=True)
class Audited:
    """One check: how many things break it, and the first of their ids."""

    check: Check
    count: int
    first: tuple[str, ...]

    @property
    def holds(self) -> bool:
        """Whether nothing breaks it."""
        return self.count == 0


def read_checks() -> tuple[Check, ...]:
    """In the order of the file."""
    _, shared, *blocks = re.split(r"(?:^|\n\n)-- ", Path(__file__).with_name("checks.sql").read_text())[1:]
    found = []
    for block in blocks:
        title, _, query = block.partition("\n")
        promise, _, named = title.partition(" ")
        name, _, says = named.partition(": ")
        found.append(Check(promise=promise, name=name, says=says, sql=shared.partition("\n")[2] + query + _FIRST))
    return tuple(found)


CHECKS = read_checks()


def audit(*, now: datetime) -> Generator[Audited, None, None]:
    """Each check with what it found, in one snapshot; inside a transaction of the caller's, in that one's."""
    is_inside = connection.in_atomic_block
    with transaction.atomic(), connection.cursor() as cursor:
        if not is_inside:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        for check in CHECKS:
            cursor.execute(check.sql, {"now": now, "named": NAMED, **LIMITS})
            count, first = cursor.fetchone()
            yield Audited(check=check, count=count, first=tuple(first))
