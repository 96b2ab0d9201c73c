"""What it costs to take records in, beside peers: `make bench-intake`, SIZE=20000 for a small one.

A topic full of records waits; each contender is a process of its own that finds empty tables, and is measured from its
first committed offsets to those of its last record. Peers that take one record at a time get a share of the records.
Then the product's group is set back to the beginning: every record again, all known.
"""

import argparse
import os
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import redis

from benchmarks.admin import SETTINGS
from benchmarks.figures import Contender, Figures, keep, measure, show
from benchmarks.processes import manage, peak_memory, running, tree_cpu
from benchmarks.stand_in import cpu_of
from benchmarks.waiting import Group, fill, wait_for
from billing_project.dev.services import Services

CACHE = Path(__file__).parents[1] / ".data" / "cache"
# As `manage.py topics` makes them.
PARTITIONS = 8
TOPIC = "payment.createInitial"
OURS = "ours"


@dataclass(frozen=True, kw_only=True)
class Way:
    """How a contender is started, and the share of the records that is enough to know its rate.

    `by_rows`: it is done when it has written, as its offsets follow some seconds later.
    """

    name: str
    command: tuple[str, ...]
    needs: str = ""
    share: float = 1.0
    by_rows: bool = False


def _peer(name: str, module: str, *, needs: str = "", share: float = 1.0, by_rows: bool = False) -> Way:
    return Way(
        name=name, command=("-m", f"benchmarks.peers.{module}"), needs=needs, share=share, by_rows=by_rows
    )  # fmt: skip


WAYS = (
    Way(name=OURS, command=("manage.py", "bridge", "--from", "earliest")),
    _peer("by hand", "by_hand", share=0.05),
    _peer("auto-commit", "auto_commit", share=0.05, by_rows=True),
    _peer("FastStream batch", "faststream_batch", needs="faststream"),
    _peer("arroyo batch", "arroyo_batch", needs="arroyo"),
)


def main() -> int:
    """Start everything, measure, print."""
    asked = _arguments()
    with tempfile.TemporaryDirectory(prefix="bench-intake-", dir=asked.folder) as folder:
        data = Path(folder)
        with Services(data=data, cache=CACHE, durable=False) as services:
            os.environ.update(
                SETTINGS, DATABASE_URL=services.database_url, REDIS_URL=services.redis_url,
                KAFKA_BROKER=services.kafka_broker, KAFKA_TOPIC_PAYMENTS=TOPIC, LOG_LEVEL=asked.log_level,
                LOG_FORMAT="json", DJANGO_SETTINGS_MODULE="billing_project.settings",
            )  # fmt: skip
            manage("migrate", "--verbosity", "0", env=os.environ)
            manage("topics", "--partitions", str(PARTITIONS), env=os.environ)
            import django

            django.setup()
            fill(broker=services.kafka_broker, topic=TOPIC, partitions=PARTITIONS, size=asked.size)
            _compare(Bench(services=services, size=asked.size, log=data / "log"), asked)
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=200_000, help="how many records wait")
    parser.add_argument("--rounds", type=int, default=3, help="how often each contender's turn comes")
    parser.add_argument("--only", default="", help=f"names, with commas: {', '.join(way.name for way in WAYS)}")
    parser.add_argument("--json", type=Path, help="writes the figures there")
    parser.add_argument("--log-level", default="INFO", help="of the product's processes; INFO is a line a record")
    parser.add_argument("--folder", type=Path, help="where the services keep their data meanwhile")
    return parser.parse_args()


def _compare(bench: "Bench", asked: argparse.Namespace) -> None:
    wanted = [one.strip() for one in asked.only.split(",") if one.strip()]
    ways = [way for way in WAYS if not wanted or way.name in wanted]
    for way in ways:
        if way.needs and find_spec(way.needs) is None:
            print(f"{way.name} is left out, as {way.needs} is not installed: uv pip install --group bench")
    ways = [way for way in ways if not way.needs or find_spec(way.needs)]
    contenders = [Contender(name=way.name, run=partial(bench.intake, way)) for way in ways]
    stages = [measure(f"intake of {asked.size:,} records that wait", contenders, rounds=asked.rounds)]
    show(stages[0])
    if ways[0].name == OURS:
        bench.intake(ways[0])
        again = [Contender(name=OURS, run=partial(bench.rewind, ways[0]))]
        stages.append(measure(f"rewind over {asked.size:,} known records", again, rounds=asked.rounds))
        show(stages[1])
    if asked.json:
        keep(stages, asked.json)


@dataclass(frozen=True, kw_only=True)
class Bench:
    """The services, the records that wait, and where processes write."""

    services: Services
    size: int
    log: Path

    def intake(self, way: Way) -> Figures:
        """From empty tables and a group that has read nothing."""
        _empty(self.services)
        os.environ["KAFKA_GROUP_ID"] = f"bench-{uuid.uuid4().hex[:8]}"
        before = _counted("pg_stat_database", "xact_commit")
        figures = self._run(way, records=int(self.size * way.share), rows=_rows if way.by_rows else None)
        transactions = _counted("pg_stat_database", "xact_commit") - before
        return {**figures, "transactions a record": transactions / _rows()}

    def rewind(self, way: Way) -> Figures:
        """The same group, set back over records that have rows."""
        manage("rewind", "--to", "earliest", "--reason", "a benchmark", "--yes", env=os.environ)
        _redis(self.services).flushall()
        before = _counted("pg_stat_user_tables", "n_tup_upd + n_tup_del"), _rows()
        figures = self._run(way, records=self.size, rows=None)
        dead = _counted("pg_stat_user_tables", "n_tup_upd + n_tup_del") - before[0]
        if _rows() != before[1]:
            raise RuntimeError("known records were written again")
        rung = _redis(self.services).llen("billing:charge")
        return {**figures, "rung": float(rung), "dead rows a 1,000 records": dead / self.size * 1000}

    def _run(self, way: Way, *, records: int, rows: Callable[[], int] | None) -> dict[str, float]:
        group = Group(
            broker=self.services.kafka_broker, topic=TOPIC, partitions=PARTITIONS, name=os.environ["KAFKA_GROUP_ID"]
        )  # fmt: skip
        progress = rows or group.committed
        with closing(group), running(way.command, log=self.log) as process:

            def wait(least: int, pause: float) -> tuple[float, ...]:
                found = wait_for(
                    progress=progress, least=least, pause=pause, is_alive=lambda: process.poll() is None
                )  # fmt: skip
                return found, time.monotonic(), cpu_of(process.pid), tree_cpu(self.services.postgres.pid or 0)

            before = wait(1, 0.002)
            count, seconds, cpu, postgres = (
                now - then for now, then in zip(wait(records, 0.01), before, strict=True)
            )  # fmt: skip
            if not count:
                raise RuntimeError("all were done at once: nothing was measured, SIZE is too small")
            memory = peak_memory(process.pid)
        return {
            "records/s": count / seconds, "CPU a record, µs": cpu / count * 1e6,
            "PostgreSQL's, µs": postgres / count * 1e6, "memory, MB": memory,
        }  # fmt: skip


def _empty(services: Services) -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE payments_subscription, payments_position RESTART IDENTITY CASCADE")
    _redis(services).flushall()


def _redis(services: Services) -> redis.Redis:
    return redis.Redis.from_url(services.redis_url)


def _rows() -> int:
    from payments.models import InboxMessage

    return InboxMessage.objects.count()


def _counted(view: str, what: str) -> int:
    """Of all tables; what a process has done is in it when that has ended."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_clear_snapshot()")
        cursor.execute(f"SELECT sum({what}) FROM {view}")  # noqa: S608 - ours
        [count] = cursor.fetchone()
    return int(count)


if __name__ == "__main__":
    sys.exit(main())
