"""English, Russian and Kazakh: the browser's own language first, and another one by choice."""

import re

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Page, expect

from payments.gateway import Gateway
from tests.browser.conftest import Open
from tests.browser.rows import one_of_each
from tests.browser.site import Site
from tests.conftest import Clock

LOG_IN = {"en-US": "Log in", "ru-RU": "Войти", "kk-KZ": "Кіру"}
# Names of things that are called so in every language.
NAMES = {"Stripe", "PaymentIntent", "English", "UTC"}


@pytest.mark.parametrize("locale", LOG_IN)
def test_the_browsers_language_is_spoken_from_the_first_page(open_window: Open, locale: str) -> None:
    """Nobody has to choose before they can log in."""
    page = open_window(locale=locale)
    page.goto("/admin/login/")
    expect(page.get_by_role("button", name=LOG_IN[locale])).to_be_visible()
    assert page.locator("html").get_attribute("lang") == locale[:2]


def test_another_language_is_chosen_in_the_menu_and_kept(page: Page, staff: User) -> None:
    """Two clicks, on any page; the next page speaks it too."""
    page.goto("/admin/payments/payment/")
    page.get_by_role("button", name="account and language").click()
    page.get_by_role("button", name="Қазақ").click()
    expect(page.get_by_role("heading", name="Төлемдер").first).to_be_visible()
    page.goto("/admin/payments/refund/")
    expect(page.get_by_role("heading", name="Қайтарымдар").first).to_be_visible()


@pytest.mark.parametrize("locale", ["ru-RU", "kk-KZ"])
def test_the_frame_of_a_page_has_no_english_left(
    site: Site, open_window: Open, stripe_gateway: Gateway, clock: Clock, locale: str
) -> None:
    """Menu, headings and columns: what is a text of ours, unfold's or Django's, and not of the rows."""
    one_of_each(gateway=stripe_gateway, clock=clock)
    page = open_window(locale=locale)
    site.admit(page, User.objects.create_superuser("aida", password="a long enough password"))
    for path in ("", "payments/refund/", "payments/dispute/", "payments/webhook/"):
        page.goto(f"/admin/{path}")
        texts = page.locator("#nav-sidebar, #header-inner, thead th, #content h2, #content h3").all_inner_texts()
        words = set(re.findall(r"[A-Za-z]{3,}", " ".join(texts)))
        # Icons are words of a font.
        icons = set(re.findall(r"[A-Za-z]{3,}", " ".join(page.locator(".material-symbols-outlined").all_inner_texts())))
        assert words - icons - NAMES - {"aida"} == set(), path
