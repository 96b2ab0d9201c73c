"""Journeys with one payment: somebody asks, staff look, do something about it, and see that it has worked."""

import pytest
from playwright.sync_api import expect

from billing_project.dev.simulator import Simulator
from payments.gateway import Gateway
from payments.models import Payment
from tests.browser.conftest import Open
from tests.browser.people import choose, confirm, find, look_again_until, look_at, now, see_result
from tests.browser.rows import decline_once, leave_unknown, take
from tests.integration.parked_rows import park, value


def test_support_finds_a_payment_and_reads_what_happened(hire: Open, stripe_gateway: Gateway) -> None:
    """ "I paid and nothing happened": the e-mail is pasted, and the answer is there in words."""
    take("poor", gateway=stripe_gateway, clock=now, method="pm_card_chargeDeclinedInsufficientFunds")
    take("lucky", gateway=stripe_gateway, clock=now)
    aida = hire("Support", "aida")
    find(aida, "poor@example.kz")
    headline = "Declined by the bank: not enough money. Nothing was taken. Safe to retry."
    expect(aida.locator("#headline")).to_have_text(headline)
    answers = aida.locator(".desk-answers")
    expect(answers.locator("div", has_text="Was money taken?").first).to_contain_text("No")
    find(aida, "lucky@example.kz")
    expect(aida.locator("#headline")).to_contain_text("100.00 KZT was taken.")


def test_support_tries_a_declined_card_again_and_sees_it_paid(
    hire: Open, stripe: Simulator, stripe_gateway: Gateway
) -> None:
    """Button, preview, reason, result; the payment's page then says that it is paid, and who had it tried."""
    [payment] = decline_once(1, stripe=stripe, gateway=stripe_gateway, clock=now)
    aida = hire("Support", "aida")
    look_at(aida, payment)
    choose(aida, "Try again")
    expect(aida.locator(".job-headline")).to_have_text("Try again: 100.00 KZT")
    confirm(aida, "Try again", why="she has topped up her card")
    see_result(aida, "Try again", done=1)
    aida.get_by_role("link", name="Back", exact=True).click()
    look_again_until(aida, "Paid, at try number 2.")
    expect(aida.locator("#headline")).to_contain_text("100.00 KZT was taken.")
    expect(aida.locator(".desk-line")).to_contain_text("she has topped up her card")


def test_nobody_retries_a_payment_whose_outcome_is_unknown(
    hire: Open, stripe: Simulator, stripe_gateway: Gateway
) -> None:
    """The money may be taken already: the button is there, disabled, and says why."""
    payment = leave_unknown(stripe=stripe, gateway=stripe_gateway, clock=now)
    aida = hire("Support", "aida")
    look_at(aida, payment)
    expect(aida.locator("#headline")).to_contain_text("Whether money was taken is not known yet.")
    button = aida.get_by_role("button", name="Try again", exact=True)
    expect(button).to_be_disabled()
    expect(button).to_have_accessible_description("Not now: its outcome is unknown: Stripe is being asked")
    expect(aida.get_by_role("button", name="Try again …", exact=True)).to_have_count(0)


@pytest.mark.usefixtures("sweeping")
def test_finance_gives_a_part_back(hire: Open, stripe_gateway: Gateway) -> None:
    """12.50 of 100: it is that at Stripe as well, and the payment's page says both sums."""
    payment = take("lucky", gateway=stripe_gateway, clock=now)
    erlan = hire("Finance", "erlan")
    look_at(erlan, payment)
    choose(erlan, "Refund")
    confirm(erlan, "Refund", why="half a month was not delivered", Amount="12.50")
    see_result(erlan, "Refund", done=1)
    expect(erlan.get_by_text("12.50 KZT go back")).to_be_visible()
    look_at(erlan, payment)
    look_again_until(erlan, "Paid, and refunded in part. 100.00 KZT was taken, and 12.50 KZT of it was given back.")
    expect(erlan.get_by_text("half a month was not delivered").first).to_be_visible()
    assert list(payment.refunds.values_list("amount", "state")) == [(1250, "succeeded")]


def test_a_parked_record_is_corrected_and_charged(hire: Open, stripe_gateway: Gateway) -> None:
    """The form begins with what came; what is put in its place becomes a payment, which is paid."""
    parked = park(b'{"subId": "sub_torn", "user": {}}', now)
    gulnar = hire("Lead", "gulnar")
    look_at(gulnar, parked)
    choose(gulnar, "Correct and judge again")
    expect(gulnar.get_by_label("Corrected event")).to_have_value('{"subId": "sub_torn", "user": {}}')
    corrected = value("sub_torn", user="u_torn").decode()
    confirm(gulnar, "Correct and judge again", why="the shop has sent it by mail", Corrected_event=corrected)
    see_result(gulnar, "Correct and judge again", done=1)
    find(gulnar, "sub_torn")
    look_again_until(gulnar, "Paid.")
    assert Payment.objects.get().subscription_id == "sub_torn"
