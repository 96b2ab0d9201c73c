"""Journeys with many payments, and with more than one person at the desk."""

import csv
import io
from pathlib import Path

from playwright.sync_api import Page, expect

from billing_project.dev.simulator import Simulator
from payments.gateway import Gateway
from payments.models import Attempt, Payment
from tests.browser.checks import assert_accessible
from tests.browser.conftest import Open
from tests.browser.people import choose, confirm, look_again_until, look_at, now, see_result
from tests.browser.rows import decline_once, take
from tests.browser.site import Site

# One more than APPROVAL_ABOVE_COUNT is by default.
TOO_MANY = 21
# Of each of Stripe's answers: long enough for a second person to press a button.
SLOWLY_MS = 15_000


def _choose_all(page: Page, title: str) -> None:
    """Of a list that fits one page: all of it, and what to do with it."""
    page.goto("/admin/payments/payment/?status=failed")
    assert_accessible(page, where="the list")
    page.locator("#action-toggle").check()
    page.locator("select[name=action]").select_option(label=title)
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.get_by_label("Reason")).to_be_visible()


def test_many_are_tried_again_when_a_second_person_approves(
    hire: Open, site: Site, stripe: Simulator, stripe_gateway: Gateway
) -> None:
    """Chosen on the list, previewed, asked for; it waits, another person says yes, and all of it is paid."""
    decline_once(TOO_MANY, stripe=stripe, gateway=stripe_gateway, clock=now)
    aida, gulnar = hire("Support", "aida"), hire("Lead", "gulnar")
    _choose_all(aida, "Try again")
    expect(aida.locator(".job-headline")).to_have_text("Try again: 21 of them, 2 100.00 KZT")
    expect(aida.get_by_text("a second person has to approve it")).to_be_visible()
    assert_accessible(aida, where="the preview of many")
    confirm(aida, "Ask for approval", why="the bank was down this morning")
    expect(aida.locator(".job-headline")).to_have_text("Try again: waits for a second person")
    expect(aida.get_by_role("button", name="Approve")).to_have_count(0)
    assert_accessible(aida, where="a job that waits")
    assert not Payment.objects.exclude(status="failed").exists()

    gulnar.goto("/admin/payments/job/")
    assert_accessible(gulnar, where="the list of jobs")
    gulnar.get_by_role("link", name="Try again").click()
    expect(gulnar.get_by_text("the bank was down this morning")).to_be_visible()
    gulnar.get_by_role("button", name="Approve").click()
    see_result(gulnar, "Try again", done=TOO_MANY)
    aida.reload()
    see_result(aida, "Try again", done=TOO_MANY)
    expect(aida.get_by_text("staff: gulnar")).to_be_visible()
    site.deployment.wait_until(
        lambda: Payment.objects.filter(status="success").count() == TOO_MANY, what="all of them paid"
    )


def test_of_two_people_at_one_payment_one_is_told_that_it_is_under_way(
    hire: Open, site: Site, stripe: Simulator, stripe_gateway: Gateway
) -> None:
    """Both have seen the preview, both press the button: the card is charged once."""
    [payment] = decline_once(1, stripe=stripe, gateway=stripe_gateway, clock=now)
    aida, bulat = hire("Support", "aida"), hire("Support", "bulat")
    for page in (aida, bulat):
        look_at(page, payment)
        choose(page, "Try again")
    stripe.control.set_latency(ms=SLOWLY_MS)
    confirm(aida, "Try again", why="she has topped up her card")
    retried = Payment.objects.filter(status="pending")
    site.deployment.wait_until(retried.exists, what="the payment of the first one is taken up")
    confirm(bulat, "Try again", why="she wrote to me, too")
    see_result(bulat, "Try again", refused=1)
    expect(bulat.get_by_text("it is under way")).to_be_visible()
    stripe.control.set_latency()
    see_result(aida, "Try again", done=1)
    look_at(bulat, payment)
    look_again_until(bulat, "Paid, at try number 2.")
    assert list(Attempt.objects.order_by("number").values_list("asked_by", flat=True))[1:] == ["staff: aida"]


def test_finance_exports_what_the_list_shows(hire: Open, stripe_gateway: Gateway, tmp_path: Path) -> None:
    """The rows of the filter and no others, and no cell that a spreadsheet would carry out."""
    poor = "pm_card_chargeDeclinedInsufficientFunds"
    for name in ("plain", '=HYPERLINK("https://evil.example")'):
        take(name, gateway=stripe_gateway, clock=now, method=poor)
    take("paid", gateway=stripe_gateway, clock=now)
    erlan = hire("Finance", "erlan")
    erlan.goto("/admin/payments/payment/?status=failed")
    assert_accessible(erlan, where="the list")
    with erlan.expect_download() as download:
        erlan.get_by_role("link", name="Export CSV").click()
    download.value.save_as(tmp_path / "payments.csv")
    text = (tmp_path / "payments.csv").read_text(encoding="utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert sorted(row["subscription_id"] for row in rows) == ['\'=HYPERLINK("https://evil.example")', "plain"]
    assert {row["status"] for row in rows} == {"failed"}
    cells = [cell for row in rows for cell in row.values()]
    assert [cell for cell in cells if cell.startswith(("=", "+", "-", "@"))] == []
