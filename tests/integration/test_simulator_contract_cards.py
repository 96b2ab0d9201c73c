"""Stripe's rules for cards: declines, authentication, and whose a card is."""

from __future__ import annotations

import pytest
import stripe
from stripe import StripeClient

from tests.integration.stripe_contract import ONCE, make, save_card


@pytest.mark.parametrize(
    ("card", "code", "decline_code", "advice"),
    [
        ("pm_card_visa_chargeDeclined", "card_declined", "generic_decline", "try_again_later"),
        (
            "pm_card_visa_chargeDeclinedInsufficientFunds",
            "card_declined",
            "insufficient_funds",
            "try_again_later",
        ),
        ("pm_card_visa_chargeDeclinedLostCard", "card_declined", "lost_card", "do_not_try_again"),
        ("pm_card_visa_chargeDeclinedStolenCard", "card_declined", "stolen_card", "do_not_try_again"),
        ("pm_card_chargeDeclinedExpiredCard", "expired_card", "expired_card", "confirm_card_data"),
        ("pm_card_chargeDeclinedProcessingError", "processing_error", "processing_error", "try_again_later"),
        ("pm_card_authenticationRequired", "authentication_required", "authentication_required", None),
    ],
)
def test_a_decline_says_why_and_can_be_followed_by_another_card(
    stripe_target: StripeClient, card: str, code: str, decline_code: str, advice: str | None
) -> None:
    """402: nothing was taken, the failed charge is named, the intent is open for another method."""
    made = make(stripe_target)
    with pytest.raises(stripe.CardError) as declined:
        stripe_target.v1.payment_intents.confirm(made.id, {"payment_method": card, "off_session": True})
    error = declined.value.error
    assert error is not None and error.payment_intent is not None and error.charge is not None
    assert (declined.value.code, error.decline_code, error.advice_code) == (code, decline_code, advice)
    assert (error.payment_intent.id, error.payment_intent.status) == (made.id, "requires_payment_method")
    assert stripe_target.v1.charges.retrieve(error.charge).status == "failed"
    after = stripe_target.v1.payment_intents.retrieve(made.id)
    assert after.last_payment_error and after.last_payment_error.decline_code == decline_code
    assert after.payment_method is None
    assert stripe_target.v1.payment_intents.confirm(made.id, ONCE).status == "succeeded"


def test_on_session_the_customer_is_asked_to_authenticate(stripe_target: StripeClient) -> None:
    """200 is no success: `requires_action` waits for the customer, and can be canceled."""
    made = make(stripe_target)
    asked = stripe_target.v1.payment_intents.confirm(made.id, {"payment_method": "pm_card_authenticationRequired"})
    assert (asked.status, asked.amount_received) == ("requires_action", 0)
    assert asked.next_action and asked.next_action.type == "use_stripe_sdk"
    assert stripe_target.v1.payment_intents.cancel(made.id).status == "canceled"


def test_the_card_of_a_customer_needs_that_customer(stripe_target: StripeClient) -> None:
    """A saved card works again and again, but only on PaymentIntents of its customer."""
    customer, card = save_card(stripe_target)
    assert stripe_target.v1.payment_methods.retrieve(card).customer == customer
    assert [m.id for m in stripe_target.v1.payment_methods.list({"customer": customer}).data] == [card]
    with pytest.raises(stripe.InvalidRequestError, match="belongs to the Customer") as refused:
        stripe_target.v1.payment_intents.confirm(make(stripe_target).id, {"payment_method": card, "off_session": True})
    assert refused.value.http_status == 400
    for _ in range(2):
        made = make(stripe_target, customer=customer)
        paid = stripe_target.v1.payment_intents.confirm(made.id, {"payment_method": card, "off_session": True})
        assert paid.status == "succeeded"


def test_a_card_of_nobody_can_be_used_once_and_a_detached_one_never(stripe_target: StripeClient) -> None:
    """Without a customer a card serves one attempt; taken from its customer it serves none."""
    single = stripe_target.v1.payment_methods.create({"type": "card", "card": {"token": "tok_visa"}}).id
    customer, detached = save_card(stripe_target)
    stripe_target.v1.payment_methods.detach(detached)
    stripe_target.v1.payment_intents.confirm(make(stripe_target).id, {"payment_method": single, "off_session": True})
    for card in (single, detached):
        with pytest.raises(stripe.InvalidRequestError, match="may not be used again"):
            make(stripe_target, payment_method=card, customer=customer)


def test_a_declining_card_cannot_be_saved_but_one_that_fails_later_can(stripe_target: StripeClient) -> None:
    """Stripe tries a card when it is attached; `chargeCustomerFail` is the one that passes."""
    with pytest.raises(stripe.CardError):
        save_card(stripe_target, "pm_card_chargeDeclined")
    customer, card = save_card(stripe_target, "pm_card_chargeCustomerFail")
    with pytest.raises(stripe.CardError):
        make(stripe_target, customer=customer, confirm=True, payment_method=card, off_session=True)


def test_off_session_nobody_can_authenticate(stripe_target: StripeClient) -> None:
    """402, not `requires_action`; the intent is open again, asks for nothing, and the card is let go."""
    customer, card = save_card(stripe_target, "pm_card_authenticationRequired")
    made = make(stripe_target, customer=customer)
    with pytest.raises(stripe.CardError) as declined:
        stripe_target.v1.payment_intents.confirm(made.id, {"payment_method": card, "off_session": True})
    assert (declined.value.http_status, declined.value.code) == (402, "authentication_required")
    after = stripe_target.v1.payment_intents.retrieve(made.id)
    assert (after.status, after.next_action, after.payment_method) == ("requires_payment_method", None, None)
    assert after.amount_received == 0
    assert stripe_target.v1.payment_methods.retrieve(card).customer == customer
