"""The card that a customer knows: brand and last four digits of what was tried, as Stripe tells them."""

from typing import Any

import pytest

from billing_project.dev.simulator import Simulator
from payments import charging
from payments.answers import CardFace, Declined, Rejected, Seen
from payments.gateway import CreateIntent, Gateway
from payments.models import Attempt, Payment
from tests.conftest import Clock
from tests.integration.events import accept, event, record

pytestmark = pytest.mark.django_db
WISH = CreateIntent(payment="p", subscription="s", amount=1000, currency="KZT", customer="")
OLD_REQUEST: dict[str, Any] = {"payment_method": "pm_card_amex", "off_session": True}


def charge(gateway: Gateway, clock: Clock, method: str) -> Attempt:
    """One event with this method, charged once."""
    accept(record(event("sub_1", method=method), at=clock()), now=clock())
    charging.charge(payment_ids=[Payment.objects.get().id], gateway=gateway, clock=clock)
    return Attempt.objects.get()


@pytest.mark.parametrize(
    ("method", "state", "brand", "last4"),
    [
        ("pm_card_mastercard", "succeeded", "mastercard", "4444"),
        ("pm_card_chargeDeclinedInsufficientFunds", "declined", "visa", "9995"),
        ("pm_card_authenticationRequired", "action_required", "visa", "3184"),
    ],
)
def test_an_attempt_keeps_the_card_that_it_was_made_with(
    stripe_gateway: Gateway, clock: Clock, method: str, state: str, brand: str, last4: str
) -> None:
    """Whether it was paid or declined: "my card ending in 4444" finds it."""
    tried = charge(stripe_gateway, clock, method)
    assert (tried.state, tried.brand, tried.last4) == (state, brand, last4)


def test_a_success_that_is_only_seen_later_tells_the_card_too(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock
) -> None:
    """The answer to the confirm was lost; a look at the PaymentIntent brings the charge."""
    stripe.control.add_fault(endpoint="payment_intents.confirm", kind="reset", effect="after", count=1)
    assert charge(stripe_gateway, clock, "pm_card_amex").state == "unknown"
    clock.advance(minutes=1)
    charging.charge(payment_ids=[Payment.objects.get().id], gateway=stripe_gateway, clock=clock)
    tried = Attempt.objects.get()
    assert (tried.state, tried.brand, tried.last4) == ("succeeded", "amex", "8431")


def test_an_attempt_that_another_version_froze_is_sent_again_as_it_was(stripe_gateway: Gateway, clock: Clock) -> None:
    """A key stands for its bytes: with other parameters Stripe would refuse it, and nobody would know what it took."""
    made = stripe_gateway.create(wish=WISH, key="create")
    assert isinstance(made, Seen)
    first = stripe_gateway.confirm(intent=made.intent.id, request=OLD_REQUEST, key="frozen")
    again = stripe_gateway.confirm(intent=made.intent.id, request=OLD_REQUEST, key="frozen")
    assert isinstance(first, Seen) and isinstance(again, Seen)
    assert (again.intent.status, again.intent.face) == ("succeeded", CardFace())
    assert again.intent.charge == first.intent.charge
    seen = stripe_gateway.retrieve(intent=made.intent.id)
    assert isinstance(seen, Seen)
    assert (seen.intent.charge, seen.intent.face) == (first.intent.charge, CardFace(brand="amex", last4="8431"))


def test_a_look_at_what_was_never_charged_tells_no_card(stripe_gateway: Gateway) -> None:
    """There is no charge to expand."""
    made = stripe_gateway.create(wish=WISH, key="create")
    assert isinstance(made, Seen)
    seen = stripe_gateway.retrieve(intent=made.intent.id)
    assert isinstance(seen, Seen)
    assert (seen.intent.charge, seen.intent.face) == ("", CardFace())


def test_a_decline_tells_the_card_without_being_asked(stripe_gateway: Gateway) -> None:
    """The error carries the payment method; a request that can't be carried out carries none."""
    made = stripe_gateway.create(wish=WISH, key="create")
    assert isinstance(made, Seen)
    declined = stripe_gateway.confirm(
        intent=made.intent.id, request={"payment_method": "pm_card_chargeDeclined", "off_session": True}, key="one"
    )
    assert isinstance(declined, Declined)
    assert declined.face == CardFace(brand="visa", last4="0002")
    refused = stripe_gateway.confirm(intent=made.intent.id, request=OLD_REQUEST | {"expand": ["nothing"]}, key="two")
    assert isinstance(refused, Rejected)
