"""A job of trying again, in words for a terminal and as a document for scripts."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from payments import jobs, metrics, money
from payments.models import Job, Pause

# On a screen; a document and the job's page in the admin have all of them.
NAMED = 3

STATES = {
    "draft": "a preview that nobody has said yes to",
    "approval": "waits in the admin for a second person",
    "running": "under way",
    "stopped": "stopped",
    "done": "done",
    "rejected": "rejected",
}


def as_document(job: Job, *, now: datetime) -> dict[str, Any]:
    """All that is known of it. Amounts in major units; `classes` are those of the preview, empty once it has begun."""
    at = jobs.progress(job)
    classes = jobs.find_classes(job) if job.state == Job.State.DRAFT else []
    return {
        "job": job.pk, "state": job.state, "asked_by": job.asked_by, "reason": job.reason, "rate": job.rate,
        "total": at.total, "done": at.done, "refused": at.refused, "waiting": at.waiting,
        "sums": {currency: _price(amount, currency) for currency, amount in sorted(job.sums.items())},
        "classes": [
            {"fault": one.fault, "kind": one.kind, "code": one.code, "currency": one.currency, "count": one.count,
             "amount": _price(one.amount, one.currency)}
            for one in classes
        ],
        "refusals": [
            {"why": one.why, "count": len(one.payments), "payments": list(one.payments)}
            for one in jobs.find_refusals(job)
        ],
        "outcomes": jobs.find_outcomes(job), "warnings": list(warn(now=now)),
    }  # fmt: skip


def say_preview(job: Job) -> Iterator[str]:
    """What would be done, by class, and to whom not and why."""
    seen = jobs.preview(job)
    total = ", ".join(money.for_people(amount, currency=currency) for currency, amount in sorted(job.sums.items()))
    yield f"{seen.count} would be tried again" + (f" for {total}." if total else ".")
    for one in jobs.find_classes(job):
        amount = money.for_people(one.amount, currency=one.currency)
        yield f"  {one.count:>6}  {one.fault}/{one.kind}/{one.code or '-'}  {amount}"
    yield from _say_refusals(job)


def say_progress(job: Job) -> Iterator[str]:
    """How it stands: of a job that has begun."""
    at = jobs.progress(job)
    by = f" by {job.stopped_by}" if job.stopped_by else ""
    left = f", {at.waiting} are left" if at.waiting else ""
    done = f"{at.done} of {at.total} are tried again, {at.refused} refused{left}."
    yield f"Job {job.pk} is {STATES[job.state]}{by}: {done}"
    yield f"Asked for by {job.asked_by}: {job.reason}"
    yield from _say_refusals(job)
    outcomes = jobs.find_outcomes(job)
    if outcomes:
        how = ", ".join(f"{count} {status}" for status, count in outcomes.items())
        yield f"Those that are tried again are now: {how}."


def say_how_to_go_on(job: Job) -> str:
    """The line to type; empty where there is nothing to go on with."""
    command = f"manage.py replay_failed --job {job.pk}"
    match job.state:
        case Job.State.DRAFT:
            return f"To do exactly this, within a day: {command} --reason … --yes"
        case Job.State.STOPPED:
            return f"To go on: {command} --yes"
        case Job.State.RUNNING:
            return f"To see it to its end: {command} --yes"
        case Job.State.DONE:
            return f"They are charged after live payments. How they end: {command}"
        case _:
            return ""


def warn(*, now: datetime) -> Iterator[str]:
    """What keeps payments that are due from being charged."""
    for pause in Pause.objects.filter(ended_at__isnull=True).order_by("began_at"):
        yield f"Charging is paused, so that nothing is charged yet: {pause.reason}"
    running = {one.process: one.there for one in metrics.who_runs(now=now)}
    for process in ("worker", "beat"):
        if not running[process]:
            yield f"No {process} is seen to run: what is tried again is charged once one does."


def _say_refusals(job: Job) -> Iterator[str]:
    for one in jobs.find_refusals(job):
        named = ", ".join(str(payment) for payment in one.payments[:NAMED])
        more = " …" if len(one.payments) > NAMED else ""
        yield f"{len(one.payments)} refused: {one.why}. ({named}{more})"


def _price(amount: int, currency: str) -> str:
    return str(money.to_price(amount, currency=currency, unit="major"))
