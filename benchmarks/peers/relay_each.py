"""The outbox row by row: produce, flush, mark, and then the next.

Risks nothing but time: each row waits for Kafka and for the database. Two of them would tell everything twice, and in
any order.
"""

import time
from datetime import UTC, datetime

import django
from confluent_kafka import KafkaError, KafkaException, Message, Producer
from django.conf import settings

django.setup()

from payments.models import OutboxMessage  # noqa: E402 -- Django's models can't be imported before that


def main() -> None:
    """Until it is killed."""
    producer = Producer({"bootstrap.servers": settings.KAFKA_BROKER, "enable.idempotence": True})
    while True:
        rows = OutboxMessage.objects.filter(published_at=None, refused_at=None).order_by("id")[:500]
        for row in rows:
            produce(producer, row)
            producer.flush()
            row.published_at = datetime.now(UTC)
            row.save(update_fields=["published_at"])
        if not rows:
            time.sleep(0.1)


def produce(producer: Producer, row: OutboxMessage) -> None:
    """Hand a row to the client; whoever flushes waits until Kafka has it."""
    producer.produce(
        settings.KAFKA_TOPIC_NOTIFICATIONS, key=bytes(row.key or b""), value=bytes(row.value or b""),
        headers={name: str(value) for name, value in row.headers.items()}, on_delivery=_delivered,
    )  # fmt: skip


def _delivered(error: KafkaError | None, _: Message) -> None:
    """What Kafka hasn't taken ends the process; the next one begins with it."""
    if error is not None:
        raise KafkaException(error)


if __name__ == "__main__":
    main()
