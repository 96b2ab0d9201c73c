"""What each group may do: its pages have these buttons and no others, and a direct POST is refused as well."""

from typing import Any

import pytest
from django.db.models import Model
from playwright.sync_api import Page

from payments.gateway import Gateway
from payments.models import Break, Job, Payment
from tests.browser.conftest import Open
from tests.browser.people import FORBIDDEN, MOVED, look_at, now, post
from tests.browser.rows import take
from tests.integration.parked_rows import park

# Titles of buttons by action; a page has those of its own kind.
ON_PAYMENTS = {
    "retry": "Try again",
    "retry_with": "Try with another payment method",
    "refresh": "Ask Stripe",
    "close": "Close",
    "reissue": "Issue again",
    "refund": "Refund",
    "notify": "Send the notification again",
}
ON_RECORDS = {
    "replay_record": "Judge again",
    "correct_record": "Correct and judge again",
    "dismiss_record": "Dismiss",
}
ON_BREAKS = {"settle_break": "Settle"}
MAY = {
    "Support": {"retry", "retry_with", "refresh", "notify", "replay_record"},
    "Finance": {"refund", "settle_break"},
    "Lead": {"close", "reissue", "correct_record", "dismiss_record"},
}


@pytest.mark.parametrize("group", MAY)
def test_a_group_does_what_it_may_and_nothing_else(hire: Open, stripe_gateway: Gateway, group: str) -> None:
    """Neither by page nor past it; and what is refused has left nothing behind."""
    payment = take("poor", gateway=stripe_gateway, clock=now, method="pm_card_chargeDeclinedInsufficientFunds")
    things: list[tuple[Model, dict[str, str]]] = [
        (payment, ON_PAYMENTS), (park(b"[object Object]", now), ON_RECORDS), (_break(payment), ON_BREAKS),
    ]  # fmt: skip
    page = hire(group, "aida")
    for thing, titles in things:
        look_at(page, thing)
        assert _buttons(page) == {title for name, title in titles.items() if name in MAY[group]}
        for action in titles:
            status = post(page, "/admin/payments/job/begin/", action=action, subject=str(thing.pk))
            assert (action, status) == (action, MOVED if action in MAY[group] else FORBIDDEN)
    assert set(Job.objects.values_list("action", flat=True)) == MAY[group]
    assert not Job.objects.exclude(state="draft").exists()


@pytest.mark.parametrize("group", MAY)
def test_a_group_approves_and_exports_only_if_it_may(hire: Open, stripe_gateway: Gateway, group: str) -> None:
    """Leads approve, Finance exports; nobody of them changes a payment by Django's own forms."""
    payment = take("poor", gateway=stripe_gateway, clock=now, method="pm_card_chargeDeclinedInsufficientFunds")
    waiting = Job.objects.create(
        action="retry", asked_by="staff: bulat", reason="the bank was down", total=0, state="approval", created_at=now()
    )
    page = hire(group, "aida")
    page.goto(f"/admin/payments/job/{waiting.pk}/change/")
    assert page.get_by_role("button", name="Approve").count() == (1 if group == "Lead" else 0)
    approved = post(page, f"/admin/payments/job/{waiting.pk}/approve/")
    assert approved == (MOVED if group == "Lead" else FORBIDDEN)

    page.goto("/admin/payments/payment/")
    assert page.get_by_role("link", name="Export CSV").count() == (1 if group == "Finance" else 0)
    exported = page.request.get("/admin/payments/payment/export/").status
    assert exported == (200 if group == "Finance" else FORBIDDEN)

    for path in ("payment/add/", f"payment/{payment.pk}/change/", f"payment/{payment.pk}/delete/"):
        assert post(page, f"/admin/payments/{path}", status="success") == FORBIDDEN, path
    assert Payment.objects.get().status == "failed"


def _buttons(page: Page) -> set[str]:
    """What can be done here, or could at another time: without the dots of those that lead on."""
    texts: list[Any] = page.locator(".desk-actions .desk-button").all_inner_texts()
    return {text.removesuffix("…").strip() for text in texts}


def _break(payment: Payment) -> Break:
    return Break.objects.create(
        kind="paid_there", intent_id=payment.intent_id or "", payment=payment, found_at=now(), seen_at=now(),
        reason="paid at Stripe, failed here",
    )  # fmt: skip
