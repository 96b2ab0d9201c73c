"""PostgreSQL: does it answer, is it new enough, may it be written to, does it keep our session, has it our tables."""

import contextlib
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing
from datetime import UTC, datetime
from typing import Any

from django.db import DEFAULT_DB_ALIAS, DatabaseError, InterfaceError, NotSupportedError, connection
from django.db.migrations.loader import MigrationLoader

from payments.finding import Finding, fail, judge_clock, ok, warn

# Multiranges and what Django asks for. The tests run on 18.
OLDEST_VERSION = 14
# Less is filled by a night's backlog.
LITTLE_SPACE = 1024**3
NO_SPACE = 200 * 1024**2
LOOPBACK = ("", "localhost", "127.0.0.1", "::1")
# A name of our own: no setting of PostgreSQL's.
_MARK = "billing.doctor"

Cursors = Callable[[], AbstractContextManager[Any]]


def look_at_database() -> list[Finding]:
    """Whether it answers at all; a FAIL first where it doesn't, and then nothing else can be asked of it."""
    try:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT current_setting('server_version_num')::int, current_setting('server_version'),"
                " current_setting('transaction_read_only')::bool, pg_is_in_recovery()"
            )
            number, version, read_only, standby = cursor.fetchone()
    except NotSupportedError as error:
        return [fail("database", _first_line(error), f"run PostgreSQL {OLDEST_VERSION} or newer")]
    except (DatabaseError, InterfaceError) as error:
        fix = "start it, or set DATABASE_URL right; what is in it could not be looked at"
        return [fail("database", f"does not answer ({_first_line(error)})", fix)]
    if number // 10_000 < OLDEST_VERSION:
        return [fail("database", f"is PostgreSQL {version}", f"run PostgreSQL {OLDEST_VERSION} or newer")]
    if read_only or standby:
        what = "a standby" if standby else "read-only"
        return [fail("database", f"PostgreSQL {version} is {what}", "point DATABASE_URL at the primary")]
    return [ok("database", f"PostgreSQL {version}")]


def look_closer() -> Iterator[Finding]:
    """All else that there is to say of one that answers. Raises Django's database errors."""
    yield _look_at_session()
    yield _look_at_clock()
    yield from look_at_migrations()
    yield _look_at_size()


def keeps_session(mine: Cursors, others: Cursors) -> bool:
    """Whether what is set on a connection is still there after somebody else has used one.

    A pooler in transaction mode gives each transaction whatever connection is free: the relay's lock and what it
    listens to would be somebody else's.
    """
    with mine() as cursor:
        cursor.execute("SELECT set_config(%s, 'set', false), pg_backend_pid()", [_MARK])
        pid = cursor.fetchone()[1]
    with others() as busy:
        # Of two that are free a pooler takes the one that was used last: ours, as long as this lasts.
        busy.execute("BEGIN")
        try:
            with mine() as cursor:
                cursor.execute("SELECT current_setting(%s, true), pg_backend_pid()", [_MARK])
                mark, now_pid = cursor.fetchone()
        finally:
            busy.execute("ROLLBACK")
    with mine() as cursor:
        cursor.execute("SELECT set_config(%s, '', false)", [_MARK])
    return bool(mark == "set" and pid == now_pid)


def _look_at_session() -> Finding:
    with closing(connection.copy(DEFAULT_DB_ALIAS)) as other:
        kept = keeps_session(connection.cursor, other.cursor)
    if kept:
        return ok("database session", "is kept: no pooler in transaction mode")
    fix = "connect to the server itself, or set pool_mode=session in the pooler: the relay holds a lock"
    return fail("database session", "changes between statements: a pooler in transaction mode", fix)


def _look_at_clock() -> Finding:
    began = datetime.now(UTC)
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        [theirs] = cursor.fetchone()
    return judge_clock("database clock", theirs - (began + (datetime.now(UTC) - began) / 2))


def look_at_migrations() -> Iterator[Finding]:
    """Whether the tables are those of this version."""
    loader = MigrationLoader(connection)
    ours, applied = set(loader.graph.nodes), set(loader.applied_migrations)
    if missing := [".".join(one) for one in sorted(ours - applied)]:
        more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
        says = f"{len(missing)} are not applied: {', '.join(missing[:3])}{more}"
        yield fail("migrations", says, "run manage.py migrate")
        return
    apps = {app for app, _ in ours}
    if newer := [".".join(one) for one in sorted(applied - ours) if one[0] in apps]:
        yield warn("migrations", f"a newer version has applied {newer[-1]}", "run that version's processes")
    else:
        yield ok("migrations", "all are applied")


def _look_at_size() -> Finding:
    """What it holds; and what is free, where its folder is on this machine and it tells us where."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_database_size(current_database()), pg_has_role('pg_read_all_settings', 'USAGE')")
        size, may_read = cursor.fetchone()
        folder = None
        if may_read:
            cursor.execute("SELECT current_setting('data_directory')")
            [folder] = cursor.fetchone()
    says = f"holds {for_people(size)}"
    if folder and connection.settings_dict["HOST"] in LOOPBACK:
        # Its folder may be in a container, or closed to us.
        with contextlib.suppress(OSError):
            return judge_space("database size", says, shutil.disk_usage(folder).free)
    return ok("database size", f"{says}; what is free there can't be seen from here")


def judge_space(name: str, says: str, free: int) -> Finding:
    """By the bytes that are left."""
    says = f"{says}, {for_people(free)} are free"
    fix = "make room on its disk, or give it a larger one"
    if free < NO_SPACE:
        return fail(name, says, fix)
    return warn(name, says, fix) if free < LITTLE_SPACE else ok(name, says)


def for_people(number: float) -> str:
    """`3.4 GB` of bytes."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if number < 1000:
            return f"{number:.3g} {unit}"
        number /= 1000
    return f"{number:.3g} TB"


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
