"""FastStream: batches of up to 500 for a handler that creates the rows in bulk; offsets after the handler.

Risks a batch that never passes: one record that the database refuses, or that isn't as documented, fails all of it, it
is read again, and everything behind it waits.
"""

import asyncio

from confluent_kafka import Message
from django.conf import settings
from django.db import transaction
from faststream import AckPolicy, FastStream
from faststream.confluent import KafkaBroker, KafkaMessage

from benchmarks.peers.rows import rows_of
from payments.models import InboxMessage, Payment, Subscription

broker = KafkaBroker(settings.KAFKA_BROKER, logger=None)


@broker.subscriber(
    settings.KAFKA_TOPIC_PAYMENTS,
    group_id=settings.KAFKA_GROUP_ID,
    auto_offset_reset="earliest",
    batch=True,
    max_records=500,
    ack_policy=AckPolicy.NACK_ON_ERROR,
)
def store(message: KafkaMessage) -> None:
    """One batch, in one transaction."""
    records: tuple[Message, ...] = message.raw_message
    subscriptions, payments, inbox = zip(*map(rows_of, records), strict=True)
    with transaction.atomic():
        Subscription.objects.bulk_create(subscriptions, ignore_conflicts=True)
        Payment.objects.bulk_create(payments, ignore_conflicts=True)
        InboxMessage.objects.bulk_create(inbox, ignore_conflicts=True)


if __name__ == "__main__":
    asyncio.run(FastStream(broker, logger=None).run())
