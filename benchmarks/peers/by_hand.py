"""By hand: a record, a transaction, a commit of its offset, and then the next.

Risks nothing but time: each record waits for the database and for Kafka, and nobody rings for its payment.
"""

from confluent_kafka import Consumer
from django.conf import settings
from django.db import transaction

from benchmarks.peers.rows import rows_of
from payments.models import InboxMessage, Payment, Subscription


def main() -> None:
    """Until it is killed."""
    consumer = Consumer(
        {
            "bootstrap.servers": settings.KAFKA_BROKER,
            "group.id": settings.KAFKA_GROUP_ID,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
        }
    )
    consumer.subscribe([settings.KAFKA_TOPIC_PAYMENTS])
    while True:
        message = consumer.poll(1.0)
        if message is None or message.error():
            continue
        subscription, payment, inbox = rows_of(message)
        with transaction.atomic():
            Subscription.objects.get_or_create(id=subscription.id, defaults={"judged_until": subscription.judged_until})
            Payment.objects.get_or_create(
                id=payment.id,
                defaults={
                    name: getattr(payment, name)
                    for name in (
                        "subscription_id", "subscription_as_sent", "user_as_sent", "user_id", "email", "price",
                        "amount", "currency", "payment_method", "due_at", "created_at", "accepted_at",
                    )
                },
            )  # fmt: skip
            InboxMessage.objects.get_or_create(
                cluster="", topic=inbox.topic, partition=inbox.partition, offset=inbox.offset,
                value_hash=inbox.value_hash,
                defaults={
                    "value": inbox.value, "recorded_at": inbox.recorded_at, "received_at": inbox.received_at,
                    "subscription_id": subscription.id, "payment_id": payment.id, "verdict": inbox.verdict,
                },
            )  # fmt: skip
        consumer.commit(message=message, asynchronous=False)


if __name__ == "__main__":
    main()
