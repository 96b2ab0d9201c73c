"""A statement from being asked for to its sums: one at a time, in steps that can be repeated.

Must never happen: sums of half a month. Stripe's list is read to its end first; until then the statement of the time
before stays as it is.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

import structlog
from django.db import connection

from payments.gateway import LARGEST_PAGE, Gateway
from payments.models import Pause, Statement
from payments.reconcile import Books, Interrupted
from payments.statement.compare import movements, other_lines
from payments.statement.month import Month, month_of
from payments.statement.read import ask_for_missing, read_month
from payments.statement.sums import add_up

log = structlog.get_logger(__name__)

# Who asks for those that nobody asks for.
SCHEDULE = "schedule"
# What is new may still be under way between Stripe and our rows.
SETTLES_WITHIN = timedelta(minutes=5)
# After a month's end, before its statement is made: by then what was unknown at midnight is settled.
MADE_AFTER = timedelta(hours=6)
# One that was left for longer begins anew: what it would go on with is of another day.
STALE = timedelta(days=1)
TRY_AGAIN_AFTER = timedelta(minutes=5)
# Below the broker's visibility time-out (600 s), with room for adding up.
LONGEST_TASK = timedelta(minutes=4)

# Session-level advisory lock: whoever holds it makes statements. The number is arbitrary and fixed.
LOCK = 7_243_014


class Busy(Exception):
    """Another statement is being made."""


class TooEarly(Exception):
    """Nothing of that month is over yet."""


def ask(*, month: Month, who: str, now: datetime) -> Statement:
    """Have the month's statement made, or made anew; one that is under way goes on. Raises `TooEarly`."""
    until_at = min(month.end_at, now - SETTLES_WITHIN)
    if until_at <= month.from_at:
        raise TooEarly(f"{month} has not begun (months are those of UTC)")
    anew = {
        "asked_by": who, "until_at": until_at, "cursor": "", "lines": 0, "began_at": now, "due_at": now,
        "ended_at": None, "problem": "",
    }  # fmt: skip
    statement, made = Statement.objects.get_or_create(month=month.first, defaults=anew)
    under_way = statement.ended_at is None and statement.began_at > now - STALE
    if not made and not under_way:
        Statement.objects.filter(pk=statement.pk, began_at=statement.began_at).update(**anew)
    elif not made:
        Statement.objects.filter(pk=statement.pk, ended_at__isnull=True).update(due_at=now)
    statement.refresh_from_db()
    return statement


def make(
    *,
    statement: Statement,
    gateway: Gateway,
    clock: Callable[[], datetime],
    page_size: int = LARGEST_PAGE,
    give_up_at: datetime | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> None:
    """Bring it to its end. Raises `Busy`, or `Interrupted`: then the next call goes on where this one was."""
    books = Books(gateway=gateway, clock=clock, page_size=page_size, give_up_at=give_up_at)
    with _alone():
        statement.refresh_from_db()
        if statement.ended_at:
            return
        try:
            statement.account_id = books.account()
            statement.save(update_fields=["account_id"])
            read_month(statement=statement, books=books, say=say)
            ask_for_missing(statement=statement, books=books, say=say)
        except Interrupted as interrupted:
            now = clock()
            statement.due_at = now if books.is_time else now + TRY_AGAIN_AFTER
            statement.problem = "" if books.is_time else str(interrupted)
            statement.save(update_fields=["due_at", "problem"])
            raise
        _end(statement, now=clock())


def make_by_schedule(*, gateway: Gateway, clock: Callable[[], datetime]) -> Statement | None:
    """What beat asks for: whatever was asked for and is due, then last month's. None: there is nothing to do."""
    now = clock()
    if Pause.objects.filter(cause__in=(Pause.Cause.KEY, Pause.Cause.OUTAGE), ended_at__isnull=True).exists():
        return None
    statement = Statement.objects.filter(due_at__lte=now).order_by("due_at").first() or _last_month(now)
    if statement is None:
        return None
    try:
        make(statement=statement, gateway=gateway, clock=clock, give_up_at=now + LONGEST_TASK)
    except Busy:
        return None
    except Interrupted as interrupted:
        log.warning("statement interrupted", why=str(interrupted), month=str(statement))
    return statement


def _last_month(now: datetime) -> Statement | None:
    """Asked for once, when it is over; one of before the month's end doesn't count."""
    month = month_of(now - MADE_AFTER).before()
    known = Statement.objects.filter(month=month.first).first()
    if known and (known.until_at >= month.end_at or known.ended_at is None):
        return None
    return ask(month=month, who=SCHEDULE, now=now)


def _end(statement: Statement, *, now: datetime) -> None:
    month = Month(first=statement.month)
    from_at, until_at = month.from_at, statement.until_at
    found = movements(from_at=from_at, until_at=until_at, account=statement.account_id)
    others = other_lines(from_at=from_at, until_at=until_at).iterator()
    statement.result = add_up(found, others, month=str(month), from_at=from_at, until_at=until_at, now=now)
    statement.ended_at, statement.due_at, statement.problem = now, None, ""
    statement.save(update_fields=["result", "ended_at", "due_at", "problem"])
    count = statement.result["differenceCount"]
    (log.warning if count else log.info)("statement made", month=str(month), count=count)


@contextmanager
def _alone() -> Iterator[None]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [LOCK])
        row = cursor.fetchone()
    if not (row and row[0]):
        raise Busy("another statement is being made: wait for its end")
    try:
        yield
    finally:
        # Where the connection is gone, so is the lock.
        if connection.is_usable():
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [LOCK])
