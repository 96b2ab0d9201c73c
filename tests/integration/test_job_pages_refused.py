"""Pages of jobs for who may not see them, for addresses that lead nowhere, and for what was left out of a form."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from payments import jobs, limits
from payments.admin import in_bulk
from payments.gateway import Gateway
from payments.models import Job
from tests.conftest import Clock
from tests.integration.desk import ask, fail_many, finish, settle_one
from tests.integration.test_job_pages import JOBS, begin, login, read, step

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("empty_redis")]


@pytest.mark.parametrize("page", ["change", "progress"])
def test_who_may_not_see_jobs_sees_none(stripe_gateway: Gateway, clock: Clock, page: str) -> None:
    """Whatever number they type."""
    job = ask("retry", fail_many(1, stripe_gateway, clock), clock)
    stranger = Client()
    stranger.force_login(User.objects.create_user("timur", password="a long enough password", is_staff=True))
    assert stranger.get(f"{JOBS}{job.pk}/{page}/").status_code == 403
    assert login("aida").get(f"{JOBS}{job.pk}/{page}/").status_code == 200


@pytest.mark.parametrize("number", ["x", "1x", "99999"])
def test_a_job_that_is_none_is_not_found(number: str) -> None:
    """Not an error page with a traceback."""
    assert login("aida").get(f"{JOBS}{number}/change/").status_code == 404


def test_a_job_that_does_not_stand_still_is_not_begun_again(stripe_gateway: Gateway, clock: Clock) -> None:
    """Somebody else has pressed the button first, or it is over: the page shows it, and no worker is rung for."""
    job = ask("retry", fail_many(1, stripe_gateway, clock), clock)
    finish(job, clock)
    limits.connect_redis().flushdb()
    aida = login("aida", "retry_payment")
    answer = step(aida, f"{JOBS}{job.pk}/change/", "go-on")
    assert (answer.status_code, Job.objects.get().state) == (302, "done")
    assert limits.connect_redis().dbsize() == 0
    assert "Try again: done" in read(aida, answer["Location"])


def test_what_an_action_needs_to_know_is_asked_for_by_its_name(stripe_gateway: Gateway, clock: Clock) -> None:
    """Nothing runs without it."""
    aida = login("aida", "retry_payment")
    address = begin(aida, "retry_with", settle_one("lost", stripe_gateway, clock))
    answer = step(aida, address, "confirm", why="has another card", payment_method=" ")
    assert (answer.status_code, "Payment method: is missing" in answer.content.decode()) == (422, True)
    assert Job.objects.get().state == "draft"


def test_what_it_need_not_know_may_be_left_out(stripe_gateway: Gateway, clock: Clock) -> None:
    """A refund without an amount is of all that is left."""
    paid = settle_one("paid", stripe_gateway, clock)
    aida = login("aida", "refund_payment")
    step(aida, begin(aida, "refund", paid), "confirm", why="all of it", amount="")
    finish(Job.objects.get(), clock)
    assert list(paid.refunds.values_list("amount", flat=True)) == [10_000]


def test_more_than_anybody_looks_through_is_refused(
    stripe_gateway: Gateway, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With what to do instead; nothing is judged."""
    monkeypatch.setattr(in_bulk, "MOST", 2)
    ids = [str(one.pk) for one in fail_many(3, stripe_gateway, clock)]
    aida = login("aida", "retry_payment")
    address = "/admin/payments/payment/"
    chosen: dict[str, Any] = {"action": "retry", "_selected_action": ids}
    assert "3 are more than 2: choose fewer, with a filter" in aida.post(address, chosen, follow=True).content.decode()
    assert not Job.objects.exists()
    assert aida.post(address, chosen | {"_selected_action": ids[:2]}).status_code == 302
    assert jobs.preview(Job.objects.get()).count == 2
