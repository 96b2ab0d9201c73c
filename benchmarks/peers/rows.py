"""A record as rows of the product's own tables. Each peer of intake is a process of its own, and imports this first."""

import hashlib
import json
from datetime import UTC, datetime

import django
from confluent_kafka import Message

django.setup()

from payments import notifications  # noqa: E402 -- Django's models can't be imported before that
from payments.models import InboxMessage, Payment, Subscription  # noqa: E402 -- as above

Rows = tuple[Subscription, Payment, InboxMessage]


def rows_of(message: Message) -> Rows:
    """Unsaved, in the order of their references. The payment's id is derived, so that a redelivery has the same."""
    return make_rows(message.topic(), message.partition(), message.offset(), message.value())


def make_rows(topic: str, partition: int, offset: int, value: bytes) -> Rows:
    """The same of a record whose parts a framework hands out."""
    event = json.loads(value)
    user, product = event["user"], event["product"]
    now = datetime.now(UTC)
    subscription = Subscription(id=str(event["subId"]), judged_until=now)
    payment = Payment(
        id=notifications.payment_id(subscription=subscription.id, number=1), subscription=subscription,
        subscription_as_sent=event["subId"], user_as_sent={"id": user["id"], "email": user["email"]},
        user_id=str(user["id"]), email=user["email"], price=product["price"], amount=round(product["price"] * 100),
        currency=product["currency"], payment_method=user["paymentMethod"], due_at=now, created_at=now, accepted_at=now,
    )  # fmt: skip
    inbox = InboxMessage(
        topic=topic, partition=partition, offset=offset, value_hash=hashlib.sha256(value).digest(), value=value,
        recorded_at=now, received_at=now, subscription=subscription, payment=payment,
        verdict=InboxMessage.Verdict.ACCEPTED,
    )  # fmt: skip
    return subscription, payment, inbox
