"""The bytes of `notification.paying`, as a NestJS consumer meets them."""

import json
import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest

from payments import notifications
from payments.notifications import Told

PAYMENT = uuid.UUID("8699c93f-449a-5886-8af7-adf7a9d2948b")
TOLD = Told(
    payment=PAYMENT,
    subscription="sub_1",
    user={"id": "u_1", "email": "a@b.kz"},
    price=Decimal(100),
    currency="KZT",
    status="success",
    transaction="pi_1",
    created_at=datetime(2026, 1, 31, 12, 0, 0, 5000, tzinfo=UTC),
    metadata={"attempt": 1},
)


def test_the_body_is_these_bytes() -> None:
    """Byte for byte: first byte `{`, compact, keys in the order of the contract."""
    assert notifications.body(TOLD) == (
        b'{"payment":{"id":"8699c93f-449a-5886-8af7-adf7a9d2948b","subscriptionId":"sub_1","amount":100,'
        b'"currency":"KZT","status":"success","transactionId":"pi_1","metadata":{"attempt":1},'
        b'"createdAt":"2026-01-31T12:00:00.005Z"},"user":{"id":"u_1","email":"a@b.kz"}}'
    )


def test_the_same_told_twice_is_the_same_bytes() -> None:
    """Consumers may compare; nothing in the body depends on when or where it is written."""
    assert notifications.body(TOLD) == notifications.body(replace(TOLD, metadata=dict(TOLD.metadata)))


@pytest.mark.parametrize("name", ["Айгүл", "李小龍", "zoë", "🙂", "\u2028", "</script>", 'quote " and \\'])
def test_names_go_out_as_they_came_in(name: str) -> None:
    """Raw UTF-8, no \\u escapes beyond those that JSON needs."""
    body = notifications.body(replace(TOLD, user={"id": 1, "email": "a@b.kz", "name": name}))
    assert json.loads(body)["user"]["name"] == name
    assert json.dumps(name, ensure_ascii=False).encode() in body
    assert b"\\u" not in body


@pytest.mark.parametrize("subscription", ["sub_1", "1", 1, 0, -5, 12345678901234567890123, "00"])
def test_the_subscription_keeps_its_json_type(subscription: str | int) -> None:
    """`1` stays a number and `"1"` a text, however large."""
    told = json.loads(notifications.body(replace(TOLD, subscription=subscription)))
    assert told["payment"]["subscriptionId"] == subscription
    assert type(told["payment"]["subscriptionId"]) is type(subscription)


@pytest.mark.parametrize(("price", "text"), [("100.000", b"100"), ("99.900", b"99.9"), ("0.1", b"0.1")])
def test_the_amount_is_a_plain_number(price: str, text: bytes) -> None:
    """As the ledger holds it with three decimals, so the consumer reads it with as many as it needs."""
    assert b'"amount":' + text + b"," in notifications.body(replace(TOLD, price=Decimal(price)))


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_what_json_does_not_know_is_refused(number: float) -> None:
    """`NaN` in a body would stop every consumer at this record."""
    with pytest.raises(ValueError, match="not JSON compliant"):
        notifications.body(replace(TOLD, user={"id": 1, "email": "a@b.kz", "score": number}))


def test_a_payment_without_an_intent_has_no_transaction() -> None:
    """null, and not an empty text that somebody would look up."""
    assert b'"transactionId":null,' in notifications.body(replace(TOLD, status="failed", transaction=None))


@pytest.mark.parametrize(
    ("subscription", "number", "expected"),
    [
        ("sub_1", 1, "8699c93f-449a-5886-8af7-adf7a9d2948b"),
        ("sub_1", 2, "26f83761-3b77-5c57-ad20-210bd525b916"),
        ("1", 1, "40d22e97-2daf-558f-be92-69ec89a13c54"),
    ],
)
def test_the_id_of_a_payment_never_changes(subscription: str, number: int, expected: str) -> None:
    """Written down here, as a restored database must find the payments of its predecessor at Stripe."""
    assert str(notifications.payment_id(subscription=subscription, number=number)) == expected


@pytest.mark.parametrize(
    ("transition", "expected"),
    [
        ("success", "14ca2796-c66b-5103-898b-48f0787802be"),
        ("failed/1", "f3c4dc85-6bba-5906-8ce4-1fbfd43f5db4"),
        ("failed/2", "35295123-5f40-59cf-bb38-886802246687"),
        ("closed", "c730a19a-02fc-59c4-8b10-d722eb9139d1"),
    ],
)
def test_the_id_of_a_notification_never_changes(transition: str, expected: str) -> None:
    """Consumers deduplicate by it, before and after a restore of ours."""
    assert notifications.notification_id(payment=PAYMENT, transition=transition) == expected


def test_ids_of_payments_and_notifications_never_meet() -> None:
    """Each subscription, number and transition has its own, also where names look alike."""
    payments = [
        notifications.payment_id(subscription=name, number=number)
        for name in ("1", "11", "1/1", "sub_1", "SUB_1")
        for number in (1, 11, 111)
    ]
    told = [
        notifications.notification_id(payment=payment, transition=transition)
        for payment in payments
        for transition in ("success", "failed/1", "failed/11", "closed")
    ]
    ids = [str(payment) for payment in payments] + told
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize(
    ("at", "text"),
    [
        (datetime(2026, 1, 31, 12, tzinfo=UTC), "2026-01-31T12:00:00.000Z"),
        (datetime(2026, 1, 31, 12, 0, 0, 999_999, tzinfo=UTC), "2026-01-31T12:00:00.999Z"),
        (datetime(2026, 1, 31, 17, 30, tzinfo=timezone(timedelta(hours=5, minutes=30))), "2026-01-31T12:00:00.000Z"),
        (datetime(2025, 12, 31, 23, 59, 59, tzinfo=timezone(timedelta(hours=-1))), "2026-01-01T00:59:59.000Z"),
    ],
)
def test_times_look_as_javascript_writes_them(at: datetime, text: str) -> None:
    """`toISOString`: UTC, milliseconds, Z."""
    assert notifications.iso(at) == text


def headers(**changes: Any) -> dict[str, str]:
    """Headers of one notification."""
    known: dict[str, Any] = {
        "notification": "n_1",
        "kind": "payment.settled",
        "at": datetime(2026, 1, 31, 12, tzinfo=UTC),
    }
    return notifications.headers(**(known | changes))


def test_headers_are_cloudevents_in_binary_mode() -> None:
    """All attributes that CloudEvents 1.0 asks for, and the content type."""
    assert headers() == {
        "ce_id": "n_1",
        "ce_type": "payment.settled",
        "ce_source": "/billing/payments",
        "ce_specversion": "1.0",
        "ce_time": "2026-01-31T12:00:00.000Z",
        "content-type": "application/json",
    }


def test_the_trace_of_the_event_goes_on() -> None:
    """Only where there was one: an empty `traceparent` would be an invalid one."""
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    assert headers(traceparent=trace) == headers() | {"traceparent": trace}
