"""A job item by item: each is done and noted in one transaction, wherever the action changes rows alone.

So a worker that dies has done an item and noted it, or neither. One lease per job keeps two workers from standing in
each other's way; it saves work and holds nothing: an item is locked while it is done.
"""

import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from django.db import transaction
from django.db.models import Q

from payments import counters
from payments.actions import ACTIONS, Action, Did, Refused, Wish
from payments.charging import may_have_forgotten
from payments.models import Job, JobItem
from payments.notifications import NAMESPACE

log = structlog.get_logger(__name__)

# A message's work: short, so that whoever stops a worker doesn't wait for a job, and other messages get their turn.
SLICE = 10.0
# How many items are read together.
AT_ONCE = 100
# Seconds that a job with a rate makes up for, where something took longer.
CATCH_UP = 1.0
# Longer than a slice and what its last item may take at Stripe: two calls of 28 s at most.
LEASE = timedelta(seconds=120)


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far it has come. `waiting` of `total` are left."""

    total: int
    done: int
    refused: int
    waiting: int

    @property
    def ended(self) -> int:
        """What is over, one way or the other."""
        return self.done + self.refused


@dataclass(frozen=True, kw_only=True)
class Worked:
    """One slice: whether something is left to do now, and which payments are due."""

    is_left: bool
    due: tuple[uuid.UUID, ...]


def progress(job: Job) -> Progress:
    """Counted from its items."""
    done, waiting = (job.items.filter(state=state).count() for state in (JobItem.State.DONE, JobItem.State.WAITING))
    return Progress(total=job.total, done=done, waiting=waiting, refused=job.total - done - waiting)


class Metronome:
    """When a job's next item has its turn. Who works slice by slice keeps one: what passes between them is made up."""

    def __init__(self) -> None:
        self._turn = time.monotonic()

    def wait(self, rate: int | None) -> None:
        """Until the next turn, at so many a second; None: at once."""
        if not rate:
            return
        self._turn = max(self._turn + 1 / rate, time.monotonic() - CATCH_UP)
        time.sleep(max(0.0, self._turn - time.monotonic()))


def work(
    *, job_id: int, clock: Callable[[], datetime], seconds: float = SLICE, metronome: Metronome | None = None
) -> Worked:
    """Work on a job for so long, if it runs and nobody else does; on none while nobody knows what was forgotten."""
    if may_have_forgotten():
        return Worked(is_left=False, due=())
    free = Q(lease_until__isnull=True) | Q(lease_until__lte=clock())
    running = Job.objects.filter(id=job_id, state=Job.State.RUNNING)
    if not running.filter(free).update(lease_until=clock() + LEASE):
        return Worked(is_left=False, due=())
    job = Job.objects.get(id=job_id)
    due: list[uuid.UUID] = []
    try:
        for did in _items(job, clock, time.monotonic() + seconds, metronome or Metronome()):
            due += did.ring
    finally:
        Job.objects.filter(id=job_id).update(lease_until=None)
    is_left = job.items.filter(state=JobItem.State.WAITING).exists()
    if not is_left and running.update(state=Job.State.DONE, ended_at=clock()):
        log.info("job done", job=job_id, action=job.action)
    return Worked(is_left=is_left and running.exists(), due=tuple(due))


def _items(job: Job, clock: Callable[[], datetime], until: float, metronome: Metronome) -> Iterator[Did]:
    """Do one after the other, at the job's rate, until the time is up or somebody stops it."""
    action = ACTIONS[job.action]
    for item_id in _waiting(job):
        if time.monotonic() >= until or not Job.objects.filter(id=job.id, state=Job.State.RUNNING).exists():
            return
        outcome = _do(job, action, item_id, clock)
        if outcome is not None:
            counters.JOB_ITEMS.labels(job.action, _state_after(outcome).value).inc()
        if isinstance(outcome, Did):
            yield outcome
        metronome.wait(job.rate)


def _waiting(job: Job) -> Iterator[int]:
    """The ids of what is left, in order, some at a time: a slice comes to few of what may be a million."""
    left, last = job.items.filter(state=JobItem.State.WAITING).order_by("number"), 0
    while found := list(left.filter(number__gt=last).values_list("id", "number")[:AT_ONCE]):
        for item_id, last in found:  # noqa: B007 - where the next ones begin
            yield item_id


def _do(job: Job, action: Action, item_id: int, clock: Callable[[], datetime]) -> Did | Refused | None:
    """Do one item, unless it is done; None: somebody else has it."""
    if not action.in_transaction:
        item = JobItem.objects.filter(id=item_id, state=JobItem.State.WAITING).first()
        if item is None:
            return None
        outcome = action.act(_wish(job, item, clock()))
        _note(item, outcome, clock())
        return outcome
    with transaction.atomic():
        locked = JobItem.objects.select_for_update(skip_locked=True)
        item = locked.filter(id=item_id, state=JobItem.State.WAITING).first()
        if item is None:
            return None
        outcome = action.act(_wish(job, item, clock()))
        _note(item, outcome, clock())
        return outcome


def _wish(job: Job, item: JobItem, now: datetime) -> Wish:
    subject = item.payment_id or item.record_id or item.broken_id
    assert subject is not None  # noqa: S101 -- a constraint says so
    # Ids of rows are given anew after a restore, so that the id alone could be that of a job that was forgotten.
    name = f"job/{job.id}/{job.created_at.isoformat()}/{subject}"
    return Wish(
        id=uuid.uuid5(NAMESPACE, name), subject=subject, who=job.asked_by, why=job.reason, now=now,
        arguments=job.arguments, seen=item.takes,
    )  # fmt: skip


def _note(item: JobItem, outcome: Did | Refused, now: datetime) -> None:
    waiting = JobItem.objects.filter(id=item.id, state=JobItem.State.WAITING)
    waiting.update(state=_state_after(outcome), text=outcome.text, at=now)


def _state_after(outcome: Did | Refused) -> JobItem.State:
    return JobItem.State.DONE if isinstance(outcome, Did) else JobItem.State.REFUSED
