"""From a preview to a job that runs: who asks says why, and above a number or a sum a second person says yes.

A draft judges every item once, and keeps what it found: what it refuses is never done by this job, whatever happens
meanwhile; what it doesn't is judged again when its turn comes, and moves the sum that was counted for it, or none. So
nobody gets more than they have seen.

An operator at the server's command line needs no second person: they could write into the tables as well. What waits
for one in the admin waits for one there, too.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog
from django.conf import settings
from django.db import transaction
from django.utils import translation

from payments import money
from payments.actions import Action, Subject
from payments.models import Job, JobItem, Payment

log = structlog.get_logger(__name__)

AT_ONCE = 500


class NotAllowed(Exception):
    """It can't be done by this person or in this state; the text says why."""


@dataclass(frozen=True, kw_only=True)
class Preview:
    """What a job would do: `sums` {currency: minor units}, `refused` {why: how many}."""

    count: int
    sums: dict[str, int]
    refused: dict[str, int]
    needs_approval: bool


def draft(*, action: Action, subjects: Iterable[Subject], who: str, now: datetime, most: int | None = None) -> Job:
    """Judge each of these, and keep the outcome as a job that nobody has said yes to.

    `most`: judge no more once so many can be done; what is refused doesn't count.
    """
    with transaction.atomic():
        job = Job.objects.create(action=action.name, asked_by=who, total=0, created_at=now)
        sums: Counter[str] = Counter()
        batch: list[JobItem] = []
        can_be_done = 0
        for number, subject in enumerate(subjects, start=1):
            batch.append(_judge(job, number, action, subject, sums, now))
            job.total = number
            can_be_done += batch[-1].state == JobItem.State.WAITING
            if len(batch) == AT_ONCE:
                JobItem.objects.bulk_create(batch)
                batch = []
            if can_be_done == most:
                break
        JobItem.objects.bulk_create(batch)
        job.sums = dict(sums)
        job.save(update_fields=["total", "sums"])
    return job


def preview(job: Job) -> Preview:
    """What it would do, and to how many not and why."""
    refused = Counter(job.items.filter(state=JobItem.State.REFUSED).values_list("text", flat=True))
    count = job.total - sum(refused.values())
    return Preview(
        count=count, sums=job.sums, refused=dict(refused.most_common()), needs_approval=_is_large(count, job.sums)
    )


def confirm(
    *, job: Job, who: str, why: str, arguments: dict[str, Any], now: datetime, rate: int | None = None,
    by_operator: bool = False,
) -> Job:  # fmt: skip
    """Who has seen the preview says yes, and why. It runs, or waits for a second person. Raises `NotAllowed`.

    `by_operator`: at the server's command line, who needs nobody else.
    """
    if job.asked_by != who:
        raise NotAllowed("somebody else has begun this: begin your own")
    if not why.strip():
        raise NotAllowed("say why: it is kept with every change")
    seen = preview(job)
    state = Job.State.APPROVAL if seen.needs_approval and not by_operator else Job.State.RUNNING
    changed = Job.objects.filter(id=job.id, state=Job.State.DRAFT).update(
        state=state, reason=why.strip(), arguments=arguments, rate=rate
    )
    if not changed:
        raise NotAllowed("this is under way already")
    log.info("job asked for", job=job.id, action=job.action, count=seen.count, who=who, state=state)
    return _again(job)


def approve(*, job: Job, who: str, now: datetime) -> Job:
    """A second person says yes: it runs. Raises `NotAllowed`."""
    return _decide(job=job, who=who, now=now, to={"state": Job.State.RUNNING})


def reject(*, job: Job, who: str, now: datetime) -> Job:
    """A second person says no: nothing of it is ever done. Raises `NotAllowed`."""
    return _decide(job=job, who=who, now=now, to={"state": Job.State.REJECTED, "ended_at": now})


def stop(*, job: Job, who: str, now: datetime) -> bool:
    """Nothing more of it is begun. Returns whether it was running."""
    stopped = Job.objects.filter(id=job.id, state=Job.State.RUNNING).update(
        state=Job.State.STOPPED, stopped_by=who, stopped_at=now
    )
    if stopped:
        log.info("job stopped", job=job.id, who=who)
    return bool(stopped)


def go_on(*, job: Job, who: str, rate: int | None = None) -> bool:
    """What is left is done after all, at another rate if one is given. Returns whether it stood still."""
    slower_or_faster = {} if rate is None else {"rate": rate}
    resumed = Job.objects.filter(id=job.id, state=Job.State.STOPPED).update(
        state=Job.State.RUNNING, stopped_by="", stopped_at=None, **slower_or_faster
    )
    if resumed:
        log.info("job goes on", job=job.id, who=who)
    return bool(resumed)


def _judge(job: Job, number: int, action: Action, subject: Subject, sums: Counter[str], now: datetime) -> JobItem:
    about = {action.about: subject}
    with translation.override("en"):  # it is kept, and shown in the language of whoever reads it
        why_not = action.find_refusal(subject, now)
    if why_not:
        return JobItem(job=job, number=number, state=JobItem.State.REFUSED, text=why_not, at=now, **about)
    item = JobItem(job=job, number=number, **about)
    if action.takes and isinstance(subject, Payment):
        item.takes = action.takes(subject)
        sums[subject.currency] += item.takes
    return item


def _is_large(count: int, sums: dict[str, int]) -> bool:
    """Whether a second person must say yes. What is about one thing alone needs none."""
    if count < 2:
        return False
    if count > settings.APPROVAL_ABOVE_COUNT:
        return True
    most = settings.APPROVAL_ABOVE_SUM
    # Where sums have a limit, a currency that nobody has thought of has nothing to spend.
    return bool(most) and any(
        money.to_price(amount, currency=currency, unit="major") > most.get(currency, 0)
        for currency, amount in sums.items()
    )


def _decide(*, job: Job, who: str, now: datetime, to: dict[str, Any]) -> Job:
    if job.asked_by == who:
        raise NotAllowed("nobody approves what they asked for: another person must")
    waiting = Job.objects.filter(id=job.id, state=Job.State.APPROVAL)
    if not waiting.update(approved_by=who, approved_at=now, **to):
        raise NotAllowed("somebody has decided already")
    log.info("job decided", job=job.id, who=who, state=to["state"])
    return _again(job)


def _again(job: Job) -> Job:
    job.refresh_from_db()
    return job
