"""Auto-commit: a record, its rows, a task for Celery, and offsets that the client commits every five seconds.

Risks to lose what it has polled when it crashes (the offset may be committed before the rows are), and to stop for good
at a record that comes twice, whose rows are there already.
"""

from confluent_kafka import Consumer
from django.conf import settings

from benchmarks.peers.rows import rows_of
from payments.tasks import charge


def main() -> None:
    """Until it is killed."""
    consumer = Consumer(
        {
            "bootstrap.servers": settings.KAFKA_BROKER,
            "group.id": settings.KAFKA_GROUP_ID,
            "auto.offset.reset": "earliest",
        }
    )
    consumer.subscribe([settings.KAFKA_TOPIC_PAYMENTS])
    while True:
        message = consumer.poll(1.0)
        if message is None or message.error():
            continue
        subscription, payment, inbox = rows_of(message)
        for row in (subscription, payment, inbox):
            row.save(force_insert=True)
        charge.delay(payment_ids=[str(payment.id)])


if __name__ == "__main__":
    main()
