"""A ledger of any size, as a shop's would look after 90 days: what benchmarks and tests of plans are measured on."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from django.db import connection

from payments import declines

STATEMENTS = Path(__file__).with_name("ledger.sql")

# Of a hundred failures: Stripe's code, the bank's, and how many.
FAILURES = (
    ("card_declined", "insufficient_funds", 48),
    ("card_declined", "generic_decline", 17),
    ("card_declined", "do_not_honor", 12),
    ("expired_card", "expired_card", 7),
    ("card_declined", "lost_card", 3),
    ("card_declined", "transaction_not_allowed", 3),
    ("authentication_required", "authentication_required", 6),
    ("processing_error", "processing_error", 3),
    ("resource_missing", "resource_missing", 1),
)

# Those that belong to no constraint: a unique index with a condition is one of them. Not those of refunds, which a
# trigger adds up for each that is written.
INDEXES = """
SELECT quote_ident(relname), pg_get_indexdef(indexrelid)
FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
WHERE indrelid::regclass::text LIKE 'payments_%' AND indrelid::regclass::text <> 'payments_refund'
    AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid)
"""
FOREIGN_KEYS = """
SELECT conrelid::regclass, quote_ident(conname), pg_get_constraintdef(oid)
FROM pg_constraint WHERE contype = 'f' AND conrelid::regclass::text LIKE 'payments_%'
"""


def fill(cursor: Any, *, size: int, now: datetime, say: Callable[[str], None] = lambda _text: None) -> None:
    """Write `size` payments with all that belongs to them into an empty database, up to `now`.

    Indexes and foreign keys are taken away meanwhile and made again at the end, which checks all rows at once.
    """
    _write_failures(cursor)
    cursor.execute("SET maintenance_work_mem = '512MB'; SET work_mem = '128MB'")
    made_again = _take_away(cursor)
    for name, statement in _statements():
        say(name)
        cursor.execute(statement, {"size": size, "now": now})
    for statement in made_again:
        say(statement[:100])
        cursor.execute(statement)
    cursor.execute("RESET maintenance_work_mem; RESET work_mem")


def prepare(*, size: int, now: datetime, say: Callable[[str], None] = lambda _text: None) -> None:
    """`fill` Django's database, and do what autovacuum would: the planner knows the tables then, and index-only scans
    needn't look at rows."""
    with connection.cursor() as cursor:
        cursor.execute("ALTER SYSTEM SET max_wal_size = '16GB'")
        cursor.execute("SELECT pg_reload_conf()")
        fill(cursor, size=size, now=now, say=say)
        say("vacuum")
        cursor.execute("VACUUM ANALYZE")


def _take_away(cursor: Any) -> list[str]:
    """Drop what the inserts would keep up row by row. Returns the statements that make it again."""
    cursor.execute(INDEXES)
    indexes = cursor.fetchall()
    cursor.execute(FOREIGN_KEYS)
    keys = cursor.fetchall()
    for table, name, _definition in keys:
        cursor.execute(f"ALTER TABLE {table} DROP CONSTRAINT {name}")
    for name, _definition in indexes:
        cursor.execute(f"DROP INDEX {name}")
    again = [definition for _name, definition in indexes]
    return again + [f"ALTER TABLE {table} ADD CONSTRAINT {name} {definition}" for table, name, definition in keys]


def _write_failures(cursor: Any) -> None:
    """What each of a hundred failures means, in the product's own words."""
    cursor.execute(
        "CREATE TEMPORARY TABLE failure (place int, code text, decline_code text, fault text, kind text, reason text)"
    )
    rows: list[tuple[int, str, str, str, str, str]] = []
    for code, decline_code, times in FAILURES:
        meaning = declines.BY_CODE[decline_code]
        for _ in range(times):
            rows.append((len(rows), code, decline_code, meaning.fault, meaning.kind, meaning.text))
    cursor.executemany("INSERT INTO failure VALUES (%s, %s, %s, %s, %s, %s)", rows)


def _statements() -> list[tuple[str, str]]:
    """Each with its name: the first line of the comment above it."""
    blocks = STATEMENTS.read_text().split("\n\n-- ")[1:]
    return [(block.partition("\n")[0], block.partition("\n")[2]) for block in blocks]
