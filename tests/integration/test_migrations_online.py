"""Migrations run while the processes of the version before still do: nothing that they use goes, nobody waits long.

`PGOPTIONS="-c lock_timeout=10s"` (docs/operations.md) holds the rest: a lock that isn't had soon is given up.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread

import pytest
from django.core.management import call_command
from django.db import connection, connections
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.loader import MigrationLoader
from django_migration_linter.sql_analyser.analyser import analyse_sql_statements, get_sql_analyser_class

from payments.migrations._online import AddIndexOnline
from payments.models import Attempt

# Those before it are of versions that nobody upgrades from while payments go on.
SINCE = "0009"
LINTER = get_sql_analyser_class("django.db.backends.postgresql")


def names() -> list[str]:
    """Of the product's own migrations since then."""
    return sorted(name for app, name in MigrationLoader(None).disk_migrations if app == "payments" and name >= SINCE)


def sql_of(name: str) -> list[str]:
    """What a migration would say to the database, a statement each, without comments."""
    executor = MigrationExecutor(connection)
    migration = executor.loader.graph.nodes["payments", name]
    lines = executor.loader.collect_sql([(migration, False)])
    return [line for line in lines if not line.startswith("--")]


# Not in a transaction, as `migrate` runs those that build indexes.
@pytest.mark.django_db(transaction=True)
def test_no_migration_takes_away_what_the_version_before_uses_or_keeps_it_waiting() -> None:
    """No column or table goes or is renamed, none is required without a default, no index is built under a lock.

    And no table is read through for a constraint: one of a table that is there is added without looking (NOT VALID).
    """
    for name in names():
        statements = sql_of(name)
        errors, ignored, warnings = analyse_sql_statements(LINTER, statements, [])
        assert [*errors, *ignored, *warnings] == [], name
        made = {line.split('"')[1] for line in statements if line.startswith("CREATE TABLE")}
        for line in statements:
            if line.startswith("ALTER TABLE") and (" CHECK " in line or " FOREIGN KEY " in line):
                assert line.split('"')[1] in made or "NOT VALID" in line, f"{name}: {line}"


@contextmanager
def without_index(name: str) -> Iterator[None]:
    """The table as before the migration; whole again afterwards."""
    with connection.cursor() as cursor:
        cursor.execute(f"DROP INDEX {name}")
    try:
        yield
    finally:
        build(name)


def build(name: str) -> None:
    """The step of a migration that makes this index."""
    operation = AddIndexOnline("attempt", next(index for index in Attempt._meta.indexes if index.name == name))
    state = MigrationExecutor(connection).loader.project_state()
    with connection.schema_editor(atomic=False) as editor:
        operation.database_forwards("payments", editor, state, state)


def is_valid(name: str) -> bool | None:
    """None where there is no such index."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(%s)", [name])
        found = cursor.fetchone()
    return bool(found[0]) if found else None


@pytest.mark.django_db(transaction=True)
def test_a_build_that_was_cut_off_is_made_good_by_the_next_run() -> None:
    """An index that nobody may use is left behind: it is made anew; one that is whole is left alone."""
    with without_index("attempt_by_last4"):
        build("attempt_by_last4")
        with connection.cursor() as cursor:
            cursor.execute("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'attempt_by_last4'::regclass")
        assert is_valid("attempt_by_last4") is False
        build("attempt_by_last4")
        assert is_valid("attempt_by_last4") is True
    build("attempt_by_last4")
    assert is_valid("attempt_by_last4") is True


@pytest.mark.django_db(transaction=True)
def test_migrate_gives_up_a_lock_that_it_does_not_have_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever waits for an exclusive lock lets all who come later wait as well; libpq reads the option."""
    monkeypatch.setenv("PGOPTIONS", "-c lock_timeout=10s")
    found: list[str] = []

    def ask() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SHOW lock_timeout")
            found.append(cursor.fetchone()[0])
        connections.close_all()

    # A connection of its own, made now.
    thread = Thread(target=ask)
    thread.start()
    thread.join()
    assert found == ["10s"]


@pytest.mark.django_db
def test_no_migration_is_missing() -> None:
    """Also not one that only moves an index into another file."""
    call_command("makemigrations", "--check", "--dry-run", verbosity=0)
