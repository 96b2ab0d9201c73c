"""Celery's view of a job: ring, work, sweep. A message carries an id alone, and losing it costs seconds."""

from datetime import UTC, datetime, timedelta
from typing import Any

import redis
import structlog
from celery import shared_task
from django.db.models import Q
from kombu.exceptions import OperationalError

from payments import tasks
from payments.jobs.work import work
from payments.limits import BACKLOG_QUEUE, CHARGE_QUEUE
from payments.models import Job

log = structlog.get_logger(__name__)

# Nobody has confirmed it by then.
DRAFTS_LIVE = timedelta(days=1)

# A message that is older is of no use: the sweep has rung again.
EXPIRES = 10


def ring(*, job: Job) -> bool:
    """Have a worker begin: at once with one thing, which a person waits for; after live payments with many."""
    queue = CHARGE_QUEUE if job.total == 1 else BACKLOG_QUEUE
    try:
        work_on.apply_async(kwargs={"job_id": job.id}, queue=queue, retry=False, expires=EXPIRES)
    except (OperationalError, redis.RedisError, OSError) as error:
        log.warning("doorbell failed, the sweep will ring", error=type(error).__name__)
        return False
    return True


@shared_task(name="payments.work_on")
def work_on(*, job_id: int, **_: Any) -> None:
    """Work on a job for a while, and ring for the rest."""
    worked = work(job_id=job_id, clock=_now)
    job = Job.objects.get(id=job_id)
    tasks.ring(payment_ids=worked.due, fresh=job.total == 1)
    if worked.is_left:
        ring(job=job)


@shared_task(name="payments.sweep_jobs")
def sweep_jobs(**_: Any) -> None:
    """Ring for jobs that run and that nobody works on; previews that nobody confirmed are thrown away."""
    now = _now()
    free = Q(lease_until__isnull=True) | Q(lease_until__lte=now)
    for job in Job.objects.filter(free, state=Job.State.RUNNING).order_by("id"):
        ring(job=job)
    Job.objects.filter(state=Job.State.DRAFT, created_at__lt=now - DRAFTS_LIVE).delete()


def _now() -> datetime:
    return datetime.now(UTC)
