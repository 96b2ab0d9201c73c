"""`manage.py replay_failed`: try failed payments again, as a job that can be stopped and gone on with."""

import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.db import transaction

from payments import charging, jobs, staff_log, tasks
from payments.actions import ACTIONS, title
from payments.management import replaying
from payments.management.choosing import add_filters, choose, has_filters
from payments.management.progress import Show
from payments.management.terminal import (
    NOTHING,
    STOPPED,
    WHO,
    AnsweringCommand,
    add_acting,
    add_json,
    heeding_ctrl_c,
    judge,
    read_count,
    wants_to_act,
)
from payments.models import Job

ACTION = ACTIONS["retry"]

FORGOTTEN = "the database was restored, and Stripe may have charged them since: run manage.py reconcile --adopt first"

# A slice of work: as long as a person waits between Ctrl-C and the answer.
SLICE = 0.5


class Command(AnsweringCommand):
    """A dry run unless `--yes`. It works on the job itself, so that it needs no worker; if it dies, workers go on."""

    help = (
        "Try failed payments again, after live ones. A dry run unless --yes: it says what would be tried again, by "
        "class of failure, and who is refused and why. What it begins is a job like those of the admin: Ctrl-C stops "
        "it, and --job goes on with it."
    )
    examples = """
manage.py replay_failed --since 2h --code insufficient_funds
manage.py replay_failed --since 2h --fault issuer --kind soft --limit 100 --reason "bank was down" --yes
manage.py replay_failed --currency KZT --min-amount 100 --max-amount 5000 --rate 5 --reason "bank was down" --yes
manage.py replay_failed --ids failed.txt --json | jq .refusals
manage.py replay_failed --job 12                  how it stands, and how its payments ended
manage.py replay_failed --job 12 --yes            go on with it
"""

    def add_arguments(self, parser: CommandParser) -> None:
        """Which payments, how fast, and whether to act."""
        add_filters(parser)
        parser.add_argument("--limit", type=read_count, help="try so many again at most, the oldest failure first")
        parser.add_argument("--rate", type=read_count, help="so many a second at most")
        parser.add_argument("--job", type=read_count, metavar="N", help="show this job; with --yes go on with it")
        add_acting(parser)
        add_json(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """The preview, then the work, then the result."""
        if options["job"] is None:
            wants_to_act(options)
        elif has_filters(options) or options["limit"]:
            raise CommandError("a job has its payments: --job goes without what chooses others")
        job = self._draft(options) if options["job"] is None else _find(options["job"])
        if job is None:
            nothing = "No failed payment matches."
            self.answer(options, document={"job": None, "total": 0, "text": nothing}, lines=[nothing], code=NOTHING)
        elif not options["yes"]:
            self._show(options, job)
        else:
            self._act(options, job)

    def _draft(self, options: dict[str, Any]) -> Job | None:
        """Judge all that is chosen. What is cut off here leaves nothing behind."""
        chosen = choose(options)
        if not chosen.count:
            return None
        try:
            # What a limit leaves unread is closed before the end of the transaction, with which its cursor is gone.
            with (
                Show(self.stderr, what="Judged", total=chosen.count) as show,
                transaction.atomic(), closing(chosen.payments),
            ):  # fmt: skip
                return jobs.draft(
                    action=ACTION, subjects=show.each(chosen.payments), who=WHO, now=_now(), most=options["limit"]
                )
        except KeyboardInterrupt:
            raise CommandError("stopped before anything was changed", returncode=STOPPED) from None

    def _show(self, options: dict[str, Any], job: Job) -> None:
        is_preview = job.state == Job.State.DRAFT
        seen = jobs.preview(job)
        code = judge(done=seen.count, refused=job.total - seen.count) if is_preview else 0
        self.answer(
            options, document=replaying.as_document(job, now=_now()), lines=self._lines(job, preview=is_preview),
            code=code,
        )  # fmt: skip

    def _lines(self, job: Job, *, preview: bool) -> Iterator[str]:
        yield from replaying.say_preview(job) if preview else replaying.say_progress(job)
        yield from replaying.warn(now=_now())
        if preview:
            yield "Nothing was changed. Add --yes to act."
        if (line := replaying.say_how_to_go_on(job)) and not (preview and jobs.preview(job).count == 0):
            yield line

    def _act(self, options: dict[str, Any], job: Job) -> None:
        if charging.may_have_forgotten():
            raise CommandError(f"{FORGOTTEN}. {replaying.say_how_to_go_on(job)}".rstrip())
        with heeding_ctrl_c() as ctrl_c:
            self._begin(options, job)
            if job.state == Job.State.RUNNING:
                self._work(job, ctrl_c)
        at = jobs.progress(job)
        code = judge(done=at.done, refused=at.refused + at.waiting)
        if ctrl_c.is_set() and at.waiting:
            code = STOPPED
        document = replaying.as_document(job, now=_now())
        self.answer(options, document=document, lines=self._lines(job, preview=False), code=code)

    def _begin(self, options: dict[str, Any], job: Job) -> None:
        """Say yes to a preview, having shown it; or go on with what stands still."""
        match job.state:
            case Job.State.DRAFT:
                wants_to_act(options)
                for line in replaying.say_preview(job):
                    (self.stderr if options["json"] else self.stdout).write(line)
                if not jobs.preview(job).count:
                    self.answer(
                        options, document=replaying.as_document(job, now=_now()), lines=["Nothing is tried again."],
                        code=NOTHING,
                    )  # fmt: skip
                _confirm(job, options)
            case Job.State.STOPPED:
                jobs.go_on(job=job, who=WHO, rate=options["rate"])
            case Job.State.RUNNING:
                pass
            case state:
                raise CommandError(f"job {job.pk} is {replaying.STATES[state]}: nothing can be done with it here")
        job.refresh_from_db()

    def _work(self, job: Job, ctrl_c: threading.Event) -> None:
        """Until nothing is left, or somebody stops it. While a worker has it, this only looks on."""
        metronome = jobs.Metronome()
        with Show(self.stderr, what="Tried again", total=job.total) as show:
            # It stands still after a restore, perhaps for long.
            while job.state == Job.State.RUNNING and not ctrl_c.is_set() and not charging.may_have_forgotten():
                before = jobs.progress(job)
                worked = jobs.work(job_id=job.pk, clock=_now, seconds=SLICE, metronome=metronome)
                tasks.ring(payment_ids=worked.due, fresh=False)
                at = jobs.progress(job)
                show.at(at.ended)
                if at == before:
                    ctrl_c.wait(SLICE)
                job.refresh_from_db()
            if ctrl_c.is_set():
                jobs.stop(job=job, who=WHO, now=_now())
                job.refresh_from_db()


def _find(number: int) -> Job:
    job = Job.objects.filter(id=number).first()
    if job is None:
        raise CommandError(f"there is no job {number}; a preview is thrown away after a day")
    if job.action != ACTION.name:
        raise CommandError(f"job {number} is another one: {title(job.action)}. See it in the admin.")
    return job


def _confirm(job: Job, options: dict[str, Any]) -> None:
    try:
        with transaction.atomic():
            jobs.confirm(
                job=job, who=WHO, why=options["reason"], arguments={}, now=_now(), rate=options["rate"],
                by_operator=True,
            )  # fmt: skip
            details = {"job": job.pk, "action": job.action, "count": job.total}
            staff_log.note(who=WHO, what="acted", details=details, now=_now())
    except jobs.NotAllowed as refused:
        raise CommandError(f"job {job.pk}: {refused}") from None


def _now() -> datetime:
    return datetime.now(UTC)
