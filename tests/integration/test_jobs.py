"""Jobs: previewed, asked for with a reason, approved by a second person, done once each, stopped and gone on with."""

import threading
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.db import IntegrityError, connection, transaction

from billing_project.dev.simulator import Simulator
from payments import charging, jobs, limits
from payments.actions import ACTIONS
from payments.gateway import Gateway
from payments.jobs import NotAllowed, tasks
from payments.jobs.work import _do
from payments.models import Attempt, Job, JobItem, Payment, Transition
from tests.conftest import Clock
from tests.integration.desk import AIDA, BULAT, ask, draft, fail_many, finish, settle_each

pytestmark = pytest.mark.django_db


def test_a_preview_counts_sums_and_says_who_is_refused_and_why(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock
) -> None:
    """Before anything is changed; what it refuses is never done by this job."""
    payments = settle_each(stripe, stripe_gateway, clock)
    before = list(Payment.objects.order_by("id").values())
    job = draft("retry", list(payments.values()), clock)
    seen = jobs.preview(job)
    assert (seen.count, seen.sums, seen.needs_approval) == (1, {"KZT": 10_000}, False)
    assert set(seen.refused) == {
        "it is paid", "its outcome is unknown: Stripe is being asked",
        "this payment method was declined for good: another one is needed",
        "the customer must confirm the payment with their bank: charging again without them fails again",
    }  # fmt: skip
    assert list(Payment.objects.order_by("id").values()) == before
    assert jobs.work(job_id=job.id, clock=clock).due == ()
    assert Job.objects.get().state == "draft"


def test_what_was_refused_in_the_preview_is_not_done_whatever_happens_meanwhile(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock
) -> None:
    """Nobody gets more than they have seen."""
    payments = settle_each(stripe, stripe_gateway, clock)
    job = draft("close", [payments["paid"], payments["poor"]], clock)
    finish(ask("close", [payments["poor"]], clock, who=BULAT), clock)
    jobs.confirm(job=job, who=AIDA, why="wrong price", arguments={}, now=clock())
    assert finish(job, clock) == [("refused", "it is paid: refund it instead"), ("refused", "it is closed already")]


@pytest.mark.parametrize("why", ["", "  \n"])
def test_nothing_is_done_without_a_reason(stripe_gateway: Gateway, clock: Clock, why: str) -> None:
    """By the code, and by the database."""
    job = draft("retry", fail_many(1, stripe_gateway, clock), clock)
    with pytest.raises(NotAllowed, match="say why"):
        jobs.confirm(job=job, who=AIDA, why=why, arguments={}, now=clock())
    with pytest.raises(IntegrityError, match="job_says_why"):
        Job.objects.filter(id=job.id).update(state="running")


def test_only_who_has_seen_the_preview_confirms_it_and_once(stripe_gateway: Gateway, clock: Clock) -> None:
    """Two clicks are one job."""
    job = draft("retry", fail_many(1, stripe_gateway, clock), clock)
    with pytest.raises(NotAllowed, match="somebody else"):
        jobs.confirm(job=job, who=BULAT, why="me too", arguments={}, now=clock())
    jobs.confirm(job=job, who=AIDA, why="agreed", arguments={}, now=clock())
    with pytest.raises(NotAllowed, match="under way already"):
        jobs.confirm(job=job, who=AIDA, why="agreed", arguments={}, now=clock())


@pytest.mark.parametrize(
    ("count", "above_count", "above_sum", "needs"),
    [
        (3, 3, {}, False),
        (4, 3, {}, True),
        (3, 20, {"KZT": 300}, False),
        (3, 20, {"KZT": 299}, True),
        (3, 20, {"USD": 1_000_000}, True),  # a currency that nobody has thought of
        (1, 20, {"KZT": 1}, False),  # not in bulk
    ],
)
def test_above_a_count_or_a_sum_a_second_person_is_needed(
    stripe_gateway: Gateway, clock: Clock, settings: Any, count: int, above_count: int, above_sum: dict[str, int],
    needs: bool,
) -> None:  # fmt: skip
    """100 KZT each."""
    settings.APPROVAL_ABOVE_COUNT, settings.APPROVAL_ABOVE_SUM = above_count, above_sum
    job = ask("retry", fail_many(count, stripe_gateway, clock), clock)
    assert job.state == ("approval" if needs else "running")


def test_nobody_approves_what_they_asked_for(stripe_gateway: Gateway, clock: Clock, settings: Any) -> None:
    """By the code, and by the database; nothing is done meanwhile."""
    settings.APPROVAL_ABOVE_COUNT = 1
    job = ask("retry", fail_many(2, stripe_gateway, clock), clock)
    for decide in (jobs.approve, jobs.reject):
        with pytest.raises(NotAllowed, match="another person must"):
            decide(job=job, who=AIDA, now=clock())
    assert finish(job, clock) == [("waiting", "")] * 2
    with pytest.raises(IntegrityError, match="job_second_person"):
        Job.objects.filter(id=job.id).update(approved_by=AIDA)


def test_a_second_person_says_yes_or_no_once(stripe_gateway: Gateway, clock: Clock, settings: Any) -> None:
    """A yes runs it, a no ends it for good."""
    settings.APPROVAL_ABOVE_COUNT = 1
    payments = fail_many(2, stripe_gateway, clock)
    refused, wanted = ask("retry", payments, clock), ask("retry", payments, clock)
    jobs.reject(job=refused, who=BULAT, now=clock())
    jobs.approve(job=wanted, who=BULAT, now=clock())
    for job in (refused, wanted):
        with pytest.raises(NotAllowed, match="decided already"):
            jobs.approve(job=job, who="staff: third", now=clock())
    assert finish(refused, clock) == [("waiting", "")] * 2
    assert finish(wanted, clock) == [("done", "is tried again")] * 2
    assert (refused.state, wanted.state) == ("rejected", "done")


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


@pytest.fixture
def _empty_redis() -> None:
    limits.connect_redis().flushdb()


@pytest.mark.usefixtures("_empty_redis")
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


def test_every_action_has_a_permission_that_exists() -> None:
    """One that nobody can have would be a button that nobody sees."""
    known = {f"payments.{codename}" for codename in Permission.objects.values_list("codename", flat=True)}
    assert {action.permission for action in ACTIONS.values()} <= known


@pytest.mark.django_db(transaction=True)
def test_a_preview_keeps_nobody_from_charging(stripe_gateway: Gateway, clock: Clock) -> None:
    """However long it judges: it locks none of the payments that it is about."""
    [payment] = fail_many(1, stripe_gateway, clock)
    finish(ask("retry", [payment], clock), clock)
    claimed: list[str] = []

    def charge_meanwhile() -> None:
        try:
            charging.charge(payment_ids=[payment.id], gateway=stripe_gateway, clock=clock)
            claimed.extend(Attempt.objects.filter(payment=payment).values_list("state", flat=True))
        finally:
            connection.close()

    with transaction.atomic():
        draft("notify", [payment], clock)
        worker = threading.Thread(target=charge_meanwhile)
        worker.start()
        worker.join(30)
    assert claimed == ["declined", "declined"]
