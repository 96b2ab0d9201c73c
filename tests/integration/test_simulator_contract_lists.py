"""Stripe's rules for lists and events: what was made is there at once, newest first, by the page."""

from __future__ import annotations

from typing import Any

import pytest
import stripe
from stripe import StripeClient

from tests.integration.stripe_contract import ONCE, make, pay, wait_until


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


def test_every_change_is_an_event_with_the_object_as_it_was(stripe_target: StripeClient) -> None:
    """Events name their type and carry a snapshot, not the object's present state."""
    paid = pay(stripe_target)
    expected = {
        "payment_intent.created": "requires_payment_method",
        "charge.succeeded": "succeeded",
        "payment_intent.succeeded": "succeeded",
    }

    def seen() -> dict[str, str]:
        events = stripe_target.v1.events.list({"limit": 50, "types": list(expected)}).data
        subjects = [(event.type, event.data.object.to_dict()) for event in events]
        return {kind: about["status"] for kind, about in subjects if about["id"] in {paid.id, paid.latest_charge}}

    wait_until(lambda: seen() == expected)
    last = stripe_target.v1.events.list({"type": "payment_intent.succeeded", "limit": 1}).data[0]
    assert stripe_target.v1.events.retrieve(last.id).type == "payment_intent.succeeded"


def test_lists_take_bounds_of_creation(stripe_target: StripeClient) -> None:
    """`gte` and `lte` are met by the very second, `gt` and `lt` are not; a bare second is that second."""
    customer = stripe_target.v1.customers.create().id
    made = make(stripe_target, customer=customer)

    def found(created: Any) -> bool:
        listed = stripe_target.v1.payment_intents.list({"customer": customer, "created": created})
        return [i.id for i in listed.data] == [made.id]

    at = made.created
    assert found({"gte": at}) and found({"lte": at}) and found({"gt": at - 1, "lt": at + 1}) and found(at)
    assert not found({"gt": at}) and not found({"lt": at}) and not found(at + 1)


def test_charges_are_listed_by_payment_intent_with_its_metadata(stripe_target: StripeClient) -> None:
    """Failed ones too, newest first, by the page; each says what was taken for whom."""
    made = make(stripe_target, metadata={"payment_id": "p_1"})
    with pytest.raises(stripe.CardError):
        stripe_target.v1.payment_intents.confirm(
            made.id, {"payment_method": "pm_card_chargeDeclined", "off_session": True}
        )
    stripe_target.v1.payment_intents.confirm(made.id, ONCE)
    charges = stripe_target.v1.charges
    first = charges.list({"payment_intent": made.id, "limit": 1, "created": {"gte": made.created}})
    [taken], [failed] = first.data, charges.list({"payment_intent": made.id, "starting_after": first.data[0].id}).data
    assert first.has_more
    assert (taken.status, taken.amount, taken.amount_captured, taken.amount_refunded) == ("succeeded", 2000, 2000, 0)
    assert (taken.refunded, taken.disputed, taken.livemode, taken.currency) == (False, False, False, "usd")
    assert (failed.status, failed.paid, failed.amount_captured) == ("failed", False, 0)
    for charge in (taken, failed):
        assert charge.payment_intent == made.id and charge.metadata.to_dict() == {"payment_id": "p_1"}
        assert charge.created >= made.created
    assert not charges.list({"payment_intent": made.id, "created": {"lt": made.created}}).data


def test_all_pages_of_a_list_come_by_themselves(stripe_target: StripeClient) -> None:
    """The SDK's own iteration ends, and misses and repeats nothing."""
    customer = stripe_target.v1.customers.create().id
    made = [make(stripe_target, customer=customer).id for _ in range(5)]
    listed = stripe_target.v1.payment_intents.list({"customer": customer, "limit": 2})
    assert [intent.id for intent in listed.auto_paging_iter()] == made[::-1]
