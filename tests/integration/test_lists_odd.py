"""Pages of the admin where something is missing: an id of Stripe's, a word to search for, a right, a month."""

import pytest
from django.contrib.auth.models import User
from django.test import Client

from payments.admin import payment_filters
from payments.models import Statement, Subscription
from tests.integration.ledger_rows import PAID, payment, refund
from tests.integration.staff_users import looker
from tests.integration.statements import FEBRUARY

pytestmark = pytest.mark.django_db


@pytest.fixture
def staff(client: Client) -> Client:
    """Who may see everything."""
    client.force_login(User.objects.create_superuser("aida", password="a long enough password"))
    return client


@pytest.mark.parametrize("stripe_id", [None, "re_1"])
def test_a_refund_that_stripe_has_not_made_yet_has_no_link(staff: Client, stripe_id: str | None) -> None:
    """A dash, and not a page of Stripe's dashboard that isn't there."""
    made = refund(payment=payment(**PAID, livemode=False), refund_id=stripe_id)
    page = staff.get(f"/admin/payments/refund/{made.id}/change/").content.decode()
    assert ("https://dashboard.stripe.com/test/refunds/re_1" in page) == (stripe_id is not None)
    assert "None" not in page.partition('id="content"')[2].partition("<footer")[0]


@pytest.mark.parametrize(("pasted", "says"), [("(),", False), ("a@b.kz sub_1", True)])
def test_a_search_for_nothing_finds_nothing_and_for_two_things_says_so(staff: Client, pasted: str, says: bool) -> None:
    """Whole, one at a time."""
    payment(email="a@b.kz")
    answer = staff.get("/admin/payments/payment/", {"q": pasted})
    assert (answer.status_code, answer.context["cl"].result_count) == (200, 0)
    assert ("Search for one thing at a time: these are 2 words" in answer.content.decode()) == says


def test_no_more_currencies_are_looked_for_than_a_filter_can_offer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is one statement; they come in order, each once."""
    for currency in ("USD", "KZT", "EUR"):
        payment(currency=currency, subscription_id=Subscription.objects.create(id=f"sub_{currency}").id)
    assert payment_filters.currencies() == ["EUR", "KZT", "USD"]
    monkeypatch.setattr(payment_filters, "MOST_CURRENCIES", 2)
    assert payment_filters.currencies() == ["EUR", "KZT"]


def test_a_statement_that_is_none_is_not_found_and_its_file_needs_a_right(client: Client) -> None:
    """Who may look at the sums may not take the lines home."""
    made = Statement.objects.create(
        month=FEBRUARY.first, asked_by="aida", until_at=FEBRUARY.end_at, began_at=FEBRUARY.end_at,
        ended_at=FEBRUARY.end_at,
    )  # fmt: skip
    client.force_login(looker())
    page = "/admin/payments/statement/"
    assert client.get(f"{page}{made.pk}/change/").status_code == 302
    for number in ("x", "1x", "99999"):
        assert client.get(f"{page}{number}/change/").status_code == 404
    assert client.get(f"{page}csv/", {"month": "2024-02"}).status_code == 403
