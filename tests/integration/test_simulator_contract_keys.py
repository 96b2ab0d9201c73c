"""Stripe's rules for idempotency keys (API v1)."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
import stripe
from stripe import StripeClient

from tests.integration.stripe_contract import ONCE, make, pay


def test_a_key_gives_the_first_answer_again(stripe_target: StripeClient) -> None:
    """Same key, same request: the same body, marked as replayed, and nothing happens twice."""
    made, key = make(stripe_target), uuid.uuid4().hex
    confirm = stripe_target.v1.payment_intents.confirm
    first = confirm(made.id, ONCE, {"idempotency_key": key})
    again = confirm(made.id, ONCE, {"idempotency_key": key})
    assert first.last_response and again.last_response
    assert again.last_response.body == first.last_response.body
    assert again.last_response.headers["Idempotent-Replayed"] == "true"
    assert "Idempotent-Replayed" not in first.last_response.headers
    assert again.last_response.headers["Request-Id"] != first.last_response.headers["Request-Id"]


def test_a_key_keeps_a_decline_even_if_the_card_would_do_now(stripe_target: StripeClient) -> None:
    """The stored 402 is replayed although the PaymentIntent has moved on."""
    made, key = make(stripe_target), uuid.uuid4().hex
    declining: Any = {"payment_method": "pm_card_chargeDeclined", "off_session": True}
    for _ in range(2):
        with pytest.raises(stripe.CardError):
            stripe_target.v1.payment_intents.confirm(made.id, declining, {"idempotency_key": key})
        stripe_target.v1.payment_intents.retrieve(made.id)
    stripe_target.v1.payment_intents.confirm(made.id, ONCE)
    with pytest.raises(stripe.CardError) as declined:
        stripe_target.v1.payment_intents.confirm(made.id, declining, {"idempotency_key": key})
    assert declined.value.error and declined.value.error.payment_intent
    assert declined.value.error.payment_intent.status == "requires_payment_method"


def test_a_key_is_for_one_request_only(stripe_target: StripeClient) -> None:
    """Other parameters or another path under the same key are refused; so are keys of 256 characters."""
    key = uuid.uuid4().hex
    made = make(stripe_target, key)
    with pytest.raises(stripe.IdempotencyError):
        make(stripe_target, key, amount=2001)
    with pytest.raises(stripe.IdempotencyError):
        stripe_target.v1.payment_intents.cancel(made.id, {}, {"idempotency_key": key})
    with pytest.raises(stripe.StripeError) as refused:
        make(stripe_target, "k" * 256)
    assert refused.value.http_status == 400


def test_parameters_that_fail_validation_leave_the_key_free(stripe_target: StripeClient) -> None:
    """Nothing executed, so nothing is stored: the corrected request runs under the same key."""
    key = uuid.uuid4().hex
    with pytest.raises(stripe.InvalidRequestError):
        make(stripe_target, key, amount="a lot")
    assert make(stripe_target, key).status == "requires_payment_method"


def test_a_stored_error_is_replayed_as_one(stripe_target: StripeClient) -> None:
    """The same 402 with the same charge, marked as replayed; only one charge was tried."""
    made, key = make(stripe_target), uuid.uuid4().hex
    declining: Any = {"payment_method": "pm_card_chargeDeclinedInsufficientFunds", "off_session": True}
    errors = []
    for _ in range(2):
        with pytest.raises(stripe.CardError) as declined:
            stripe_target.v1.payment_intents.confirm(made.id, declining, {"idempotency_key": key})
        errors.append(declined.value)
    first, again = errors
    assert again.http_body == first.http_body
    assert (again.http_status, again.headers and again.headers["Idempotent-Replayed"]) == (402, "true")
    assert "Idempotent-Replayed" not in (first.headers or {})
    assert len(stripe_target.v1.charges.list({"payment_intent": made.id}).data) == 1


def test_refunds_take_keys_as_well(stripe_target: StripeClient) -> None:
    """One key, one refund; with another amount it is a 400 `idempotency_error`, and nothing is given back."""
    paid, key = pay(stripe_target), uuid.uuid4().hex
    body: Any = {"payment_intent": paid.id, "amount": 300}
    first, again = (stripe_target.v1.refunds.create(body, {"idempotency_key": key}) for _ in range(2))
    assert again.id == first.id
    with pytest.raises(stripe.IdempotencyError) as refused:
        stripe_target.v1.refunds.create(body | {"amount": 400}, {"idempotency_key": key})
    assert refused.value.http_status == 400
    assert refused.value.error and refused.value.error.type == "idempotency_error"
    assert [r.id for r in stripe_target.v1.refunds.list({"payment_intent": paid.id}).data] == [first.id]
