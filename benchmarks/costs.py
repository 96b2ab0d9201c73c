"""What a payment costs at each stage of its way, in time and in bytes: `make costs`, which records it in `costs.json`.

SIZE events go the whole way, one stage after another, by the product's own code in this process, on a PostgreSQL, a
Redis and a Kafka of their own, with Stripe's stand-in: from Kafka through the bridge, charged as `make bench-charge`
does it, told by the relay, and a webhook each, beside older payments, as PostgreSQL's planner goes by them. Rows
are counted as they lie there then, with all indexes.
"""

import argparse
import json
import os
import platform
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

from benchmarks import charge
from benchmarks.admin import SETTINGS
from benchmarks.capacity import COSTS
from benchmarks.stand_in import Latency, stand_in
from billing_project.dev.services import Services

COMMAND, OF_PEERS = "make costs SIZE=", "make bench-charge-peers ARGS=--json=FILE"
LOOK_EVERY = 0.2
# So many go first, as the first ones pay for imports and connections.
WARM = 500
BEHIND = 100_000
WITHIN = 300.0
# Of the peers: payments under way, and processes that work on them.
SHAPES = {"threads, 50": (50, 1), "prefork, 32": (32, 32), "prefork, 8": (8, 8), "one at a time": (1, 1)}


def main() -> int:
    """Start everything, measure, print; record it where that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=5_000, help="how many payments")
    parser.add_argument("--write", action="store_true", help=f"record it in {COSTS.name}")
    parser.add_argument("--peers", type=Path, help=f"only take in what was kept there by {OF_PEERS}")
    asked = parser.parse_args()
    found = {"peers": _peers(asked.peers)} if asked.peers else _measured(asked.size)
    print(json.dumps(found, indent=2))
    if asked.write:
        known = json.loads(COSTS.read_text()) if COSTS.exists() else {}
        COSTS.write_text(json.dumps(known | found, indent=2) + "\n")
    return 0


def _measured(size: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="costs-") as folder, stand_in(
        Latency(seconds=charge.STRIPE_SECONDS)
    ) as stripe, Services(data=Path(folder), cache=charge.CACHE, durable=False) as services:  # fmt: skip
        os.environ.update(
            SETTINGS, DATABASE_URL=services.database_url, REDIS_URL=services.redis_url, STRIPE_API_BASE=stripe.url,
            KAFKA_BROKER=services.kafka_broker, STRIPE_RATE_LIMIT=str(charge.RATE),
            DJANGO_SETTINGS_MODULE="billing_project.settings",
        )  # fmt: skip
        return _measure(size, Path(folder) / "kafka" / "data")


def _measure(size: int, kafka: Path) -> dict[str, Any]:
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)
    from benchmarks import ledger
    from bridge.kafka import make_topics

    make_topics(partitions=8, replication=-1)
    ledger.prepare(size=BEHIND, now=datetime.now(UTC))
    before = _bytes_of_tables()
    _go("warm", WARM)
    stages = _go("paid", size)
    from django.conf import settings

    from payments.gateway import CONNECTIONS
    from payments.limits import WORKER_SLOTS

    topics = (settings.KAFKA_TOPIC_PAYMENTS, settings.KAFKA_TOPIC_NOTIFICATIONS)
    return {
        "command": f"{COMMAND}{size}", "payments": size, "cores": os.cpu_count(), "python": platform.python_version(),
        "stripe_seconds": 2 * charge.STRIPE_SECONDS, "worker_slots": WORKER_SLOTS, "worker_under_way": CONNECTIONS,
        "worker_memory_mb": round(psutil.Process().memory_full_info().pss / 1024**2),
        "stages": stages, "bytes_of_rows": _rows(WARM + size, before),
        "bytes_in_kafka": {topic: round(_topic_bytes(kafka, topic) / (WARM + size)) for topic in topics},
    }  # fmt: skip


def _go(name: str, size: int) -> dict[str, dict[str, float]]:
    """So many payments the whole way. Returns what each stage cost."""
    _produce(name, size)
    return {
        "bridge": _cost(size, lambda: _take_in(size)), "charge": _cost(size, lambda: _charge(name)),
        "relay": _cost(size, lambda: _relay(size)), "web": _cost(size, lambda: _receive(name)),
    }  # fmt: skip


def _peers(file: Path) -> dict[str, Any]:
    """What others were measured at, which `capacity` has to foretell from what they cost."""
    medians = json.loads(file.read_text())["charge"]["medians"]
    found = {
        name: {
            "under_way": under_way, "processes": processes, "stripe_seconds": charge.STRIPE_SECONDS,
            "a_second": round(medians[name]["payments/s"], 1),
            "process_ms": round(medians[name]["worker's CPU ms"], 3),
            "postgres_ms": round(medians[name]["PostgreSQL's CPU ms"], 3),
        }
        for name, (under_way, processes) in SHAPES.items()
    }  # fmt: skip
    return {"command": OF_PEERS, "found": found}


def _cost(size: int, work: Callable[[], float | None]) -> dict[str, float]:
    """Of one payment at one stage: milliseconds of processor time, bytes of WAL; and how many a second there were, as
    `work` says where it knows better than the clock."""
    before = time.monotonic(), time.process_time(), charge.postgres_cpu(), _wal()
    pace = work()
    after = time.monotonic(), time.process_time(), charge.postgres_cpu(), _wal()
    seconds, process, postgres, wal = (now - then for now, then in zip(after, before, strict=True))
    return {
        "a_second": round(pace or size / seconds, 1), "process_ms": round(process / size * 1000, 3),
        "postgres_ms": round(postgres / size * 1000, 3), "wal_bytes": round(wal / size),
    }  # fmt: skip


def _produce(name: str, size: int) -> None:
    """One event after another, as their producers send them: each in a batch of its own."""
    from confluent_kafka import Producer
    from django.conf import settings

    producer = Producer({"bootstrap.servers": settings.KAFKA_BROKER, "batch.num.messages": 1})
    for number in range(size):
        person = {
            "id": f"user_{number:08}", "email": f"somebody.{number}@example.kz", "paymentMethod": f"pm_{number:024}",
            "customer": f"cus_{number:014}",
        }  # fmt: skip
        event = {"subId": f"{name}_{number:020}", "user": person, "product": {"price": 1990, "currency": "KZT"}}
        producer.produce(settings.KAFKA_TOPIC_PAYMENTS, json.dumps(event, separators=(",", ":")).encode())
        producer.poll(0)
    producer.flush(60)


def _take_in(size: int) -> float:
    from bridge.consumer import Bridge
    from payments.models import InboxMessage

    rows = InboxMessage.objects.filter(received_at__gte=datetime.now(UTC)).order_by("received_at")
    _run_until("bridge", Bridge(start_from="earliest").session, lambda: rows.count() >= size)
    return _pace(list(rows.values_list("received_at", flat=True)))


def _charge(name: str) -> None:
    from payments.models import Payment

    pending = Payment.objects.filter(status="pending", subscription__id__startswith=name)
    charge.charge_all(list(pending.order_by("accepted_at", "id").values_list("id", flat=True)))
    if left := pending.count():
        raise RuntimeError(f"{left} payments are not paid")


def _relay(size: int) -> float:
    from bridge import relay
    from payments.models import OutboxMessage

    rows = OutboxMessage.objects.filter(published_at__gte=datetime.now(UTC)).order_by("published_at")
    _run_until("relay", relay.session, lambda: rows.count() >= size)
    return _pace([at for at in rows.values_list("published_at", flat=True) if at])


def _pace(times: Sequence[datetime]) -> float:
    """So many a second, from the first batch to the last one: a process starts once. Rows of a batch have one time."""
    later = sum(at > times[0] for at in times)
    return later / (times[-1] - times[0]).total_seconds() if later else 0.0


def _receive(name: str) -> None:
    """What the web process does with a webhook behind the check of its signature."""
    from payments import webhooks
    from payments.gateway import Event
    from payments.models import Payment

    mine = Payment.objects.filter(subscription__id__startswith=name)
    for intent, amount in mine.values_list("intent_id", "amount").iterator():
        about = {
            "id": intent, "object": "payment_intent", "status": "succeeded", "amount": amount, "currency": "kzt",
            "amount_received": amount, "latest_charge": f"ch_{intent}", "created": 1_770_000_000,
        }  # fmt: skip
        content = {"livemode": False, "data": {"object": about}}
        event = Event(id=f"evt_{intent}", type="payment_intent.succeeded", content=content)
        webhooks.receive(event=event, now=datetime.now(UTC))


def _run_until(process: str, session: Callable[[Any], None], is_done: Callable[[], bool]) -> None:
    """As the process of that name runs, in a thread, until all is done."""
    from bridge.loop import Stop, keep_running

    stop = Stop()
    thread = threading.Thread(target=lambda: keep_running(process=process, session=session, stop=stop))
    thread.start()
    try:
        deadline = time.monotonic() + WITHIN
        while not is_done():
            if time.monotonic() > deadline:
                raise RuntimeError(f"the {process} doesn't come to an end")
            time.sleep(LOOK_EVERY)
    finally:
        stop.set()
        thread.join()


def _wal() -> float:
    """How many bytes PostgreSQL has written ahead so far."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_current_wal_lsn() - '0/0'::pg_lsn")
        [written] = cursor.fetchone()
    return float(written)


def _bytes_of_tables() -> dict[str, int]:
    """Each with its indexes."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname, pg_total_relation_size(oid) FROM pg_class "
            "WHERE relkind = 'r' AND starts_with(relname, 'payments_')"
        )
        return dict(cursor.fetchall())


def _rows(size: int, before: Mapping[str, int]) -> Mapping[str, int]:
    """Of one payment, by table, with indexes; tables that a payment has no row in are left out."""
    found = {name: round((total - before[name]) / size) for name, total in _bytes_of_tables().items()}
    return {name: each for name, each in sorted(found.items(), key=lambda one: -one[1]) if each >= 100}


def _topic_bytes(kafka: Path, topic: str) -> int:
    return sum(log.stat().st_size for log in kafka.glob(f"{topic}-*/*.log"))


if __name__ == "__main__":
    sys.exit(main())
