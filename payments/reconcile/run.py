"""One comparison over a window of time, phase by phase, from its cursor to its end.

Two at once are refused by a lock that lives and dies with this process's connection. A run that is interrupted, by
Stripe, by its time or by a kill, goes on where it was: each page is repeatable.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog
from django.db import connection

from payments.gateway import LARGEST_PAGE, Gateway
from payments.models import Break, Pause, Reconciliation
from payments.reconcile.abandoned import cancel_abandoned
from payments.reconcile.adopt import adopt_all, check_from, resume
from payments.reconcile.books import Books, Interrupted
from payments.reconcile.charges import compare_charges
from payments.reconcile.course import Course
from payments.reconcile.open_breaks import compare_open_breaks
from payments.reconcile.returned import note_disputes, note_refunds

log = structlog.get_logger(__name__)

# Who asks for the runs that nobody asks for.
SCHEDULE = "schedule"
EVERY = timedelta(minutes=10)
# What is new may still be under way between Stripe and our rows.
SETTLES_WITHIN = timedelta(minutes=5)
# Windows overlap: an object may be listed late, and a charge succeed after it was made.
OVERLAP = timedelta(hours=1)
FIRST_WINDOW = timedelta(hours=24)
# Below the broker's visibility time-out (600 s), after which the task would be delivered again.
LONGEST_TASK = timedelta(minutes=4)

# Session-level advisory lock: whoever holds it reconciles. The number is arbitrary and fixed.
LOCK = 7_243_002

PHASES: dict[str, Callable[[Course], None]] = {
    "charges": compare_charges,
    "refunds": note_refunds,
    "disputes": note_disputes,
    "intents": cancel_abandoned,
    "breaks": compare_open_breaks,
}
ADOPTION: dict[str, Callable[[Course], None]] = {
    "adoption": adopt_all,
    "refunds": note_refunds,
    "breaks": compare_open_breaks,
    "resume": resume,
}


class Busy(Exception):
    """Another run is under way."""


@dataclass(frozen=True, kw_only=True)
class Result:
    """What a call came to. `interrupted`: why it isn't done yet; empty: it is."""

    runs: list[Reconciliation] = field(default_factory=list)
    interrupted: str = ""

    @property
    def counts(self) -> dict[str, int]:
        """Sums over the runs."""
        sums: dict[str, int] = {}
        for run in self.runs:
            for name, count in run.counts.items():
                sums[name] = sums.get(name, 0) + count
        return sums


def reconcile(
    *,
    from_at: datetime,
    until_at: datetime,
    asked_by: str,
    gateway: Gateway,
    clock: Callable[[], datetime],
    adopt: bool = False,
    cancel_missing: bool = False,
    page_size: int = LARGEST_PAGE,
    give_up_at: datetime | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> Result:
    """Compare [from_at, until_at) both ways; first finish what the same asker's last run left.

    `adopt`: instead bind again what the database has forgotten, and resume charging. Raises `Busy`, `TooLate`.
    """
    if adopt:
        check_from(from_at=from_at, now=clock())
    books = Books(gateway=gateway, clock=clock, page_size=page_size, give_up_at=give_up_at)
    runs: list[Reconciliation] = []
    with _alone():
        try:
            for run in _windows(from_at, until_at, asked_by, adopt=adopt, now=clock()):
                runs.append(run)
                _go_on(Course(run=run, books=books, clock=clock, say=say, cancel_missing=cancel_missing))
        except Interrupted as interrupted:
            log.warning("reconciliation interrupted", why=str(interrupted), kind=runs[-1].cursor)
            return Result(runs=runs, interrupted=str(interrupted))
    return Result(runs=runs)


def reconcile_by_schedule(*, gateway: Gateway, clock: Callable[[], datetime]) -> Result | None:
    """What beat asks for each minute: the next window, if it is time for it. None: it isn't."""
    now = clock()
    last = Reconciliation.objects.filter(asked_by=SCHEDULE, adopt=False, ended_at__isnull=False).order_by("-id").first()
    if last and last.began_at > now - EVERY:
        return None
    if Pause.objects.filter(cause__in=(Pause.Cause.KEY, Pause.Cause.OUTAGE), ended_at__isnull=True).exists():
        return None
    from_at = last.until_at - OVERLAP if last else now - FIRST_WINDOW
    try:
        return reconcile(
            from_at=from_at, until_at=now - SETTLES_WITHIN, asked_by=SCHEDULE, gateway=gateway, clock=clock,
            give_up_at=now + LONGEST_TASK,
        )  # fmt: skip
    except Busy:
        return None


def open_breaks() -> list[Break]:
    """What does not agree, oldest first."""
    return list(Break.objects.filter(closed_at__isnull=True).order_by("found_at", "id"))


def _windows(
    from_at: datetime, until_at: datetime, asked_by: str, *, adopt: bool, now: datetime
) -> Iterator[Reconciliation]:
    """The interrupted run that covers the window's beginning, if there is one, and then the rest."""
    unfinished = Reconciliation.objects.filter(asked_by=asked_by, adopt=False, ended_at__isnull=True)
    covers = unfinished.filter(from_at__lte=from_at, until_at__gt=from_at, until_at__lte=until_at)
    left = covers.order_by("-id").first()
    # An adoption begins anew: what it has gathered from Stripe's list is gone.
    if left and not adopt:
        yield left
        from_at = left.until_at
    if from_at < until_at:
        yield Reconciliation.objects.create(
            asked_by=asked_by, adopt=adopt, from_at=from_at, until_at=until_at, began_at=now
        )


def _go_on(course: Course) -> None:
    phases = ADOPTION if course.run.adopt else PHASES
    names = list(phases)
    at = course.phase
    for name in names[names.index(at) if at in names else 0 :]:
        if name != at:
            course.begin(name)
        phases[name](course)
    course.end()


@contextmanager
def _alone() -> Iterator[None]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [LOCK])
        row = cursor.fetchone()
    if not (row and row[0]):
        raise Busy("another reconciliation is under way: wait for its end")
    try:
        yield
    finally:
        # Where the connection is gone, so is the lock.
        if connection.is_usable():
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [LOCK])
