"""The page of one payment as staff read it: the story, what they may see of the customer, and times in their zone."""

from datetime import UTC, datetime
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.utils.html import escape

from billing_project.dev.simulator import Simulator
from payments import charging, explain
from payments.admin.times import zone_of
from payments.gateway import Gateway
from payments.models import Break, Dispute, Job, JobItem, Payment, Webhook
from tests.conftest import Clock
from tests.integration.events import accept, event, record
from tests.integration.refunding import ask, carry_out, deliver, follow_up, pay

pytestmark = pytest.mark.django_db


def log_in(client: Client, *permissions: str) -> Client:
    """Somebody of the staff with these permissions."""
    user = User.objects.create_user("aida", password="a long enough password", is_staff=True)
    user.user_permissions.add(*Permission.objects.filter(codename__in=permissions))
    client.force_login(user)
    return client


@pytest.fixture
def staff(client: Client) -> Client:
    """Support, who may see whom it is about."""
    return log_in(client, "view_payment", "view_refund", "view_dispute", "see_personal_data")


@pytest.fixture
def declined(stripe: Simulator, stripe_gateway: Gateway, clock: Clock) -> Payment:
    """Not enough money."""
    method = "pm_card_chargeDeclinedInsufficientFunds"
    accepted = accept(record(event(method=method), at=clock()), now=clock())
    charging.charge(payment_ids=accepted.due, gateway=stripe_gateway, clock=clock)
    return Payment.objects.get()


def path(payment: Payment) -> str:
    """Of its page."""
    return f"/admin/payments/payment/{payment.id}/change/"


def read(client: Client, payment: Payment) -> str:
    """Its page."""
    answer = client.get(path(payment))
    assert answer.status_code == 200
    return answer.content.decode()


def test_the_page_says_what_the_command_says(staff: Client, declined: Payment) -> None:
    """Headline, answers, facts, time line: word for word."""
    page = read(staff, declined)
    story = explain.explain(payment_id=declined.id, now=datetime.now(UTC))
    told = story.conclusion
    assert told.headline == "Declined by the bank: not enough money. Nothing was taken. Safe to retry."
    for text in (told.headline, told.retry_why, told.customer, *(one.text for one in story.events), story.budget):
        assert escape(text) in page, text
    assert f"https://dashboard.stripe.com/test/payments/{declined.intent_id}" in page
    assert "desk-headline desk-bad" in page


@pytest.mark.parametrize(
    ("stripe_id", "livemode", "link"),
    [
        ("pi_1", True, "https://dashboard.stripe.com/payments/pi_1"),
        ("pi_1", False, "https://dashboard.stripe.com/test/payments/pi_1"),
        ("pi_1", None, "https://dashboard.stripe.com/test/payments/pi_1"),
        ("evt_1", True, "https://dashboard.stripe.com/events/evt_1"),
        ("req_1", False, "https://dashboard.stripe.com/test/logs/req_1"),
        ("https://evil.example", True, ""),
        (None, True, ""),
    ],
)
def test_links_lead_to_the_dashboard_of_the_objects_own_mode(
    stripe_id: str | None, livemode: bool | None, link: str
) -> None:
    """Where that isn't known, of our key's, which is one for tests here; what has no page has no link."""
    assert explain.dashboard(stripe_id, livemode=livemode) == link


def test_whoever_may_not_see_personal_data_sees_it_masked(client: Client, declined: Payment) -> None:
    """Enough to compare with what the caller says, and no more."""
    page = read(log_in(client, "view_payment"), declined)
    assert "a•••@b.kz" in page
    assert "a@b.kz" not in page
    assert "u_1" not in page


def test_whoever_may_see_personal_data_sees_it(staff: Client, declined: Payment) -> None:
    """With the permission."""
    page = read(staff, declined)
    assert "a@b.kz" in page
    assert "u_1" in page


def test_without_the_right_to_view_payments_there_is_no_page(client: Client, declined: Payment) -> None:
    """By address either."""
    assert log_in(client).get(path(declined)).status_code == 403


@pytest.mark.parametrize("object_id", ["8699c93f-449a-5886-8af7-adf7a9d2948b", "nonsense"])
def test_a_payment_that_is_not_there_leads_back_with_a_message(staff: Client, object_id: str) -> None:
    """As anywhere in the admin."""
    assert staff.get(f"/admin/payments/payment/{object_id}/change/").status_code == 302


def test_times_are_in_the_zone_of_the_browser_with_utc_beside(staff: Client, declined: Payment) -> None:
    """A cookie says which; without one it is UTC alone."""
    assert "2026-01-31 12:00:00 UTC" in read(staff, declined)
    staff.cookies["zone"] = "Asia/Almaty"
    page = read(staff, declined)
    assert "2026-01-31 17:00:00 (12:00:00 UTC)" in page
    del staff.cookies["zone"]
    assert "17:00:00" not in read(staff, declined), "the zone of one request is not that of the next"


@pytest.mark.parametrize("name", ["", "Nowhere/Land", "../../etc/passwd", "/etc/passwd", "Asia", "a" * 300, "Ä/B"])
def test_a_zone_that_is_none_is_utc(staff: Client, declined: Payment, name: str) -> None:
    """A cookie can say anything."""
    assert zone_of(name) is None
    staff.cookies["zone"] = name
    assert "2026-01-31 12:00:00 UTC" in read(staff, declined)


def test_pages_load_our_style_and_the_script_that_tells_the_zone(staff: Client, declined: Payment) -> None:
    """From our own host; nothing inline in what is ours."""
    page = read(staff, declined)
    assert "/static/payments/desk.css" in page
    assert "/static/payments/zone.js" in page
    story = page[page.index('id="story"') : page.index("For engineers")]
    assert "<script" not in story
    assert " style=" not in story
    assert " onclick" not in story


def test_what_staff_did_in_a_job_stands_on_the_time_line(staff: Client, declined: Payment, clock: Clock) -> None:
    """Who, why, and what became of it here."""
    job = Job.objects.create(
        action="retry_payment", reason="the customer called", asked_by="staff: daniyar", state="running", total=1,
        created_at=clock(),
    )  # fmt: skip
    JobItem.objects.create(job=job, number=1, payment=declined, state="refused", text="it is paid", at=clock())
    page = read(staff, declined)
    assert "Staff: retry payment, refused. it is paid" in page
    assert "daniyar" in page
    assert "the customer called" in page


def test_a_paid_payment_says_that_nothing_went_back(
    staff: Client, stripe: Simulator, stripe_gateway: Gateway, clock: Clock
) -> None:
    """Empty states say something."""
    page = read(staff, pay(stripe_gateway, clock))
    assert "Nothing was given back, and no refund was asked for." in page
    assert "The customer's bank disputes nothing." in page


def test_refunds_and_disputes_are_readable_here_and_on_their_own_pages(
    staff: Client, stripe: Simulator, stripe_gateway: Gateway, clock: Clock
) -> None:
    """Reason in words, deadline with its distance, link to the dashboard."""
    payment = pay(stripe_gateway, clock)
    refund = ask(payment, clock, 100)
    carry_out(stripe_gateway, clock)
    due_by = int(datetime(2099, 2, 7, 12, tzinfo=UTC).timestamp())
    made = stripe.control.dispute(payment_intent=payment.intent_id or "", respond_by=due_by)
    deliver(stripe, clock, "charge.dispute.")
    follow_up(stripe_gateway, clock)
    refund.refresh_from_db()
    dispute: Any = Dispute.objects.get()
    pages = {
        path(payment): ["answer until 2099-02-07 12:00:00 UTC, in ", made["id"], str(refund.refund_id), "given back"],
        f"/admin/payments/dispute/{dispute.id}/change/": [
            "the customer says that they did not make this payment", "answer until 2099-02-07 12:00:00 UTC, in ",
            f"https://dashboard.stripe.com/test/disputes/{made['id']}", escape("Answer with evidence in Stripe's"),
        ],
        "/admin/payments/dispute/": ["answer until 2099-02-07 12:00:00 UTC, in "],
        f"/admin/payments/refund/{refund.id}/change/": [
            "given back", f"https://dashboard.stripe.com/test/refunds/{refund.refund_id}", "2026-01-31 12:00:00 UTC",
        ],
    }  # fmt: skip
    for url, texts in pages.items():
        page = staff.get(url).content.decode()
        for text in texts:
            assert text in page, (url, text)


def test_hostile_text_is_shown_as_text(staff: Client, stripe: Simulator, clock: Clock) -> None:
    """A subscription's name comes from outside."""
    accept(record(event("<script>alert(1)</script>"), at=clock()), now=clock())
    page = read(staff, Payment.objects.get())
    assert "<script>alert(1)" not in page
    assert "&lt;script&gt;alert(1)" in page


def test_breaks_and_webhooks_show_their_times_in_both_zones(client: Client, clock: Clock) -> None:
    """No page says UTC and shows something else."""
    broken = Break.objects.create(
        kind="paid_there", intent_id="pi_1", reason="100 was taken", found_at=clock(), seen_at=clock()
    )
    webhook = Webhook.objects.create(event_id="evt_1", type="charge.succeeded", livemode=False, received_at=clock())
    log_in(client, "view_break", "view_webhook").cookies["zone"] = "Asia/Almaty"
    for path_of_one in (f"break/{broken.id}", f"webhook/{webhook.id}"):
        page = client.get(f"/admin/payments/{path_of_one}/change/").content.decode()
        assert "2026-01-31 17:00:00 (12:00:00 UTC)" in page, path_of_one
