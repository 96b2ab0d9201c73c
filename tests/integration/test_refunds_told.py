"""Whoever keeps accounts is told of refunds and disputes, on a topic of their own, once each."""

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from billing_project.dev.simulator import Simulator
from bridge.kafka import Sink
from bridge.relay import run_once
from payments import notifications, outbox, refunds
from payments.answers import Page
from payments.gateway import Gateway
from payments.models import OutboxMessage
from tests.conftest import Clock
from tests.integration.kafka_client import make_all_topics, name_topics
from tests.integration.refunding import ask, carry_out, deliver, follow_up, only, pay, told_back

pytestmark = pytest.mark.django_db(transaction=True)

SCHEMA = Draft202012Validator(
    json.loads((Path(__file__).parents[2] / "docs/events/payment.refunded.schema.json").read_text())
)


@pytest.fixture(autouse=True)
def _topic(settings: Any) -> None:
    settings.KAFKA_TOPIC_REFUNDS = "payment.refunded"


def rows() -> list[OutboxMessage]:
    """What is told of money that went back, oldest first."""
    return list(OutboxMessage.objects.filter(channel="refunds").order_by("id"))


def test_a_refund_is_told_once_with_the_sum_so_far(stripe: Simulator, stripe_gateway: Gateway, clock: Clock) -> None:
    """In the unit of the price that came in; under an id that follows from the refund's; bytes as the schema says."""
    payment = pay(stripe_gateway, clock)
    first = ask(payment, clock, 2_550)
    carry_out(stripe_gateway, clock)
    clock.advance(seconds=1)
    ask(payment, clock, 1_000)
    carry_out(stripe_gateway, clock)
    first.refresh_from_db()
    row = rows()[0]
    assert (
        bytes(row.value or b"")
        == (
            f'{{"payment":{{"id":"{payment.id}","subscriptionId":"sub_1","amount":100,"currency":"KZT","status":"success",'
            f'"transactionId":"{payment.intent_id}","metadata":{{"refunded":25.5,"refund":{{"id":"{first.refund_id}",'
            '"amount":25.5,"status":"succeeded"}},"createdAt":"2026-01-31T12:00:00.000Z"},'
            '"user":{"id":"u_1","email":"a@b.kz"}}'
        ).encode()
    )
    transition = f"refund/{first.id}/succeeded"
    assert row.message_id == notifications.notification_id(payment=payment.id, transition=transition)
    assert (row.headers["ce_id"], row.headers["ce_type"]) == (row.message_id, "payment.refunded")
    assert bytes(row.key or b"") == str(payment.id).encode()
    assert [one["refunded"] for one in told_back()] == [25.5, 35.5]


def test_nothing_of_it_is_told_to_those_who_would_thank_again(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock
) -> None:
    """`notification.paying` has the payment's own success, and no more."""
    payment = pay(stripe_gateway, clock)
    ask(payment, clock)
    carry_out(stripe_gateway, clock)
    stripe.control.dispute(payment_intent=payment.intent_id or "")
    deliver(stripe, clock, "charge.dispute.", "refund.")
    follow_up(stripe_gateway, clock)
    assert OutboxMessage.objects.filter(channel="notifications").count() == 1
    assert [next(iter(one.keys() - {"refunded"})) for one in told_back()] == ["refund", "dispute"]


def test_without_a_topic_nobody_is_told(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock, settings: Any
) -> None:
    """The default."""
    settings.KAFKA_TOPIC_REFUNDS = None
    ask(pay(stripe_gateway, clock), clock)
    assert carry_out(stripe_gateway, clock) == ["succeeded"]
    assert rows() == []


def test_a_refund_that_fails_after_it_was_told_is_told_as_failed(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock
) -> None:
    """The sum is what the customer has now; a raw reason of the bank's is not told."""
    payment = pay(stripe_gateway, clock, method="pm_card_refundFail")
    ask(payment, clock)
    carry_out(stripe_gateway, clock)
    stripe.control.resolve_refund(refund=only().refund_id or "", failure_reason="lost_or_stolen_card")
    deliver(stripe, clock, "refund.failed")
    follow_up(stripe_gateway, clock)
    assert [(one["refunded"], one["refund"]["status"]) for one in told_back()] == [(100, "succeeded"), (0, "failed")]
    assert b"stolen" not in b"".join(bytes(row.value or b"") for row in rows())


@pytest.mark.parametrize("outcome", ["failed", "canceled"])
def test_what_nobody_was_told_of_is_not_taken_back(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock, outcome: str
) -> None:
    """Pending, then failed or canceled: the customer never had the money."""
    ask(pay(stripe_gateway, clock, method="pm_card_pendingRefund"), clock)
    carry_out(stripe_gateway, clock)
    stripe.control.resolve_refund(refund=only().refund_id or "", outcome=outcome)
    clock.advance(minutes=1)
    assert carry_out(stripe_gateway, clock) == [outcome]
    assert rows() == []


def test_a_refund_made_in_the_dashboard_is_told_under_an_id_that_follows_from_stripes(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock
) -> None:
    """So that a restored database that sees it again tells it under the same id."""
    payment = pay(stripe_gateway, clock)
    stripe.control.refund(payment_intent=payment.intent_id or "", amount=100)
    page = stripe_gateway.list_refunds(intent=payment.intent_id or "")
    assert isinstance(page, Page)
    refunds.note_refund(payment=payment, seen=page.items[0], now=clock())
    [row] = rows()
    transition = f"refund/{only().id}/succeeded"
    assert row.message_id == notifications.notification_id(payment=payment.id, transition=transition)


@pytest.mark.parametrize(
    ("price", "currency", "unit", "amount", "told"),
    [
        (100, "KZT", "major", 2_550, 25.5),
        (100, "JPY", "major", 30, 30),
        (100, "KWD", "major", 1_230, 1.23),
    ],
)
def test_amounts_are_in_the_unit_of_the_price_that_came_in(
    stripe: Simulator,
    stripe_gateway: Gateway,
    clock: Clock,
    price: int,
    currency: str,
    unit: str,
    amount: int,
    told: Any,
) -> None:
    """As `amount` of the same payment is."""
    payment = pay(stripe_gateway, clock, price=price, currency=currency)
    ask(payment, clock, amount)
    carry_out(stripe_gateway, clock)
    assert told_back()[0]["refund"]["amount"] == told


def test_a_payment_that_came_in_minor_units_is_told_in_minor_units(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock
) -> None:
    """Whatever PRICE_UNIT is by now: what counts is how this payment was told before."""
    payment = pay(stripe_gateway, clock)
    payment.price = payment.amount
    assert outbox.in_price_unit(payment, 2_550) == 2_550


def test_every_message_is_what_the_schema_promises(stripe: Simulator, stripe_gateway: Gateway, clock: Clock) -> None:
    """Refunds that succeed and fail, disputes that are opened, won and lost."""
    for number, outcome in enumerate(("won", "lost")):
        payment = pay(stripe_gateway, clock, method="pm_card_refundFail", subscription=f"sub_{number}")
        ask(payment, clock, 2_550)
        carry_out(stripe_gateway, clock)
        stripe.control.resolve_refund(refund=payment.refunds.get().refund_id or "")
        made = stripe.control.dispute(payment_intent=payment.intent_id or "")
        deliver(stripe, clock, "charge.dispute.", "refund.")
        follow_up(stripe_gateway, clock)
        clock.advance(minutes=1)
        stripe.control.resolve_dispute(dispute=made["id"], outcome=outcome)
        deliver(stripe, clock, "charge.dispute.")
        follow_up(stripe_gateway, clock)
    told = [json.loads(bytes(row.value or b"")) for row in rows()]
    assert len(told) == 8
    assert [error.message for one in told for error in SCHEMA.iter_errors(one)] == []


def test_the_relay_brings_it_to_its_own_topic_and_outlives_a_topic_that_is_no_more(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock, settings: Any
) -> None:
    """Unset later, what still waits is set aside with the reason, and blocks nobody."""
    neighbour = name_topics(settings)
    settings.KAFKA_TOPIC_REFUNDS = neighbour.notifications + ".refunds"
    make_all_topics(neighbour, partitions=1)
    payment = pay(stripe_gateway, clock)
    ask(payment, clock, 100)
    carry_out(stripe_gateway, clock)
    sink = Sink()
    sink.open()
    run_once(sink=sink)
    [record] = neighbour.records(settings.KAFKA_TOPIC_REFUNDS)
    assert record.value == bytes(rows()[0].value or b"")
    ask(payment, clock, 200)
    carry_out(stripe_gateway, clock)
    settings.KAFKA_TOPIC_REFUNDS = None
    pay(stripe_gateway, clock, subscription="sub_2")
    while run_once(sink=sink):
        pass
    sink.close()
    [_, aside] = rows()
    assert aside.refused_at is not None
    assert aside.error == "KAFKA_TOPIC_REFUNDS is not set any more: there is no topic for it"
    assert len(neighbour.records(neighbour.notifications)) == 2
