"""The outbox in batches of 500: produce them all, one flush, one UPDATE.

Risks an order: of a batch that Kafka takes in part, what it took comes again behind what came after it. One row that
Kafka never takes stops all others. Two of them would tell everything twice, and in any order.
"""

import time
from datetime import UTC, datetime

import django
from confluent_kafka import Producer
from django.conf import settings

django.setup()

from benchmarks.peers.relay_each import produce  # noqa: E402 -- Django's models can't be imported before that
from payments.models import OutboxMessage  # noqa: E402 -- as above


def main() -> None:
    """Until it is killed."""
    producer = Producer({"bootstrap.servers": settings.KAFKA_BROKER, "enable.idempotence": True, "linger.ms": 5})
    while True:
        rows = OutboxMessage.objects.filter(published_at=None, refused_at=None).order_by("id")[:500]
        for row in rows:
            produce(producer, row)
        producer.flush()
        OutboxMessage.objects.filter(id__in=[row.id for row in rows]).update(published_at=datetime.now(UTC))
        if not rows:
            time.sleep(0.1)


if __name__ == "__main__":
    main()
