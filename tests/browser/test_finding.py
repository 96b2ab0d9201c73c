"""Somebody writes "I paid and nothing happened": whatever they gave is pasted, found, opened and read."""

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Page, expect

from payments.gateway import Gateway
from tests.browser.rows import one_of_each
from tests.conftest import Clock


@pytest.mark.parametrize("given", ["email", "subscription_id", "user_id", "intent_id", "id"])
def test_what_the_customer_gave_finds_the_payment_and_its_story(
    page: Page, staff: User, stripe_gateway: Gateway, clock: Clock, given: str
) -> None:
    """Paste, Enter, one row, open: whose it is, what happened, and what was answered."""
    payment = one_of_each(gateway=stripe_gateway, clock=clock)["declined"]
    page.goto("/admin/")
    page.get_by_role("link", name="Payments").last.click()
    page.locator("#searchbar").fill(str(getattr(payment, given)))
    page.keyboard.press("Enter")
    rows = page.locator("#result_list tbody tr")
    expect(rows).to_have_count(1)
    rows.get_by_role("link").first.click()
    expect(page.locator("#headline")).to_contain_text("not enough money")
    expect(page.get_by_text(str(payment.id)).first).to_be_visible()
    page.get_by_text("Evidence: Try 1. Declined by the bank").click()
    expect(page.get_by_text("insufficient_funds").first).to_be_visible()


def test_who_is_not_found_is_said_so(page: Page, staff: User, stripe_gateway: Gateway, clock: Clock) -> None:
    """Nothing found is an answer: the page says so, and how to look further."""
    one_of_each(gateway=stripe_gateway, clock=clock)
    page.goto("/admin/payments/payment/?q=nobody@example.kz")
    expect(page.locator("#result_list tbody tr")).to_have_count(0)
    expect(page.get_by_text("No payment has this identifier.")).to_be_visible()
