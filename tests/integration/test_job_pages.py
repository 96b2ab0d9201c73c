"""Jobs as staff see them: a button, a preview, a reason, a result; and what a person may not, not by POST either."""

import json
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from billing_project.dev.simulator import Simulator
from payments import jobs, limits
from payments.gateway import Gateway
from payments.models import Job, Payment, StaffEntry
from tests.conftest import Clock
from tests.integration.desk import fail_many, finish, settle_each
from tests.integration.parked_rows import park, value

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("empty_redis")]

JOBS = "/admin/payments/job/"
VIEW = ("view_payment", "view_job", "view_inboxmessage", "view_break")


def login(name: str, *permissions: str) -> Client:
    """A person of the staff who may see, and do this."""
    user = User.objects.create_user(name, password="a long enough password", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=(*VIEW, *permissions)))
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def payments(stripe: Simulator, stripe_gateway: Gateway, clock: Clock) -> dict[str, Payment]:
    """One in each state."""
    return settle_each(stripe, stripe_gateway, clock)


def begin(client: Client, action: str, subject: Any) -> str:
    """Press the button. Returns the address of the preview."""
    answer = client.post(JOBS + "begin/", {"action": action, "subject": str(subject.pk)})
    assert answer.status_code == 302, answer.content
    return str(answer["Location"])


def read(client: Client, address: str, **query: str) -> str:
    """The page as text, on one line."""
    answer = client.get(address, query)
    assert answer.status_code == 200
    return " ".join(answer.content.decode().split())


def step(client: Client, address: str, name: str, **fields: str) -> Any:
    """One step of a job."""
    return client.post(address.replace("change/", f"{name}/"), fields)


def test_a_button_leads_to_a_preview_and_a_reason_to_a_job(payments: dict[str, Payment], clock: Clock) -> None:
    """Until then nothing is changed; afterwards it says what became of it."""
    aida = login("aida", "retry_payment")
    address = begin(aida, "retry", payments["poor"])
    page = read(aida, address)
    assert "Try again: 100.00 KZT" in page
    assert Payment.objects.get(id=payments["poor"].id).status == "failed"
    assert step(aida, address, "confirm", why="she called").status_code == 302
    job = Job.objects.get()
    assert (job.state, job.asked_by, job.reason) == ("running", "staff: aida", "she called")
    noted = StaffEntry.objects.get(what="acted")
    assert (noted.who, noted.payment_id, noted.details["action"]) == ("staff: aida", payments["poor"].id, "retry")
    assert limits.connect_redis().llen(limits.KEY_PREFIX + limits.CHARGE_QUEUE) == 1
    assert finish(job, clock) == [("done", "is tried again")]
    page = read(aida, address)
    for text in ("Try again: done", "she called", "is tried again", "staff: aida"):
        assert text in page, text


def test_a_preview_without_a_reason_says_so_and_keeps_what_was_typed(payments: dict[str, Payment]) -> None:
    """And nothing runs."""
    aida = login("aida", "refund_payment")
    address = begin(aida, "refund", payments["paid"])
    answer = step(aida, address, "confirm", why=" ", amount="12.50")
    assert answer.status_code == 422
    page = answer.content.decode()
    assert "say why" in page
    assert 'value="12.50"' in page
    answer = step(aida, address, "confirm", why="half of it", amount="1000")
    assert "Amount: only 100.00\N{NO-BREAK SPACE}KZT is left to refund" in answer.content.decode()
    assert Job.objects.get().state == "draft"


def test_a_partial_refund_goes_back_in_minor_units(payments: dict[str, Payment], clock: Clock) -> None:
    """12.50 is 1250."""
    aida = login("aida", "refund_payment")
    address = begin(aida, "refund", payments["paid"])
    step(aida, address, "confirm", why="half of it", amount="12.50")
    finish(Job.objects.get(), clock)
    assert list(payments["paid"].refunds.values_list("amount", "asked_by", "reason")) == [
        (1250, "staff: aida", "half of it")
    ]


def test_what_cannot_be_done_is_shown_disabled_with_the_reason(payments: dict[str, Payment]) -> None:
    """On the page; and in a preview that somebody forced it says so, and offers no way on."""
    aida = login("aida", "retry_payment")
    page = read(aida, begin(aida, "retry", payments["unknown"]))
    assert "Nothing of this can be done." in page
    assert "its outcome is unknown: Stripe is being asked" in page
    assert "confirm/" not in page


def test_many_are_chosen_on_the_list(payments: dict[str, Payment], stripe_gateway: Gateway, clock: Clock) -> None:
    """A preview counts, sums and says who is refused and why; one that is confirmed does the others."""
    fail_many(3, stripe_gateway, clock)
    aida = login("aida", "retry_payment")
    ids = [str(one) for one in Payment.objects.values_list("id", flat=True)]
    answer = aida.post("/admin/payments/payment/", {"action": "retry", "_selected_action": ids})
    assert answer.status_code == 302
    page = read(aida, answer["Location"])
    assert "Try again: 4 of them, 400.00 KZT" in page
    assert "1 refused: it is paid" in page
    assert "1 refused: its outcome is unknown: Stripe is being asked" in page
    assert "second person" not in page
    assert "it is paid" in read(aida, answer["Location"], state="refused")
    step(aida, answer["Location"], "confirm", why="the bank was down")
    states = [state for state, _ in finish(Job.objects.get(), clock)]
    assert sorted(states) == ["done"] * 4 + ["refused"] * 4


def test_so_many_wait_for_a_second_person(stripe_gateway: Gateway, clock: Clock, settings: Any) -> None:
    """Who asked sees no button for it, and can't post it; another may."""
    settings.APPROVAL_ABOVE_COUNT = 2
    payments = fail_many(3, stripe_gateway, clock)
    aida, bulat = login("aida", "retry_payment", "approve_job"), login("bulat", "approve_job")
    answer = aida.post("/admin/payments/payment/", {"action": "retry", "_selected_action": [p.pk for p in payments]})
    address = answer["Location"]
    assert "a second person has to approve it" in read(aida, address)
    step(aida, address, "confirm", why="the bank was down")
    assert "Approve</button>" not in read(aida, address)
    step(aida, address, "approve")
    assert Job.objects.get().state == "approval"
    assert limits.connect_redis().llen(limits.KEY_PREFIX + limits.BACKLOG_QUEUE) == 0
    assert "Approve</button>" in read(bulat, address)
    step(bulat, address, "approve")
    job = Job.objects.get()
    assert (job.state, job.approved_by) == ("running", "staff: bulat")
    assert StaffEntry.objects.get(what="approved").who == "staff: bulat"
    assert limits.connect_redis().llen(limits.KEY_PREFIX + limits.BACKLOG_QUEUE) == 1


def test_a_job_that_was_rejected_says_who_did(stripe_gateway: Gateway, clock: Clock, settings: Any) -> None:
    """And is over."""
    settings.APPROVAL_ABOVE_COUNT = 1
    payments = fail_many(2, stripe_gateway, clock)
    aida, bulat = login("aida", "retry_payment"), login("bulat", "approve_job")
    answer = aida.post("/admin/payments/payment/", {"action": "retry", "_selected_action": [p.pk for p in payments]})
    step(aida, answer["Location"], "confirm", why="the bank was down")
    step(bulat, answer["Location"], "reject")
    page = read(aida, answer["Location"])
    assert "Try again: rejected" in page
    assert "Rejected by</dt><dd>staff: bulat" in page


def test_progress_is_asked_for_and_survives_a_reload(stripe_gateway: Gateway, clock: Clock) -> None:
    """Stopped, it offers to go on; every number comes from the rows."""
    payments = fail_many(3, stripe_gateway, clock)
    aida = login("aida", "retry_payment")
    answer = aida.post("/admin/payments/payment/", {"action": "retry", "_selected_action": [p.pk for p in payments]})
    address = answer["Location"]
    step(aida, address, "confirm", why="the bank was down")
    asked = address.replace("change/", "progress/")
    assert json.loads(aida.get(asked).content) == {
        "state": "running", "total": 3, "done": 0, "refused": 0, "waiting": 3,
    }  # fmt: skip
    assert "Stop</button>" in read(aida, address)
    step(aida, address, "stop")
    assert "Go on</button>" in read(aida, address)
    step(aida, address, "go-on")
    finish(Job.objects.get(), clock)
    assert json.loads(aida.get(asked).content)["done"] == 3


@pytest.mark.parametrize("name", ["confirm", "stop", "go-on"])
def test_who_may_not_do_it_may_not_by_post_either(payments: dict[str, Payment], name: str) -> None:
    """A page that somebody else has opened, or that was open before the permission was taken away."""
    aida, other = login("aida", "retry_payment"), login("other")
    address = begin(aida, "retry", payments["poor"])
    if name != "confirm":
        step(aida, address, "confirm", why="x")
        assert step(other, address, name).status_code == 403
        return
    # A preview is there for who began it alone.
    assert step(other, address, name, why="x").status_code == 404
    User.objects.get(username="aida").user_permissions.clear()
    assert step(aida, address, name, why="x").status_code in (403, 404)
    assert Job.objects.get().state == "draft"


@pytest.mark.parametrize("name", ["approve", "reject"])
def test_who_may_not_approve_may_not_by_post_either(
    stripe_gateway: Gateway, clock: Clock, settings: Any, name: str
) -> None:
    """Whatever else they may."""
    settings.APPROVAL_ABOVE_COUNT = 1
    payments = fail_many(2, stripe_gateway, clock)
    aida, other = login("aida", "retry_payment"), login("other", "retry_payment", "refund_payment")
    answer = aida.post("/admin/payments/payment/", {"action": "retry", "_selected_action": [p.pk for p in payments]})
    step(aida, answer["Location"], "confirm", why="x")
    assert step(other, answer["Location"], name).status_code == 403
    assert Job.objects.get().state == "approval"


@pytest.mark.parametrize("action", ["retry", "refund", "close", "nonsense"])
def test_a_button_that_nobody_offered_does_nothing(payments: dict[str, Payment], action: str) -> None:
    """By POST, and from the list."""
    other = login("other", "notify_payment")
    answer = other.post(JOBS + "begin/", {"action": action, "subject": str(payments["poor"].pk)})
    assert answer.status_code == 403
    other.post("/admin/payments/payment/", {"action": action, "_selected_action": [str(payments["poor"].pk)]})
    assert not Job.objects.exists()
    assert other.get(JOBS + "begin/").status_code == 405


@pytest.mark.parametrize("subject", ["", "x", "0", "8699c93f-449a-5886-8af7-adf7a9d2948b"])
def test_a_button_about_nothing_is_not_found(payments: dict[str, Payment], subject: str) -> None:
    """Not an error page with a traceback."""
    aida = login("aida", "retry_payment", "dismiss_record")
    for action in ("retry", "dismiss_record"):
        assert aida.post(JOBS + "begin/", {"action": action, "subject": subject}).status_code == 404


def test_a_parked_record_is_corrected_on_its_page(clock: Clock) -> None:
    """The form begins with what came."""
    parked = park(b'{"subId": "sub_1", "user": {}}', clock)
    aida = login("aida", "correct_record", "dismiss_record")
    page = read(aida, f"/admin/payments/inboxmessage/{parked.id}/change/")
    for title in ("Correct and judge again", "Dismiss"):
        assert title in page
    address = begin(aida, "correct_record", parked)
    assert "&quot;subId&quot;: &quot;sub_1&quot;" in read(aida, address)
    step(aida, address, "confirm", why="typed it anew", value=value("sub_1").decode())
    [(state, text)] = finish(Job.objects.get(), clock)
    assert (state, text) == ("done", f"is accepted: payment {Payment.objects.get().id}")


def test_the_list_of_jobs_shows_what_was_asked_for_and_no_previews_of_others(payments: dict[str, Payment]) -> None:
    """Newest first."""
    aida, bulat = login("aida", "retry_payment"), login("bulat", "retry_payment")
    begin(aida, "retry", payments["poor"])
    assert "preview" in read(aida, JOBS)
    assert "staff: aida" not in read(bulat, JOBS)
    jobs.confirm(job=Job.objects.get(), who="staff: aida", why="x", arguments={}, now=payments["poor"].created_at)
    assert "staff: aida" in read(bulat, JOBS)
