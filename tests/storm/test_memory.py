"""The memory of a bridge is bounded, whatever waits for it: the client reads ahead little, and a batch has its bytes.

10,000 records as a test; `make memory` has 1,000,000 and prints what it has seen.
"""

import os
import signal
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer
from django.db.models import Sum

from payments.models import Position
from tests.integration.bridge_member import bridge_process, events, events_in
from tests.integration.kafka_client import Neighbour, make_all_topics, name_topics, wait_until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(3600)]

RECORDS = 1_000_000 if os.environ.get("MEMORY_SIZE") == "full" else 10_000
# As many as a busy topic has: what the client reads ahead mustn't grow with them.
PARTITIONS = 32
LIMIT = 200 * 1024 * 1024


def send(neighbour: Neighbour, values: Iterable[bytes]) -> None:
    """By the fast client, over all partitions; what is tested is how they are read."""
    producer = Producer({"bootstrap.servers": neighbour.broker, "linger.ms": 20, "queue.buffering.max.kbytes": 65_536})
    for number, value in enumerate(values):
        while True:
            try:
                producer.produce(neighbour.payments, value, partition=number % PARTITIONS)
                break
            except BufferError:
                producer.poll(0.1)
    assert producer.flush(60) == 0


def peak(pid: int) -> int:
    """The most memory that a process has had so far, in bytes."""
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return int(status["VmHWM"].split()[0]) * 1024


def taken_in(neighbour: Neighbour) -> int:
    """How many records have rows; to count the rows again and again would keep the database from writing them."""
    found = Position.objects.filter(topic=neighbour.payments).aggregate(Sum("next_offset"))
    return found["next_offset__sum"] or 0


def measure(neighbour: Neighbour, log: Path, *, records: int) -> int:
    """Let a bridge of its own take in so many. Returns the most memory that it has had."""
    with bridge_process(neighbour, log=log, BRIDGE_STALLED_AFTER="10") as bridge:
        began = time.monotonic()
        wait_until(
            lambda: taken_in(neighbour) >= records, what="all have rows", within=60, moves=lambda: taken_in(neighbour)
        )
        seconds, most = time.monotonic() - began, peak(bridge.pid)
        bridge.send_signal(signal.SIGTERM)
        assert bridge.wait(30) == 0
    assert "waiting" not in events_in(log), "a partition that waits for its turn is no reason to join again"
    print(f"{records:,} records in {seconds:.0f} s ({records / seconds:,.0f}/s), {most / 2**20:.0f} MiB at most")
    return most


@pytest.fixture
def neighbour(settings: Any) -> Neighbour:
    """A topic with many partitions."""
    return make_all_topics(name_topics(settings), partitions=PARTITIONS)


def test_a_backlog_of_many_records_costs_no_memory(neighbour: Neighbour, tmp_path: Path) -> None:
    """An outage of ours, or a rewind: all of them wait at once."""
    values = events(*(f"sub_{number}" for number in range(1000)))
    send(neighbour, (values[number % 1000] for number in range(RECORDS)))
    assert measure(neighbour, tmp_path / "log", records=RECORDS) < LIMIT


def test_a_backlog_of_the_longest_records_costs_little(neighbour: Neighbour, tmp_path: Path) -> None:
    """One batch of 500 would have 450 MB, before anything is made of them."""
    send(neighbour, (b"x" * 900_000 for _ in range(PARTITIONS * 2)))
    assert measure(neighbour, tmp_path / "log", records=PARTITIONS * 2) < LIMIT
