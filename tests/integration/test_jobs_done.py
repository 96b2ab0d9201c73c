"""What jobs are about is done once each; they are stopped and gone on with, and outlive their worker."""

import threading
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from django.db import IntegrityError, connection

from billing_project.dev.simulator import Simulator
from payments import charging, jobs, limits
from payments.actions import ACTIONS
from payments.gateway import Gateway
from payments.jobs import tasks
from payments.jobs.work import _do
from payments.models import Attempt, Job, JobItem, Transition
from tests.conftest import Clock
from tests.integration.desk import AIDA, BULAT, ask, draft, fail_many, finish

pytestmark = pytest.mark.django_db


def test_a_job_that_is_stopped_goes_on_where_it_was(stripe_gateway: Gateway, clock: Clock) -> None:
    """What is done stays done, and nothing more is begun."""
    payments = fail_many(4, stripe_gateway, clock)
    job = ask("retry", payments, clock)
    assert jobs.work(job_id=job.id, clock=clock, seconds=0).is_left
    assert jobs.stop(job=job, who=BULAT, now=clock())
    assert not jobs.stop(job=job, who=BULAT, now=clock())
    assert finish(job, clock) == [("waiting", "")] * 4
    assert jobs.go_on(job=job, who=AIDA)
    assert finish(job, clock) == [("done", "is tried again")] * 4
    assert jobs.progress(job) == jobs.Progress(total=4, done=4, refused=0, waiting=0)
    assert (job.state, job.ended_at) == ("done", clock())


def test_whoever_stops_a_job_waits_for_one_item_at_most(stripe_gateway: Gateway, clock: Clock) -> None:
    """It is looked at before each; the one in hand is finished."""
    job = ask("retry", fail_many(3, stripe_gateway, clock), clock)

    def stop_after_the_first() -> datetime:
        if JobItem.objects.filter(job=job, state="done").exists():
            jobs.stop(job=job, who=BULAT, now=clock())
        return clock()

    jobs.work(job_id=job.id, clock=stop_after_the_first, seconds=60)
    assert Counter(JobItem.objects.filter(job=job).values_list("state", flat=True)) == {"done": 2, "waiting": 1}


class WorkerDies(BaseException):
    """As SIGKILL would end it."""


@pytest.mark.parametrize("moment", ["before the commit", "after it"])
def test_a_worker_that_dies_has_done_an_item_and_noted_it_or_neither(
    stripe_gateway: Gateway, clock: Clock, moment: str
) -> None:
    """P1 at the desk: another one takes over when the lease is over, and every payment is tried again once."""
    payments = fail_many(3, stripe_gateway, clock)
    job = ask("retry", payments, clock)
    clocks = iter([clock(), clock(), clock(), clock(), clock()])

    def dies() -> datetime:
        """The second item's note, or the third item's beginning."""
        done = JobItem.objects.filter(job=job, state="done").count()
        in_hand = Transition.objects.filter(who=AIDA).count()
        if (done, in_hand) == ((1, 2) if moment == "before the commit" else (2, 2)):
            raise WorkerDies
        return next(clocks, clock())

    with pytest.raises(WorkerDies):
        jobs.work(job_id=job.id, clock=dies, seconds=60)
    # Its lease is what a process that was killed leaves behind.
    Job.objects.filter(id=job.id).update(lease_until=clock() + timedelta(seconds=60))
    assert not jobs.work(job_id=job.id, clock=clock).is_left
    clock.advance(seconds=61)
    assert finish(job, clock) == [("done", "is tried again")] * 3
    assert Transition.objects.filter(who=AIDA).values("payment").distinct().count() == 3
    assert Transition.objects.filter(who=AIDA).count() == 3


def test_a_rate_is_kept(stripe_gateway: Gateway, clock: Clock) -> None:
    """Three items at twenty per second take a tenth of a second at least."""
    job = draft("retry", fail_many(3, stripe_gateway, clock), clock)
    jobs.confirm(job=job, who=AIDA, why="slowly", arguments={}, now=clock(), rate=20)
    began = datetime.now(UTC)
    finish(job, clock)
    assert datetime.now(UTC) - began >= timedelta(seconds=0.14)


@pytest.mark.usefixtures("empty_redis")
def test_a_job_whose_doorbell_was_lost_is_swept_up(stripe_gateway: Gateway, clock: Clock) -> None:
    """Rows know what is to be done; a preview that nobody confirmed is thrown away after a day."""
    payments = fail_many(2, stripe_gateway, clock)
    clock.now = datetime.now(UTC)
    old = draft("retry", payments, clock)
    Job.objects.filter(id=old.id).update(created_at=clock() - timedelta(days=2))
    job = ask("retry", payments, clock)
    tasks.sweep_jobs()
    assert limits.connect_redis().llen(limits.KEY_PREFIX + limits.BACKLOG_QUEUE) == 1
    assert not Job.objects.filter(id=old.id).exists()
    tasks.work_on(job_id=job.id)
    job.refresh_from_db()
    assert job.state == "done"
    # The payments were rung for, behind what is live.
    assert limits.connect_redis().llen(limits.KEY_PREFIX + limits.BACKLOG_QUEUE) == 2


@pytest.mark.django_db(transaction=True)
def test_two_workers_on_one_job_do_each_item_once(stripe_gateway: Gateway, clock: Clock) -> None:
    """Where the lease has run out under the first: an item is locked while it is done."""
    payments = fail_many(6, stripe_gateway, clock)
    job = ask("retry", payments, clock)
    barrier = threading.Barrier(2)

    def take() -> None:
        try:
            barrier.wait(10)
            for item_id in job.items.order_by("number").values_list("id", flat=True):
                _do(job, ACTIONS["retry"], item_id, clock)
        finally:
            connection.close()

    threads = [threading.Thread(target=take) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert finish(job, clock) == [("done", "is tried again")] * 6
    assert Transition.objects.filter(who=AIDA).count() == 6


def test_two_people_who_act_on_one_payment_at_once_act_once(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock
) -> None:
    """The second is told that it is under way."""
    [payment] = fail_many(1, stripe_gateway, clock)
    first, second = (ask("retry", [payment], clock, who=who) for who in (AIDA, BULAT))
    assert finish(first, clock) == [("done", "is tried again")]
    assert finish(second, clock) == [("refused", "it is under way")]
    charging.charge(payment_ids=[payment.id], gateway=stripe_gateway, clock=clock)
    assert Attempt.objects.filter(payment=payment).count() == 2


def test_an_item_is_about_one_thing() -> None:
    """By the database."""
    job = Job.objects.create(action="retry", asked_by=AIDA, total=1, created_at=datetime.now(UTC))
    with pytest.raises(IntegrityError, match="job_item_is_about_one_thing"):
        JobItem.objects.create(job=job, number=1)
