"""How soon an outcome is told: `make bench-notifications`. From the commit to Kafka's acknowledgement, and to a reader.

At low load: each is told when the one before it has been read. PostgreSQL and Kafka are real and their own, the relay
runs in a thread of this process as it does in its own, the reader reads committed transactions alone.
"""

import argparse
import os
import statistics
import sys
import tempfile
import threading
import time
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.admin import SETTINGS
from billing_project.dev.services import Services

EVENT = (
    b'{"subId":"sub_1","user":{"id":"u_1","email":"a@b.kz","paymentMethod":"pm_1"},'
    b'"product":{"price":100,"currency":"KZT"}}'
)
CACHE = Path(__file__).parents[1] / ".data" / "cache"


def main() -> int:
    """Start, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=300, help="how many notifications")
    size = parser.parse_args().size
    with tempfile.TemporaryDirectory(prefix="bench-notifications-") as folder:
        services = Services(data=Path(folder), cache=CACHE, want=frozenset({"postgres", "kafka"}), durable=True)
        with services:
            os.environ.update(SETTINGS, DATABASE_URL=services.database_url, KAFKA_BROKER=services.kafka_broker)
            return _run(size)


def _run(size: int) -> int:
    import django
    from django.core.management import call_command

    os.environ["DJANGO_SETTINGS_MODULE"] = "billing_project.settings"
    django.setup()
    call_command("migrate", verbosity=0)
    call_command("topics", partitions=2, verbosity=0)
    from bridge import relay
    from bridge.loop import Stop, keep_running

    stop = Stop()
    thread = threading.Thread(target=lambda: keep_running(process="relay", session=relay.session, stop=stop))
    thread.start()
    try:
        acknowledged, read = _measure(size)
    finally:
        stop.set()
        thread.join()
    print(f"{size} notifications, one after another; milliseconds after the commit of the outcome")
    for what, times in (("acknowledged by Kafka", acknowledged), ("read by a consumer", read)):
        cuts = statistics.quantiles(times, n=100)
        print(f"  {what:22}  median {cuts[49] * 1000:6.1f}   p99 {cuts[98] * 1000:6.1f}")
    return 0


def _measure(size: int) -> tuple[list[float], list[float]]:
    """Seconds to the acknowledgement, as noted in the row, and to the reader, of each notification."""
    from payments.models import OutboxMessage

    paid = _payment()
    committed_at: dict[int, float] = {}
    read_at: list[float] = []
    with closing(_reader()) as reader:
        _tell(paid, attempt=1)
        _read_one(reader)  # the first pays for connections
        for attempt in range(2, size + 2):
            at = _tell(paid, attempt=attempt)
            committed_at[OutboxMessage.objects.latest("id").id] = at
            _read_one(reader)
            read_at.append(time.time())
            while OutboxMessage.objects.filter(published_at__isnull=True).exists():
                time.sleep(0.001)
    rows = OutboxMessage.objects.filter(id__in=committed_at).order_by("id")
    acknowledged = [row.published_at.timestamp() - committed_at[row.id] for row in rows if row.published_at]
    return acknowledged, [at - begun for at, begun in zip(read_at, committed_at.values(), strict=True)]


def _payment() -> Any:
    """One that somebody asked for, through the front door."""
    from bridge import schema
    from payments import intake
    from payments.models import Payment

    now = datetime.now(UTC)
    record = intake.Record(
        cluster="bench", topic="payment.createInitial", partition=0, offset=0, at=now, key=None, value=EVENT,
        headers=(), wish=schema.decode(value=EVENT, headers=(), price_unit="major"),
    )  # fmt: skip
    intake.accept(records=[record], group="bench", now=now)
    return Payment.objects.get()


def _tell(paid: Any, *, attempt: int) -> float:
    """Commit an outcome as a settling does, and wake the relay. Returns when it was committed, in UNIX time."""
    from django.db import transaction

    from payments import outbox
    from payments.models import Payment

    with transaction.atomic():
        locked = Payment.objects.select_for_update().get(id=paid.id)
        outbox.tell(payment=locked, attempt=attempt, transition=f"failed/{attempt}", now=datetime.now(UTC))
    committed_at = time.time()
    outbox.wake()
    return committed_at


def _reader() -> Any:
    from django.conf import settings
    from kafka import KafkaConsumer, TopicPartition

    topic = settings.KAFKA_TOPIC_NOTIFICATIONS
    consumer = KafkaConsumer(
        bootstrap_servers=settings.KAFKA_BROKER, isolation_level="read_committed", enable_auto_commit=False
    )
    consumer.assign([TopicPartition(topic, number) for number in range(2)])
    consumer.seek_to_beginning()
    return consumer


def _read_one(reader: Any) -> None:
    while not reader.poll(timeout_ms=1000):
        pass


if __name__ == "__main__":
    sys.exit(main())
