"""The schema of `payment.refunded` is strict, or validating against it would promise nothing."""

import copy
from typing import Any

import pytest

from tests.unit.test_event_schemas import merged, published

SCHEMA = published("payment.refunded")
DOCUMENT: Any = SCHEMA.schema
EXAMPLE: dict[str, Any] = DOCUMENT["examples"][0]

NEVER_TOLD: dict[str, dict[str, Any]] = {
    "a raw reason of the bank's": {"payment": {"metadata": {"refund": {"failure_reason": "lost_or_stolen_card"}}}},
    "a network's code": {"payment": {"metadata": {"refund": {"networkReasonCode": "10.4"}}}},
    "a refund that isn't known to have succeeded": {"payment": {"metadata": {"refund": {"status": "pending"}}}},
    "a word of Stripe's for a dispute": {"payment": {"metadata": {"dispute": {"status": "needs_response"}}}},
    "both at once": {"payment": {"metadata": {"dispute": {"id": "du_1", "amount": 1, "status": "open"}}}},
    "one field more": {"payment": {"metadata": {"attempt": 1}}},
    "a payment that isn't a success any more": {"payment": {"status": "refunded"}},
    "a sum below nothing": {"payment": {"metadata": {"refunded": -1}}},
    "the payment method": {"user": {"paymentMethod": "pm_1"}},
}


def test_the_examples_are_valid() -> None:
    """They are what people copy."""
    assert [one for one in DOCUMENT["examples"] if not SCHEMA.is_valid(one)] == []


@pytest.mark.parametrize("addition", NEVER_TOLD.values(), ids=NEVER_TOLD)
def test_the_schema_would_catch_what_must_never_be_told(addition: dict[str, Any]) -> None:
    """Whoever keeps accounts needs amounts and ends, and nothing about cards."""
    assert not SCHEMA.is_valid(merged(EXAMPLE, addition))


@pytest.mark.parametrize("name", ["refunded", "refund"])
def test_what_has_happened_may_not_be_missing(name: str) -> None:
    """And it is one thing."""
    told = copy.deepcopy(EXAMPLE)
    del told["payment"]["metadata"][name]
    assert not SCHEMA.is_valid(told)
