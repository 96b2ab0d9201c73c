"""Jobs are previewed, asked for with a reason, and approved by a second person where they are large."""

import threading
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.db import IntegrityError, connection, transaction

from billing_project.dev.simulator import Simulator
from payments import charging, jobs
from payments.actions import ACTIONS
from payments.gateway import Gateway
from payments.jobs import NotAllowed
from payments.models import Attempt, Job, Payment
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
