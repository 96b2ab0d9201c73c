"""What a person of the staff does at the desk, click by click: the vocabulary of the journeys."""

import time
from datetime import UTC, datetime
from typing import Any

from django.db.models import Model
from playwright.sync_api import Page, expect

from tests.browser.checks import assert_accessible

# A job of a few items, its charges and the sweeps between them, on a slow machine.
WITHIN_MS = 120_000
MOVED, FORBIDDEN = 302, 403


def now() -> datetime:
    """The site's own time: its processes have no clock of ours."""
    return datetime.now(UTC)


def page_of(thing: Model) -> str:
    """Where one thing is looked at."""
    return f"/admin/payments/{thing._meta.model_name}/{thing.pk}/change/"


def look_at(page: Page, thing: Model) -> None:
    """Open its page; everyone can read it."""
    page.goto(page_of(thing))
    assert_accessible(page, where="the page of one thing")


def find(page: Page, given: str) -> None:
    """Paste what somebody gave into the search of the list, and open what is found."""
    page.goto("/admin/payments/payment/")
    page.locator("#searchbar").fill(given)
    page.keyboard.press("Enter")
    rows = page.locator("#result_list tbody tr")
    expect(rows).to_have_count(1)
    rows.get_by_role("link").first.click()
    expect(page.locator("#headline")).to_be_visible()


def choose(page: Page, title: str) -> None:
    """Press a button of what can be done: a preview comes, and everyone can read it."""
    page.get_by_role("button", name=f"{title} …", exact=True).click()
    expect(page.get_by_label("Reason")).to_be_visible()
    assert_accessible(page, where="the preview")


def confirm(page: Page, button: str, *, why: str, **fields: str) -> None:
    """Say why, fill in the rest by its label, and go."""
    for label, value in fields.items():
        page.get_by_label(label.replace("_", " ")).fill(value)
    page.get_by_label("Reason").fill(why)
    page.get_by_role("button", name=button, exact=True).click()


def see_result(page: Page, title: str, *, done: int = 0, refused: int = 0) -> None:
    """The page of the job says by itself how it has ended; everyone can read it."""
    expect(page.locator(".job-headline")).to_have_text(f"{title}: done", timeout=WITHIN_MS)
    expect(page.locator("#job-counts")).to_have_text(f"{done} done · {refused} refused · 0 waiting")
    assert_accessible(page, where="the result")


def look_again_until(page: Page, text: str) -> None:
    """Reload, as somebody who waits does, until the headline begins with this."""
    until = time.monotonic() + WITHIN_MS / 1000
    while not (told := " ".join(page.locator("#headline").inner_text().split())).startswith(text):
        assert time.monotonic() < until, f"still: {told}"
        page.reload()


def post(page: Page, path: str, **form: Any) -> int:
    """Post as the person at this window, past all pages and buttons. Returns the status of the answer."""
    token = page.locator("input[name=csrfmiddlewaretoken]").first.get_attribute("value")
    answer = page.request.post(path, form={"csrfmiddlewaretoken": token or "", **form}, max_redirects=0)
    return answer.status
