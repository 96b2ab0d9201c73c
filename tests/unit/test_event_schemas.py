"""The JSON Schemas in docs/events say what the code does: of the event that comes in, and of the one that goes out."""

import copy
import json
import uuid
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from payments import notifications
from payments.intake import PaymentRequest
from payments.notifications import Told
from tests.unit.events import MISSING, decode, event, priced, short

EVENTS = Path(__file__).resolve().parents[2] / "docs" / "events"


def published(name: str) -> Draft202012Validator:
    """The schema that other teams read."""
    document = json.loads((EVENTS / f"{name}.schema.json").read_text())
    Draft202012Validator.check_schema(document)
    return Draft202012Validator(document)


INCOMING = published("payment.createInitial")
OUTGOING = published("notification.paying")

ACCEPTED = [
    event(),
    event(subId=1, user__id=7),
    event(subId=-1, user__id=10**30),
    event(subId="x" * 255, user__id="🙂" * 255),
    event(subId="sub 1", user__email="not checked"),
    event(extra=[], user__extra={"paymentMethod": None}, product__extra="x"),
    event(extra="\x00", product__extra="\ud800", user__extra=json.loads("[" * 31 + "]" * 31)),
    event(user__customer=None),
    event(user__customer="cus_1", user__paymentMethod="card_1"),
    event(product__currency="kzt"),
    event(product__currency="JPY"),
    priced("0.01"),
    priced("99.99"),
    priced("1e2"),
    priced("9999999999.99"),
    priced('"100"'),
    priced('"0.10"'),
    priced('"0100"'),
]
WRONG: dict[str, list[Any]] = {
    "subId": [MISSING, None, True, 1.5, [], {}, "", "  ", "a\x00", "a\n", "\x7f", "x" * 256],
    "user": [MISSING, None, [], "u_1"],
    "user__id": [MISSING, None, False, "", "\t", "x" * 256],
    "user__email": [MISSING, None, 1, "", " ", "a\x1f", "x" * 256],
    "user__paymentMethod": [MISSING, None, 1, "", "pm-1", "pm 1", "пм_1", "x" * 256],
    "user__customer": [1, "", "cus-1", []],
    "product": [MISSING, None, [1], 100],
    "product__price": [
        *(MISSING, None, True, [], 0, -1, -0.5, "", "0", "0.00", "-1", "abc", "1,5", "NaN", "0x10"),
        *("1_000", "٣", " 1", "1 ", "+1", "1.", ".5"),
    ],
    "product__currency": [MISSING, None, 1, "", "KZ", "KZTT", "K T", "К3Т"],
}
REFUSED = [b"[]", b"null", b"{}", b'"text"', priced("0.00"), priced("-1e-9")] + [
    event(**{path: value}) for path, values in WRONG.items() for value in values
]
# What a schema can't say: how many decimals and digits each currency has, and what of the user can be stored.
BEYOND = [
    *(priced("100.001"), priced("0.5", "JPY"), priced("1.234", "KWD"), priced("1.5", "UGX"), priced("1e12")),
    event(user__extra=["\x00"]),
    event(user__extra={"\udfff": 1}),
    event(user__extra="here").replace(b'"here"', b"1e400"),
    event(user__extra=json.loads("[" * 32 + "]" * 32)),
]

TOLD = Told(
    payment=uuid.UUID("8699c93f-449a-5886-8af7-adf7a9d2948b"),
    subscription="sub_1",
    user={"id": "u_1", "email": "a@b.kz"},
    price=Decimal(100),
    currency="KZT",
    status="success",
    transaction="pi_1",
    created_at=datetime(2026, 1, 31, 12, tzinfo=UTC),
    metadata={"attempt": 1},
)
FAILURE: dict[str, Any] = {"attempt": 1, "reason": "Your card was declined.", "actionRequired": False}
WHAT_WE_TELL = {
    "success": TOLD,
    "failed": replace(TOLD, status="failed", metadata=FAILURE | {"willRetryAt": None}),
    "failed before there was an intent": replace(TOLD, status="failed", transaction=None, metadata=FAILURE),
    "failed, tried again later": replace(
        TOLD, status="failed", metadata=FAILURE | {"willRetryAt": notifications.iso(TOLD.created_at)}
    ),
    "the customer must act": replace(TOLD, status="failed", metadata=FAILURE | {"actionRequired": True}),
    "pending": replace(TOLD, status="pending", transaction=None),
    "sent again": replace(TOLD, metadata={"attempt": 1, "resendOf": "14ca2796-c66b-5103-898b-48f0787802be"}),
    "ids that are numbers": replace(TOLD, subscription=1, user={"id": 7, "email": "a@b.kz"}),
    "a user with more fields": replace(TOLD, user=TOLD.user | {"name": "Айгүл", "customer": "cus_1", "tags": []}),
    "a fraction": replace(TOLD, price=Decimal("99.900")),
    "a large amount": replace(TOLD, price=Decimal("999999999999"), currency="JPY"),
}
NEVER_TOLD: dict[str, dict[str, Any]] = {
    "a client secret": {"payment": {"metadata": {"clientSecret": "pi_1_secret_2"}}},
    "a raw error": {"payment": {"metadata": {"error": {"type": "card_error"}}}},
    "a network code": {"payment": {"metadata": {"networkDeclineCode": "05"}}},
    "the payment method": {"user": {"paymentMethod": "pm_1"}},
    "one field more": {"payment": {"extra": 1}},
    "an envelope": {"pattern": "notification.paying"},
    "a success without a transaction": {"payment": {"transactionId": None}},
    "an empty transaction": {"payment": {"transactionId": ""}},
    "a failure without a reason": {"payment": {"status": "failed"}},
    "a status of Stripe's": {"payment": {"status": "succeeded"}},
    "an amount that is text": {"payment": {"amount": "100"}},
    "an amount of nothing": {"payment": {"amount": 0}},
    "a currency as Stripe writes it": {"payment": {"currency": "kzt"}},
    "a time without a zone": {"payment": {"createdAt": "2026-01-31T12:00:00.000"}},
    "a time of Python's": {"payment": {"createdAt": "2026-01-31T12:00:00.000000+00:00"}},
    "attempt zero": {"payment": {"metadata": {"attempt": 0}}},
    "an id that is none": {"payment": {"id": "1"}},
}


@pytest.mark.parametrize("value", ACCEPTED, ids=short)
def test_the_bridge_understands_what_the_schema_allows(value: bytes) -> None:
    """A producer who validates before sending is never parked for the event's form."""
    assert INCOMING.is_valid(json.loads(value, parse_float=Decimal))
    assert isinstance(decode(value), PaymentRequest)


@pytest.mark.parametrize("value", REFUSED, ids=short)
def test_the_bridge_refuses_what_the_schema_forbids(value: bytes) -> None:
    """And nothing comes through that the schema calls wrong."""
    assert not INCOMING.is_valid(json.loads(value, parse_float=Decimal))
    assert not isinstance(decode(value), PaymentRequest)


@pytest.mark.parametrize("value", BEYOND, ids=short)
def test_only_the_digits_of_money_and_what_can_be_stored_are_beyond_the_schema(value: bytes) -> None:
    """Its description says so; the bridge decides."""
    assert INCOMING.is_valid(json.loads(value, parse_float=Decimal))
    assert not isinstance(decode(value), PaymentRequest)


@pytest.mark.parametrize("told", WHAT_WE_TELL.values(), ids=WHAT_WE_TELL)
def test_what_we_tell_is_what_the_schema_promises(told: Told) -> None:
    """Every kind of notification of the contract."""
    errors = [error.message for error in OUTGOING.iter_errors(json.loads(notifications.body(told)))]
    assert errors == []


@pytest.mark.parametrize("addition", NEVER_TOLD.values(), ids=NEVER_TOLD)
def test_the_schema_would_catch_what_must_never_be_told(addition: dict[str, Any]) -> None:
    """It is strict, or validating against it would promise nothing."""
    told = json.loads(notifications.body(TOLD))
    assert OUTGOING.is_valid(told)
    assert not OUTGOING.is_valid(merged(told, addition))


@pytest.mark.parametrize("name", ["id", "subscriptionId", "amount", "currency", "status", "metadata", "createdAt"])
def test_no_field_of_a_notification_may_be_missing(name: str) -> None:
    """Consumers read them without asking whether they are there."""
    told = json.loads(notifications.body(TOLD))
    del told["payment"][name]
    assert not OUTGOING.is_valid(told)


@pytest.mark.parametrize("schema", [INCOMING, OUTGOING], ids=["payment.createInitial", "notification.paying"])
def test_the_examples_in_the_schemas_are_valid(schema: Draft202012Validator) -> None:
    """They are what people copy."""
    document: Any = schema.schema
    assert document["examples"]
    assert [example for example in document["examples"] if not schema.is_valid(example)] == []


def merged(told: dict[str, Any], addition: dict[str, Any]) -> dict[str, Any]:
    """The notification with additions, at whatever depth."""
    result = copy.deepcopy(told)
    for name, value in addition.items():
        result[name] = merged(result[name], value) if isinstance(value, dict) and name in result else value
    return result
