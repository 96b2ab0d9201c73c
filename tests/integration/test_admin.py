"""The admin as support staff use it: log in, find, read; and change nothing."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from billing_project.dev.simulator import Simulator
from payments import charging, intake
from payments.gateway import Gateway
from payments.models import Payment
from tests.conftest import Clock
from tests.integration.events import accept, event, record
from tests.integration.refunding import ask, carry_out, deliver, follow_up, pay

pytestmark = pytest.mark.django_db
LIST = "/admin/payments/payment/"


@pytest.fixture
def staff(client: Client) -> Client:
    """A superuser: whoever may the most."""
    client.force_login(User.objects.create_superuser("aida", password="a long enough password"))
    return client


@pytest.fixture
def payment(stripe: Simulator, stripe_gateway: Gateway, clock: Clock) -> Payment:
    """One that failed, beside another."""
    accept(record(event("sub_1", method="pm_card_chargeDeclined"), at=clock()), now=clock())
    accept(record(event("sub_2", user="u_2", method="pm_1"), at=clock()), now=clock())
    ids = list(Payment.objects.values_list("id", flat=True))
    charging.charge(payment_ids=ids, gateway=stripe_gateway, clock=clock)
    return Payment.objects.get(subscription_id="sub_1")


def test_nobody_sees_anything_without_logging_in(client: Client) -> None:
    """Payments are personal data."""
    answer = client.get(LIST)
    assert answer.status_code == 302
    assert "/login/" in answer["Location"]


def test_staff_log_in_with_their_password(client: Client) -> None:
    """Through the form, as a person does."""
    User.objects.create_superuser("aida", password="a long enough password")
    answer = client.post("/admin/login/", {"username": "aida", "password": "a long enough password"})
    assert (answer.status_code, answer["Location"]) == (302, "/admin/")


@pytest.mark.parametrize("field", ["id", "intent_id", "subscription_id"])
def test_a_payment_is_found_by_what_the_customer_gives(staff: Client, payment: Payment, field: str) -> None:
    """Whole ids, pasted; nothing else is listed."""
    page = staff.get(LIST, {"q": str(getattr(payment, field))}).content.decode()
    assert str(payment.id) in page
    assert str(Payment.objects.get(subscription_id="sub_2").id) not in page


def test_the_list_shows_amount_status_and_reason(staff: Client, payment: Payment) -> None:
    """What support needs at a glance."""
    page = staff.get(LIST).content.decode()
    assert "100.00\N{NO-BREAK SPACE}KZT" in page
    assert "Your card was declined." in page


def test_a_payment_shows_its_attempts_history_and_notifications(staff: Client, payment: Payment) -> None:
    """Its whole story on one page."""
    page = staff.get(f"{LIST}{payment.id}/change/").content.decode()
    for text in ("generic_decline", "accepted", "attempt started", "declined: generic_decline", str(payment.intent_id)):
        assert text in page, text


def test_a_paid_payment_shows_what_went_back_and_what_the_bank_disputes(
    staff: Client, stripe: Simulator, stripe_gateway: Gateway, clock: Clock
) -> None:
    """The answer to "where is my money": beside the payment, and in lists of their own."""
    paid = pay(stripe_gateway, clock)
    ask(paid, clock, 2_550)
    assert carry_out(stripe_gateway, clock) == ["succeeded"]
    stripe.control.dispute(payment_intent=paid.intent_id or "")
    deliver(stripe, clock, "charge.dispute.")
    follow_up(stripe_gateway, clock)
    page = staff.get(f"{LIST}{paid.id}/change/").content.decode()
    for text in ("by mistake", "25.50\N{NO-BREAK SPACE}KZT", "fraudulent"):
        assert text in page, text
    for model, text in (("refund", "25.50\N{NO-BREAK SPACE}KZT"), ("dispute", "fraudulent")):
        listed = staff.get(f"/admin/payments/{model}/")
        assert text in listed.content.decode()
        [row] = list(listed.context["cl"].result_list)
        assert text in staff.get(f"/admin/payments/{model}/{row.pk}/change/").content.decode()
        assert staff.get(f"/admin/payments/{model}/add/").status_code == 403


def test_parked_records_are_listed_with_their_reason_and_content(staff: Client, clock: Clock) -> None:
    """P2: a person can see what was parked; hostile content is shown as text."""
    accept(record(b"<script>alert(1)</script>", at=clock()), now=clock())
    [row] = list(staff.get("/admin/payments/inboxmessage/").context["cl"].result_list)
    page = staff.get(f"/admin/payments/inboxmessage/{row.id}/change/").content.decode()
    assert "value: is XML or HTML" in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    intake.dismiss(record_id=row.id, who="aida", why="a test of theirs", now=clock())
    page = staff.get(f"/admin/payments/inboxmessage/{row.id}/change/").content.decode()
    assert "aida" in page
    assert "a test of theirs" in page


@pytest.mark.parametrize("path", ["add/", "{id}/change/", "{id}/delete/"])
def test_nobody_edits_money(staff: Client, payment: Payment, path: str) -> None:
    """No add, change or delete, by page or by POST, for superusers too."""
    url = LIST + path.format(id=payment.id)
    before: Any = Payment.objects.filter(id=payment.id).values().get()
    assert staff.post(url, {"status": "success", "post": "yes"}).status_code == 403
    assert Payment.objects.filter(id=payment.id).values().get() == before


def test_probes_answer_without_a_login(client: Client) -> None:
    """What a load balancer asks, by IP."""
    assert client.get("/livez", headers={"host": "10.1.2.3:8000"}).content == b"ok\n"
    assert client.get("/readyz", headers={"host": "10.1.2.3:8000"}).status_code == 200
