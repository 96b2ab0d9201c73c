"""How fast the outbox is told, beside peers: `make bench-relay`, SIZE=20000 for a small one.

So many outcomes wait, two of each payment; each contender is a process of its own, and is measured from its first
marked rows to its last. Then a reader of committed transactions holds the topic against the rows: nothing is missing,
and no payment's second outcome comes before its first. Those that tell one row at a time get a share of the rows.
"""

import argparse
import os
import sys
import tempfile
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from confluent_kafka import Consumer, TopicPartition

from benchmarks.admin import SETTINGS
from benchmarks.figures import Contender, Figures, keep, measure, show
from benchmarks.processes import manage, peak_memory, running, tree_cpu
from benchmarks.stand_in import cpu_of
from benchmarks.waiting import wait_for
from billing_project.dev.services import Services

CACHE = Path(__file__).parents[1] / ".data" / "cache"
ROWS = Path(__file__).with_name("relay.sql")
# As `manage.py topics` makes them.
PARTITIONS = 8
READ_WITHIN = 60.0


@dataclass(frozen=True, kw_only=True)
class Way:
    """How a contender is started, and the share of the rows that is enough to know its rate."""

    name: str
    command: tuple[str, ...]
    share: float = 1.0
    folder: Path | None = None


WAYS = (
    Way(name="ours", command=("manage.py", "relay")),
    Way(name="one flush per batch", command=("-m", "benchmarks.peers.relay_batch")),
    Way(name="one flush per row", command=("-m", "benchmarks.peers.relay_each"), share=0.05),
)


def main() -> int:
    """Start everything, measure, print."""
    asked = _arguments()
    with tempfile.TemporaryDirectory(prefix="bench-relay-", dir=asked.folder) as folder:
        data = Path(folder)
        with Services(data=data, cache=CACHE, want=frozenset({"postgres", "kafka"}), durable=False) as services:
            os.environ.update(
                SETTINGS, DATABASE_URL=services.database_url, KAFKA_BROKER=services.kafka_broker, LOG_LEVEL="INFO",
                LOG_FORMAT="json", DJANGO_SETTINGS_MODULE="billing_project.settings",
            )  # fmt: skip
            manage("migrate", "--verbosity", "0", env=os.environ)
            import django

            django.setup()
            bench = Bench(services=services, log=data / "log")
            ways = list(WAYS)
            if asked.beside:
                ways.insert(1, Way(name=str(asked.beside), command=WAYS[0].command, folder=asked.beside))
            contenders = [Contender(name=way.name, run=partial(bench.tell, way, asked.size)) for way in ways]
            stage = measure(f"relay of {asked.size:,} rows that wait", contenders, rounds=asked.rounds)
    show(stage)
    if asked.json:
        keep([stage], asked.json)
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=200_000, help="how many rows wait")
    parser.add_argument("--rounds", type=int, default=3, help="how often each contender's turn comes")
    parser.add_argument("--beside", type=Path, help="a checkout of another version, which has its turns, too")
    parser.add_argument("--json", type=Path, help="writes the figures there")
    parser.add_argument("--folder", type=Path, help="where the services keep their data meanwhile")
    return parser.parse_args()


@dataclass(frozen=True, kw_only=True)
class Bench:
    """The services, and where processes write."""

    services: Services
    log: Path

    def tell(self, way: Way, size: int) -> Figures:
        """From rows of which none is marked, into a topic without records."""
        rows = max(2, int(size * way.share))
        first = _fill(rows)
        topic = f"notification.paying.{uuid.uuid4().hex[:8]}"
        env = {**os.environ, "KAFKA_TOPIC_NOTIFICATIONS": topic}
        manage("topics", "--partitions", str(PARTITIONS), env=env)
        with running(way.command, log=self.log, env=env, folder=way.folder) as process:

            def wait(least: int, pause: float) -> tuple[float, ...]:
                found = wait_for(
                    progress=lambda: _marked(first, rows), least=least, pause=pause,
                    is_alive=lambda: process.poll() is None,
                )  # fmt: skip
                return (
                    found, time.monotonic(), cpu_of(process.pid), tree_cpu(self.services.postgres.pid or 0),
                    tree_cpu(self.services.kafka.pid or 0),
                )  # fmt: skip

            before = wait(1, 0.001)
            count, seconds, cpu, postgres, kafka = (
                now - then for now, then in zip(wait(rows, 0.005), before, strict=True)
            )  # fmt: skip
            if not count:
                raise RuntimeError("all were done at once: nothing was measured, SIZE is too small")
            memory = peak_memory(process.pid)
        _check(_read(self.services.kafka_broker, topic), rows)
        return {
            "rows/s": count / seconds, "CPU a row, µs": cpu / count * 1e6, "PostgreSQL's, µs": postgres / count * 1e6,
            "Kafka's, µs": kafka / count * 1e6, "memory, MB": memory,
        }  # fmt: skip


def _fill(rows: int) -> int:
    """So many outcomes of half as many payments, and none beside them. Returns the first one's id."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE payments_subscription CASCADE")
        cursor.execute(ROWS.read_text(), {"rows": rows})
        cursor.execute("SELECT min(id) FROM payments_outboxmessage")
        [first] = cursor.fetchone()
    connection.close()  # the server's process that wrote them doesn't count
    return int(first)


def _marked(first: int, rows: int) -> int:
    """By the oldest that waits, as they are marked in their order."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT min(id) FROM payments_outboxmessage WHERE published_at IS NULL AND refused_at IS NULL")
        [oldest] = cursor.fetchone()
    return rows if oldest is None else int(oldest) - first


def _read(broker: str, topic: str) -> Mapping[bytes, list[bytes]]:
    """Everything that a reader of committed transactions gets to see, by key."""
    consumer = Consumer(
        {"bootstrap.servers": broker, "group.id": "bench", "isolation.level": "read_committed",
         "enable.partition.eof": True, "enable.auto.commit": False}
    )  # fmt: skip
    consumer.assign([TopicPartition(topic, number, 0) for number in range(PARTITIONS)])
    found: dict[bytes, list[bytes]] = {}
    ended, deadline = 0, time.monotonic() + READ_WITHIN
    while ended < PARTITIONS:
        if time.monotonic() > deadline:
            raise RuntimeError("the topic can't be read to its end")
        for message in consumer.consume(5_000, 0.1):
            if message.error():
                ended += 1
            else:
                found.setdefault(message.key() or b"", []).append(message.value() or b"")
    consumer.close()
    return found


def _check(told: Mapping[bytes, list[bytes]], rows: int) -> None:
    """Each payment's two outcomes, in their order."""
    if len(told) != (rows + 1) // 2 or sum(map(len, told.values())) < rows:
        raise RuntimeError(f"{rows} rows are marked, and of {len(told)} payments something was told")
    for values in told.values():
        if [b'"status":"success"' in value for value in values] not in ([False, True], [False]):
            raise RuntimeError("a payment's outcomes are not in their order")


if __name__ == "__main__":
    sys.exit(main())
