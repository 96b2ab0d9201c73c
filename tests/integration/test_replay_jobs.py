"""`manage.py replay_failed --job`: stopped, shown, gone on with, from the terminal and from the admin."""

import os
import signal
from datetime import UTC, datetime, timedelta
from io import StringIO, TextIOWrapper
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.core.management.base import OutputWrapper

from payments import jobs, limits
from payments.gateway import Gateway
from payments.management.commands import replay_failed
from payments.management.progress import Show
from payments.models import Job, JobItem, Payment, Transition
from tests.conftest import Clock
from tests.integration.desk import AIDA, BULAT, ask, draft, fail_many
from tests.integration.test_replay_failed import run

pytestmark = pytest.mark.django_db


@pytest.fixture
def payments(stripe_gateway: Gateway, clock: Clock) -> list[Payment]:
    """Four that failed just now."""
    clock.now = datetime.now(UTC)
    limits.connect_redis().flushdb()
    return fail_many(4, stripe_gateway, clock)


def test_what_was_previewed_is_what_is_done(payments: list[Payment], stripe_gateway: Gateway, clock: Clock) -> None:
    """Nobody gets more than they have seen: what fails meanwhile isn't in it."""
    printed, code = run()
    number = Job.objects.get().id
    assert code == 0
    assert printed.endswith(f"within a day: manage.py replay_failed --job {number} --reason … --yes\n")
    Payment.objects.filter(id=payments[0].id).update(kind="hard")
    printed, code = run("--job", str(number), "--reason", "bank was down", "--yes")
    assert (code, f"Job {number} is done: 3 of 4 are tried again, 1 refused." in printed) == (3, True)
    assert set(Transition.objects.filter(who="staff: command line").values_list("why", flat=True)) == {"bank was down"}


def test_a_job_that_was_stopped_in_the_admin_goes_on_here(payments: list[Payment], clock: Clock) -> None:
    """It stays the job of who asked for it, under its reason; what is done stays done."""
    job = ask("retry", payments, clock)
    jobs.work(job_id=job.id, clock=clock, seconds=0)
    jobs.stop(job=job, who=AIDA, now=clock())
    printed, code = run("--job", str(job.id))
    assert (code, printed.splitlines()[:2]) == (
        0,
        [
            f"Job {job.id} is stopped by {AIDA}: 0 of 4 are tried again, 0 refused, 4 are left.",
            f"Asked for by {AIDA}: agreed by phone",
        ],
    )
    assert printed.endswith(f"To go on: manage.py replay_failed --job {job.id} --yes\n")
    printed, code = run("--job", str(job.id), "--rate", "100", "--yes")
    job.refresh_from_db()
    assert (code, job.state, job.rate) == (0, "done", 100)
    assert "Those that are tried again are now: 4 pending." in printed
    steps = Transition.objects.filter(from_status="failed", to_status="pending")
    assert set(steps.values_list("who", "why")) == {(AIDA, "agreed by phone")}


@pytest.mark.parametrize("state", ["approval", "done", "rejected"])
def test_what_waits_for_a_second_person_or_is_over_does_not_begin_here(
    payments: list[Payment], clock: Clock, settings: Any, state: str
) -> None:
    """Four eyes in the admin stay four eyes."""
    settings.APPROVAL_ABOVE_COUNT = 1
    job = ask("retry", payments, clock)
    over = {} if state == "approval" else {"ended_at": clock()}
    Job.objects.filter(id=job.id).update(state=state, **over)
    with pytest.raises(CommandError, match=f"job {job.id} is .*: nothing can be done with it here"):
        run("--job", str(job.id), "--yes", "--reason", "in a hurry")
    assert not JobItem.objects.exclude(state="waiting").exists()


def test_the_preview_of_somebody_else_and_other_jobs_are_refused(payments: list[Payment], clock: Clock) -> None:
    """Who says yes has seen it."""
    seen = draft("retry", payments, clock)
    with pytest.raises(CommandError, match="somebody else has begun this"):
        run("--job", str(seen.id), "--yes", "--reason", "me too")
    other = draft("close", payments, clock)
    with pytest.raises(CommandError, match=f"job {other.id} is another one: Close. See it in the admin."):
        run("--job", str(other.id))


def test_where_all_are_refused_nothing_is_begun(payments: list[Payment]) -> None:
    """Exit code 1."""
    Payment.objects.update(kind="hard")
    printed, code = run("--yes", "--reason", "bank was down")
    assert (code, printed.endswith("Nothing is tried again.\n")) == (1, True)
    assert Job.objects.get().state == "draft"


def test_on_a_terminal_a_bar_shows_how_far_it_is(payments: list[Payment], monkeypatch: pytest.MonkeyPatch) -> None:
    """A real terminal: on any other stream it is lines, or nothing where it is over in a moment."""
    monkeypatch.setenv("TERM", "xterm")
    ours, theirs = os.openpty()
    with TextIOWrapper(os.fdopen(theirs, "wb"), write_through=True) as terminal:
        call_command("replay_failed", "--yes", "--reason", "x", stdout=StringIO(), stderr=terminal)
    shown = os.read(ours, 100_000).decode()
    os.close(ours)
    assert "Judged" in shown
    assert "4/4" in shown


def test_elsewhere_a_line_is_written_now_and_then() -> None:
    """Not one for each thing: it goes into a log."""
    moments = iter([0.0, 1.0, 6.0, 6.0, 7.0])
    out = StringIO()
    with Show(OutputWrapper(out), what="Judged", total=9, clock=lambda: next(moments)) as show:
        assert list(show.each("abc")) == ["a", "b", "c"]
    assert out.getvalue() == "Judged: 2 of 9\n"


def test_a_job_that_a_worker_has_is_looked_on_until_it_is_over(
    payments: list[Payment], clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is under way already: nobody does an item twice, and who waits takes over when the lease has run out."""
    monkeypatch.setattr(replay_failed, "SLICE", 0.02)
    job = ask("retry", payments, clock)
    assert f"To see it to its end: manage.py replay_failed --job {job.id} --yes\n" in run("--job", str(job.id))[0]
    Job.objects.filter(id=job.id).update(lease_until=datetime.now(UTC) + timedelta(seconds=0.1))
    printed, code = run("--job", str(job.id), "--yes")
    assert (code, f"Job {job.id} is done: 4 of 4 are tried again" in printed) == (0, True)
    assert Transition.objects.filter(from_status="failed", to_status="pending").count() == 4


class Hasty(StringIO):
    """Somebody who sees what would be done, and presses Ctrl-C."""

    def write(self, text: str, /) -> int:
        """As a terminal does it."""
        if "would be tried again" in text:
            signal.raise_signal(signal.SIGINT)
        return super().write(text)


def test_ctrl_c_stops_the_job_and_says_how_to_go_on(payments: list[Payment]) -> None:
    """Exit code 130; what waits stays as it is, and nobody else goes on with it."""
    out = Hasty()
    with pytest.raises(SystemExit) as ended:
        call_command("replay_failed", "--yes", "--reason", "bank was down", stdout=out, stderr=StringIO())
    job = Job.objects.get()
    assert (ended.value.code, job.state, job.stopped_by) == (130, "stopped", "staff: command line")
    assert out.getvalue().endswith(f"To go on: manage.py replay_failed --job {job.id} --yes\n")
    assert set(JobItem.objects.values_list("state", flat=True)) == {"waiting"}
    assert not Transition.objects.filter(to_status="pending", from_status="failed").exists()


@pytest.mark.parametrize(
    ("state", "says"), [("approval", "waits in the admin for a second person"), ("rejected", "rejected")]
)
def test_what_can_not_be_gone_on_with_here_is_shown_without_a_command_for_it(
    payments: list[Payment], clock: Clock, settings: Any, state: str, says: str
) -> None:
    """Whoever copied it would be refused."""
    settings.APPROVAL_ABOVE_COUNT = 1
    job = ask("retry", payments, clock)
    if state == "rejected":
        jobs.reject(job=job, who=BULAT, now=clock())
    printed, code = run("--job", str(job.id))
    assert (code, printed.splitlines()[0]) == (
        0, f"Job {job.id} is {says}: 0 of 4 are tried again, 0 refused, 4 are left.",
    )  # fmt: skip
    assert "manage.py" not in printed
