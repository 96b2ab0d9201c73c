"""Stripe's rules, as the product relies on them, through the real SDK over real HTTP.

These tests know nothing of the simulator: whatever `stripe_target` points at has to keep these rules. What
only the simulator can do is tested in `test_simulator_control.py`.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
import stripe
from stripe import StripeClient

from billing_project.dev.simulator import Simulator

AUTOMATIC = {"enabled": True, "allow_redirects": "never"}
ONCE: Any = {"payment_method": "pm_card_visa", "off_session": True}


@pytest.fixture(scope="module")
def stripe_target() -> Iterator[StripeClient]:
    with Simulator() as simulator:
        yield StripeClient("sk_test_contract", base_addresses={"api": simulator.url}, max_network_retries=0)


def make(client: StripeClient, key: str | None = None, **params: Any) -> stripe.PaymentIntent:
    body: Any = {"amount": 2000, "currency": "usd", "automatic_payment_methods": AUTOMATIC} | params
    return client.v1.payment_intents.create(body, {"idempotency_key": key or uuid.uuid4().hex})


def pay(client: StripeClient, **params: Any) -> stripe.PaymentIntent:
    return client.v1.payment_intents.confirm(make(client, **params).id, ONCE)


def save_card(client: StripeClient, card: str = "pm_card_visa") -> tuple[str, str]:
    customer = client.v1.customers.create({"email": "a@b.kz"}).id
    return customer, client.v1.payment_methods.attach(card, {"customer": customer}).id


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


def test_lists_are_newest_first_and_paged(stripe_target: StripeClient) -> None:
    """Reads its own writes; `starting_after` goes on where the page ended."""
    customer = stripe_target.v1.customers.create().id
    made = [make(stripe_target, customer=customer) for _ in range(3)]
    intents = stripe_target.v1.payment_intents
    since = made[0].created
    first = intents.list({"customer": customer, "limit": 2, "created": {"gte": since}})
    assert ([i.id for i in first.data], first.has_more) == ([made[2].id, made[1].id], True)
    rest = intents.list({"customer": customer, "limit": 2, "starting_after": first.data[-1].id})
    assert ([i.id for i in rest.data], rest.has_more) == ([made[0].id], False)
    newer = intents.list({"customer": customer, "ending_before": made[1].id})
    assert [i.id for i in newer.data] == [made[2].id]
    assert not intents.list({"customer": customer, "created": {"lt": since}}).data


def test_refunds_add_up_to_no_more_than_was_taken(stripe_target: StripeClient) -> None:
    """Part, then the rest; a refund over the rest and one after it are refused."""
    paid = pay(stripe_target)
    part = stripe_target.v1.refunds.create({"payment_intent": paid.id, "amount": 500, "metadata": {"refund_id": "1"}})
    assert (part.status, part.amount, part.charge) == ("succeeded", 500, paid.latest_charge)
    with pytest.raises(stripe.InvalidRequestError, match="greater than unrefunded amount") as refused:
        stripe_target.v1.refunds.create({"payment_intent": paid.id, "amount": 1501})
    assert refused.value.param == "amount"
    rest = stripe_target.v1.refunds.create({"payment_intent": paid.id})
    assert rest.amount == 1500
    with pytest.raises(stripe.InvalidRequestError) as done:
        stripe_target.v1.refunds.create({"payment_intent": paid.id})
    assert done.value.code == "charge_already_refunded"
    charge = stripe_target.v1.charges.retrieve(str(paid.latest_charge))
    assert (charge.refunded, charge.amount_refunded, charge.status) == (True, 2000, "succeeded")
    listed = stripe_target.v1.refunds.list({"payment_intent": paid.id})
    assert [r.id for r in listed.data] == [rest.id, part.id]
    assert stripe_target.v1.refunds.retrieve(part.id).payment_intent == paid.id


def test_every_change_is_an_event_with_the_object_as_it_was(stripe_target: StripeClient) -> None:
    """Events name their type and carry a snapshot, not the object's present state."""
    paid = pay(stripe_target)
    seen: dict[str, str] = {}
    for event in stripe_target.v1.events.list({"limit": 20}).data:
        subject = event.data.object.to_dict()
        if subject["id"] in {paid.id, paid.latest_charge}:
            seen[event.type] = subject["status"]
    assert seen == {
        "payment_intent.created": "requires_payment_method",
        "charge.succeeded": "succeeded",
        "payment_intent.succeeded": "succeeded",
    }
    last = stripe_target.v1.events.list({"type": "payment_intent.succeeded", "limit": 1}).data[0]
    assert stripe_target.v1.events.retrieve(last.id).type == "payment_intent.succeeded"


def test_an_unknown_key_is_401_and_a_good_one_knows_its_account(stripe_target: StripeClient) -> None:
    """Nothing is answered without a key."""
    assert stripe_target.v1.accounts.retrieve_current().id.startswith("acct_")
    with pytest.raises(stripe.AuthenticationError) as refused:
        stripe_target.v1.accounts.retrieve_current({}, {"api_key": "sk_nobody"})
    assert refused.value.http_status == 401
