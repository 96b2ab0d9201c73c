"""Jobs in parts: drafts of many, slices that ring for the rest, and items that somebody else has done meanwhile."""

import importlib
from datetime import UTC, datetime
from typing import Any

import pytest

from billing_project.dev.simulator import Simulator
from payments import jobs, limits
from payments.actions import ACTIONS
from payments.gateway import Gateway
from payments.jobs import ask as ask_module
from payments.jobs import tasks
from payments.jobs.work import _do, work
from payments.models import JobItem, Transition
from tests.conftest import Clock
from tests.integration.desk import AIDA, ask, draft, fail_many, finish, settle_one

# The package exports the function under the module's name.
working = importlib.import_module("payments.jobs.work")

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("count", [4, 5])
def test_a_draft_of_many_is_written_part_by_part(
    stripe_gateway: Gateway, clock: Clock, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    """Each item once, whether the last part is a whole one or not."""
    monkeypatch.setattr(ask_module, "AT_ONCE", 2)
    payments = fail_many(count, stripe_gateway, clock)
    job = draft("retry", payments, clock)
    assert (job.total, job.sums) == (count, {"KZT": count * 10_000})
    items = JobItem.objects.order_by("number").values_list("number", "payment")
    assert list(items) == [(number, one.id) for number, one in enumerate(payments, start=1)]


def test_a_job_goes_on_once(stripe_gateway: Gateway, clock: Clock) -> None:
    """Of two who say so at once the second is told that it doesn't stand still any more; nor does one that is over."""
    job = ask("retry", fail_many(1, stripe_gateway, clock), clock)
    assert jobs.stop(job=job, who=AIDA, now=clock())
    assert jobs.go_on(job=job, who=AIDA, rate=5)
    assert not jobs.go_on(job=job, who=AIDA, rate=9)
    finish(job, clock)
    assert not jobs.go_on(job=job, who=AIDA)
    assert (job.state, job.rate) == ("done", 5)


def test_an_item_that_somebody_else_has_done_meanwhile_is_passed_over(stripe_gateway: Gateway, clock: Clock) -> None:
    """The lease had run out under a worker that only stood still: each payment is tried again once."""
    job = ask("retry", fail_many(3, stripe_gateway, clock), clock)
    last = JobItem.objects.get(job=job, number=3)

    def other_worker() -> datetime:
        """Does the last one, as soon as the first is done."""
        if JobItem.objects.filter(job=job, state="done").count() == 1:
            assert _do(job, ACTIONS["retry"], last.id, clock) is not None
        return clock()

    assert not jobs.work(job_id=job.id, clock=other_worker, seconds=60).is_left
    assert set(JobItem.objects.values_list("state", "text")) == {("done", "is tried again")}
    assert Transition.objects.filter(who=AIDA, to_status="pending").count() == 3


def test_an_item_that_asks_stripe_is_done_once_too(stripe: Simulator, stripe_gateway: Gateway, clock: Clock) -> None:
    """It holds no lock while it asks: who comes second looks at the row."""
    job = ask("close", [settle_one("poor", stripe_gateway, clock)], clock)
    assert finish(job, clock) == [("done", "is closed")]
    asked = len(stripe.control.requests())
    assert _do(job, ACTIONS["close"], JobItem.objects.get().id, clock) is None
    assert len(stripe.control.requests()) == asked


def test_a_slice_that_leaves_something_rings_for_the_rest(
    stripe_gateway: Gateway, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next message goes on; the sweep needn't come."""
    limits.connect_redis().flushdb()
    clock.now = datetime.now(UTC)
    job = ask("retry", fail_many(2, stripe_gateway, clock), clock)
    monkeypatch.setattr(work, "__kwdefaults__", {"seconds": 0, "metronome": None})
    tasks.work_on(job_id=job.id)
    assert jobs.progress(job).waiting == 2
    assert limits.connect_redis().llen(limits.KEY_PREFIX + limits.BACKLOG_QUEUE) == 1
    monkeypatch.setattr(work, "__kwdefaults__", {"seconds": 60, "metronome": None})
    tasks.work_on(job_id=job.id)
    assert jobs.progress(job).waiting == 0


class Time:
    """Passes when somebody sleeps, and when an item is done."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        """Seconds."""
        return round(self.now, 3)

    def sleep(self, seconds: float) -> None:
        """At once."""
        self.now += seconds


@pytest.mark.parametrize(
    ("rate", "took", "began"),
    [
        (10, [0.01] * 5, [0, 0.1, 0.2, 0.3, 0.4]),
        (10, [0.01, 0.25, 0.01, 0.01, 0.01], [0, 0.1, 0.35, 0.36, 0.4]),
        (1, [5, 0.01, 0.01, 0.01, 0.01], [0, 5, 5.01, 6, 7]),
    ],
)
def test_what_an_item_was_late_is_made_up_for(
    stripe_gateway: Gateway, clock: Clock, monkeypatch: pytest.MonkeyPatch, rate: int, took: list[float],
    began: list[float],
) -> None:  # fmt: skip
    """Ten a second are ten a second, also where one of them takes longer; after a long halt there is no rush."""
    time, really = Time(), working._do
    starts: list[float] = []

    def do(*arguments: Any) -> Any:
        starts.append(time.monotonic())
        time.sleep(took[len(starts) - 1])
        return really(*arguments)

    monkeypatch.setattr(working, "time", time)
    monkeypatch.setattr(working, "_do", do)
    monkeypatch.setattr(working, "AT_ONCE", 2)
    job = draft("retry", fail_many(5, stripe_gateway, clock), clock)
    jobs.confirm(job=job, who=AIDA, why="slowly", arguments={}, now=clock(), rate=rate)
    assert not jobs.work(job_id=job.id, clock=clock).is_left
    assert starts == began
    assert set(job.items.values_list("state", flat=True)) == {"done"}
