"""How pages look and read to everyone: contrast, names and structure; light and dark, laptop and phone, by keyboard."""

from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.contrib.auth.models import User
from django.test import Client
from playwright.sync_api import Page, Route, expect

from billing_project.dev.simulator import Simulator
from payments import statement
from payments.gateway import Gateway
from payments.models import Dispute, InboxMessage
from tests.browser.checks import assert_accessible
from tests.browser.conftest import PHONE, Open
from tests.browser.people import now, page_of
from tests.browser.rows import one_of_each
from tests.browser.site import Site
from tests.conftest import Clock
from tests.integration.desk import ask, draft, finish
from tests.integration.refunding import deliver, follow_up
from tests.integration.staff_users import member

WINDOWS: dict[str, dict[str, Any]] = {
    "light": {"color_scheme": "light"},
    "dark": {"color_scheme": "dark"},
    "phone": {**PHONE, "color_scheme": "light"},
    "phone in the dark": {**PHONE, "color_scheme": "dark"},
}

LISTS = ("payment", "inboxmessage", "refund", "dispute", "break", "job", "outboxmessage", "webhook", "reconciliation")

# Whatever reaches beyond the window's right edge, from the outside in.
WIDEST = """[...document.querySelectorAll('body *')]
    .filter(one => one.getBoundingClientRect().right > document.documentElement.clientWidth + 0.5)
    .map(one => `${one.tagName}#${one.id}.${one.className}`.slice(0, 120)).slice(0, 12).join('\\n')"""


@pytest.fixture(params=WINDOWS)
def window(request: pytest.FixtureRequest, open_window: Open) -> Page:
    """A window of each kind in turn, in which nothing moves."""
    return open_window(**WINDOWS[request.param], reduced_motion="reduce")


def look_at(page: Page, path: str) -> None:
    """Open a page, and let axe judge it when it is complete."""
    page.goto(path)
    page.wait_for_load_state("networkidle")
    assert_accessible(page, where=path)
    beyond = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert beyond <= 0, f"{path} is {beyond} px wider than the window: {page.evaluate(WIDEST)}"


def test_every_page_can_be_read_by_everyone(site: Site, window: Page, stripe_gateway: Gateway, clock: Clock) -> None:
    """Nothing that axe calls serious, and nothing that has to be scrolled sideways."""
    rows = one_of_each(gateway=stripe_gateway, clock=clock)
    look_at(window, "/admin/login/")
    site.admit(window, User.objects.create_superuser("aida", password="a long enough password"))
    for path in ("", "two-factor/", *(f"payments/{name}/" for name in LISTS), "payments/payment/?q=nobody"):
        look_at(window, f"/admin/{path}")
    for payment in rows.values():
        look_at(window, page_of(payment))


def test_every_page_of_what_staff_do_can_be_read_by_everyone(
    site: Site, window: Page, stripe: Simulator, stripe_gateway: Gateway, clock: Clock
) -> None:
    """Previews, results, a parked record, a dispute; of what is done and of what is refused."""
    rows = one_of_each(gateway=stripe_gateway, clock=clock)
    stripe.control.dispute(payment_intent=rows["paid"].intent_id or "")
    deliver(stripe, clock, "charge.dispute.")
    follow_up(stripe_gateway, clock)
    site.admit(window, User.objects.create_superuser("aida", password="a long enough password"))
    parked = InboxMessage.objects.get(verdict="invalid")
    finished = ask("notify", list(rows.values()), clock)
    finish(finished, clock)
    for thing in (
        parked, Dispute.objects.get(), rows["paid"],
        draft("correct_record", [parked], clock), draft("refund", [rows["paid"]], clock),
        draft("retry", list(rows.values()), clock), finished,
    ):  # fmt: skip
        look_at(window, page_of(thing))
    look_at(window, "/admin/payments/staffentry/")


def test_what_is_said_while_the_database_is_away_can_be_read_by_everyone(window: Page, settings: Any) -> None:
    """Made by the project's own handler, and shown where the site would show it: a site in debugging says more."""
    settings.ROOT_URLCONF = "tests.integration.crashing"
    broken = Client(raise_request_exception=False)

    def show(route: Route) -> None:
        answer = broken.get(urlsplit(route.request.url).path, headers={"Accept-Language": "en"})
        route.fulfill(headers=dict(answer.items()), body=answer.content)

    for path, words in (("/admin/miss/", "The database does not answer"), ("/admin/crash/", "This page has failed")):
        window.route(f"**{path}", show)
        look_at(window, path)
        expect(window.get_by_role("heading", name=words)).to_be_visible()


def test_a_months_statement_can_be_read_by_everyone(
    site: Site, window: Page, stripe: Simulator, stripe_gateway: Gateway, clock: Clock
) -> None:
    """With what differs, and before there is one."""
    one_of_each(gateway=stripe_gateway, clock=clock)
    stripe.control.add_foreign_payment(amount=700_000, currency="kzt")
    later = now() + timedelta(minutes=10)
    asked = statement.ask(month=statement.month_of(later), who="staff: aida", now=later)
    statement.make(statement=asked, gateway=stripe_gateway, clock=lambda: later)
    site.admit(window, member("Finance"))
    look_at(window, f"/admin/payments/statement/?month={asked}")
    look_at(window, "/admin/payments/statement/?month=2024-02")


def test_no_text_of_a_list_is_cut_off_on_a_phone(
    site: Site, open_window: Open, stripe_gateway: Gateway, clock: Clock
) -> None:
    """A reason of three lines is read, not guessed."""
    one_of_each(gateway=stripe_gateway, clock=clock)
    page = open_window(**PHONE)
    site.admit(page, User.objects.create_superuser("aida", password="a long enough password"))
    page.goto("/admin/payments/payment/")
    cut = page.locator("#result_list td").evaluate_all(
        "cells => cells.filter(cell => cell.scrollHeight > cell.clientHeight + 1).map(cell => cell.innerText)"
    )
    assert cut == []


def _focused(page: Page) -> dict[str, Any]:
    found: dict[str, Any] = page.evaluate(
        """() => {
            const one = document.activeElement, style = getComputedStyle(one), box = one.getBoundingClientRect();
            const frame = one.closest('.focus-within\\\\:outline-2');
            const drawn = s => s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) > 0;
            return {tag: one.tagName, name: one.name || '', href: one.getAttribute('href') || '',
                    text: (one.innerText || one.getAttribute('aria-label') || '').trim(),
                    seen: box.width > 0 && box.height > 0,
                    marked: drawn(style) || Boolean(frame && drawn(getComputedStyle(frame)))};
        }"""
    )
    return found


def test_the_list_is_used_by_keyboard_alone(page: Page, staff: User, stripe_gateway: Gateway, clock: Clock) -> None:
    """Tab comes to the navigation, the search and the rows, and where it is can be seen; Enter opens."""
    rows = one_of_each(gateway=stripe_gateway, clock=clock)
    page.goto("/admin/payments/payment/")
    stops: list[dict[str, Any]] = []
    for _ in range(60):
        page.keyboard.press("Tab")
        stop = _focused(page)
        if stop["tag"] == "BODY":
            break
        stops.append(stop)
    assert [stop for stop in stops if not (stop["seen"] and stop["marked"])] == []
    hrefs = [stop["href"] for stop in stops]
    assert "/admin/payments/refund/" in hrefs, "navigation"
    assert "q" in [stop["name"] for stop in stops], "search"
    assert [href for href in hrefs if str(rows["declined"].id) in href], "rows"

    page.goto("/admin/payments/payment/")
    while _focused(page)["name"] != "q":
        page.keyboard.press("Tab")
    page.keyboard.type("stolen@example.kz")
    page.keyboard.press("Enter")
    page.wait_for_url("**/?q=stolen%40example.kz*")
    while str(rows["stolen"].id) not in _focused(page)["href"]:
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/{rows['stolen'].id}/change/**")
