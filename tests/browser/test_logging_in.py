"""How staff come in, and what they see first."""

from django.contrib.auth.models import User
from playwright.sync_api import Page, expect

from tests.browser.site import Site

PASSWORD = "a long enough password"


def test_staff_log_in_with_their_password(site: Site, page: Page) -> None:
    """Through the form, as a person does; what was asked for comes next."""
    User.objects.create_superuser("aida", password=PASSWORD)
    page.goto("/admin/payments/payment/")
    page.get_by_label("Username").fill("aida")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    expect(page).to_have_url(f"{site.url}/admin/payments/payment/")


def test_a_wrong_password_is_said_and_lets_nobody_in(page: Page) -> None:
    """One line that doesn't tell which of the two was wrong."""
    User.objects.create_superuser("aida", password=PASSWORD)
    page.goto("/admin/")
    page.get_by_label("Username").fill("aida")
    page.get_by_label("Password").fill("another long password")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_text("Please enter the correct username and password")).to_be_visible()
