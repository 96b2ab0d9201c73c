"""Stripe's rules for PaymentIntents, as the product relies on them, through the real SDK over real HTTP.

These tests and those of `test_simulator_contract_*.py` know nothing of the simulator: whatever `stripe_target`
points at has to keep these rules. With STRIPE_SANDBOX_KEY (`sk_test_…`) in the environment they also run against
Stripe's sandbox, with Stripe's documented test cards. What only the simulator can do is tested in
`test_simulator_control.py`, `…_faults.py`, `…_money_back.py` and `…_webhooks.py`.
"""

from __future__ import annotations

from typing import Any

import pytest
import stripe
from stripe import StripeClient

from tests.integration.stripe_contract import ONCE, make, pay


def test_an_unconfirmed_payment_intent_takes_no_money(stripe_target: StripeClient) -> None:
    """Create alone never charges, and what was sent comes back, the currency in lower case."""
    made = make(stripe_target, currency="USD", metadata={"subscription_id": "sub_1"}, description="Plan")
    assert (made.status, made.amount_received, made.latest_charge) == ("requires_payment_method", 0, None)
    assert (made.amount, made.currency, made.livemode, made.description) == (2000, "usd", False, "Plan")
    assert made.metadata.to_dict() == {"subscription_id": "sub_1"}
    assert made.client_secret and made.client_secret.startswith(made.id)
    assert make(stripe_target, payment_method="pm_card_visa").status == "requires_confirmation"


def test_a_confirmed_payment_intent_has_one_successful_charge(stripe_target: StripeClient) -> None:
    """200 `succeeded` means that the whole amount was taken, by a charge that names the card."""
    paid = pay(stripe_target)
    assert (paid.status, paid.amount_received, paid.last_payment_error) == ("succeeded", 2000, None)
    charge = stripe_target.v1.charges.retrieve(str(paid.latest_charge))
    assert (charge.status, charge.paid, charge.refunded, charge.amount_refunded) == ("succeeded", True, False, 0)
    assert charge.payment_intent == paid.id
    assert charge.payment_method_details and charge.payment_method_details.card
    assert charge.payment_method_details.card.last4 == "4242"
    assert charge.payment_method_details.card.fingerprint


def test_creating_and_confirming_may_be_one_request(stripe_target: StripeClient) -> None:
    """`confirm=true` on create charges at once, off session too; expanded objects come along."""
    paid = make(stripe_target, confirm=True, expand=["latest_charge", "payment_method"], **ONCE)
    assert isinstance(paid.latest_charge, stripe.Charge) and paid.latest_charge.paid
    assert isinstance(paid.payment_method, stripe.PaymentMethod)


@pytest.mark.parametrize("path", ["latest_charge.nothing", "charge", "data.latest_charge", "metadata"])
def test_what_cannot_be_expanded_is_refused_before_anything_is_charged(stripe_target: StripeClient, path: str) -> None:
    """Which properties can be depends on the object that the answer is."""
    made = make(stripe_target)
    wish: Any = {**ONCE, "expand": [path]}
    with pytest.raises(stripe.InvalidRequestError) as refused:
        stripe_target.v1.payment_intents.confirm(made.id, wish)
    assert refused.value.http_status == 400
    assert "cannot be expanded" in str(refused.value)
    assert stripe_target.v1.payment_intents.retrieve(made.id).status == "requires_payment_method"


def test_lists_expand_what_their_items_hold(stripe_target: StripeClient) -> None:
    """By a path through `data`."""
    paid = pay(stripe_target)
    [first] = stripe_target.v1.payment_intents.list({"limit": 1, "expand": ["data.latest_charge"]}).data
    assert first.id == paid.id
    assert isinstance(first.latest_charge, stripe.Charge)


def test_what_succeeded_can_be_neither_confirmed_nor_canceled(stripe_target: StripeClient) -> None:
    """A PaymentIntent makes at most one successful charge, and a success stays one."""
    paid = pay(stripe_target)
    for again in (stripe_target.v1.payment_intents.confirm, stripe_target.v1.payment_intents.cancel):
        with pytest.raises(stripe.InvalidRequestError) as refused:
            again(paid.id)
        assert refused.value.code == "payment_intent_unexpected_state"
        assert refused.value.http_status == 400


def test_what_was_canceled_can_never_be_charged(stripe_target: StripeClient) -> None:
    """Cancel closes for good."""
    made = make(stripe_target)
    gone = stripe_target.v1.payment_intents.cancel(made.id, {"cancellation_reason": "abandoned"})
    assert (gone.status, gone.cancellation_reason) == ("canceled", "abandoned")
    with pytest.raises(stripe.InvalidRequestError) as refused:
        stripe_target.v1.payment_intents.confirm(made.id, ONCE)
    assert refused.value.code == "payment_intent_unexpected_state"
    assert stripe_target.v1.payment_intents.retrieve(made.id).latest_charge is None


@pytest.mark.parametrize(
    ("params", "code", "param"),
    [
        ({"foo": 1}, "parameter_unknown", "foo"),
        ({"automatic_payment_methods": {"on": True}}, "parameter_unknown", "automatic_payment_methods[on]"),
        ({"currency": None}, "parameter_missing", "currency"),
        ({"amount": "ten"}, "parameter_invalid_integer", "amount"),
        ({"amount": 0}, "parameter_invalid_integer", "amount"),
        ({"amount": 49}, "amount_too_small", "amount"),
        ({"amount": 100_000_000}, "amount_too_large", "amount"),
        ({"payment_method_types": ["card"]}, "payment_method_types_no_longer_supported", "payment_method_types"),
        ({"currency": "xxx"}, None, "currency"),
        ({"off_session": True}, None, "off_session"),
        ({"payment_method": "pm_none"}, "resource_missing", "payment_method"),
        ({"customer": "cus_none"}, "resource_missing", "customer"),
    ],
)
def test_a_bad_parameter_is_named(
    stripe_target: StripeClient, params: dict[str, Any], code: str | None, param: str
) -> None:
    """400 `invalid_request_error` with the parameter, and a code where Stripe has one."""
    with pytest.raises(stripe.InvalidRequestError) as refused:
        make(stripe_target, **params)
    assert (refused.value.http_status, refused.value.param) == (400, param)
    assert code is None or refused.value.code == code


def test_an_unknown_object_in_the_path_is_404(stripe_target: StripeClient) -> None:
    """`resource_missing`, with the message that names the object."""
    with pytest.raises(stripe.InvalidRequestError, match="No such payment_intent: 'pi_none'") as missing:
        stripe_target.v1.payment_intents.retrieve("pi_none")
    assert (missing.value.http_status, missing.value.code, missing.value.param) == (404, "resource_missing", "intent")


def test_an_unknown_key_is_401_and_a_good_one_knows_its_account(stripe_target: StripeClient) -> None:
    """Nothing is answered without a key."""
    assert stripe_target.v1.accounts.retrieve_current().id.startswith("acct_")
    with pytest.raises(stripe.AuthenticationError) as refused:
        stripe_target.v1.accounts.retrieve_current({}, {"api_key": "sk_nobody"})
    assert refused.value.http_status == 401
