"""The system as it is deployed: the product's own processes, on a database, topics and a Redis of their own.

Records go in and come out through kafka-python, a client that isn't ours and shares no code with it.
"""

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg2
import redis
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.consumer.fetcher import ConsumerRecord

from billing_project.dev.services import Redis
from billing_project.dev.simulator import Simulator

ROOT = Path(__file__).resolve().parents[2]
# Seconds, of `payments.charging.claim`.
LEASE = 120
PYTHON = sys.executable
CELERY = [PYTHON, "-m", "celery", "-A", "billing_project"]
COMMANDS = {
    "bridge": [PYTHON, "manage.py", "bridge", "--from", "earliest"],
    "worker": [*CELERY, "worker"],
    "beat": [*CELERY, "beat"],
    "relay": [PYTHON, "manage.py", "relay"],
}


class Deployment:
    """Its processes by name. Everything that it made is gone after `remove`."""

    def __init__(
        self, *, folder: Path, stripe: Simulator, redis_server: Redis, database: str, broker: str = "",
        commands: Mapping[str, list[str]] = COMMANDS,
    ) -> None:  # fmt: skip
        self.commands = dict(commands)
        self.broker = broker or os.environ["KAFKA_BROKER"]
        self.folder, self.stripe, self.redis, self.database = folder, stripe, redis_server, database
        self.suffix = uuid.uuid4().hex[:8]
        self.topics = {
            "KAFKA_TOPIC_PAYMENTS": f"payment.createInitial.{self.suffix}",
            "KAFKA_TOPIC_NOTIFICATIONS": f"notification.paying.{self.suffix}",
            "KAFKA_TOPIC_DEAD_LETTERS": f"payment.createInitial.dlt.{self.suffix}",
        }
        self.env = {
            **{name: value for name, value in os.environ.items() if not name.startswith("TEST_")},
            **self.topics,
            "KAFKA_BROKER": self.broker,
            "DATABASE_URL": database,
            "REDIS_URL": redis_server.url,
            "STRIPE_API_BASE": stripe.url,
            "STRIPE_RATE_LIMIT": "1000",
            "KAFKA_GROUP_ID": f"group-{self.suffix}",
            "LOG_FORMAT": "json",
            "PYTHONWARNINGS": "default",
        }
        # What the processes of a kind have of their own, and the checkout whose code is started.
        self.own_env: dict[str, dict[str, str]] = {}
        self.root = ROOT
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self._producer: KafkaProducer | None = None

    def command(self, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
        """Run a management command to its end."""
        return subprocess.run(
            [PYTHON, "manage.py", *arguments], cwd=self.root, env=self.env | env, capture_output=True, text=True,
            timeout=60,
        )  # fmt: skip

    def start(self, *names: str) -> None:
        """Start these processes, or all of them. Of one kind there may be several: `bridge 1`, `bridge 2`."""
        for name in names or self.commands:
            kind = name.partition(" ")[0]
            env = self.env | self.own_env.get(kind, {})
            with self.log(name).open("ab") as log:
                self._children[name] = subprocess.Popen(
                    self.commands[kind], cwd=self.root, env=env, stdout=log, stderr=log
                )

    def ended(self, name: str) -> int:
        """Wait for one to end by itself. Returns the exit code."""
        return self._children.pop(name).wait(60)

    def pid(self, name: str) -> int:
        """Of a process that runs."""
        return self._children[name].pid

    def kill(self, name: str) -> None:
        """SIGKILL, as the kernel would, for one that hasn't ended by itself."""
        assert self._children[name].poll() is None, self.tail(name)
        self._children[name].kill()
        self._children.pop(name).wait()

    def stop(self, name: str) -> int:
        """SIGTERM. Returns the exit code."""
        self._children[name].send_signal(signal.SIGTERM)
        return self._children.pop(name).wait(30)

    def remove(self) -> None:
        """End every process that is left."""
        for name in list(self._children):
            self.kill(name)
        self.hang_up()

    def hang_up(self) -> None:
        """End our own connections to Kafka; the next `send` makes new ones."""
        if self._producer is not None:
            self._producer.close()
            self._producer = None

    def log(self, name: str) -> Path:
        """Where a process writes."""
        return self.folder / f"{name}.log"

    def send(
        self, values: Iterable[bytes | None], *, headers: list[tuple[str, bytes]] | None = None, age: float = 0
    ) -> None:
        """Produce to the topic of events, without keys, as NestJS does; as if it had been so many seconds ago."""
        at = int((time.time() - age) * 1000)
        if self._producer is None:
            self._producer = KafkaProducer(bootstrap_servers=self.broker)
        for value in values:
            self._producer.send(
                self.topics["KAFKA_TOPIC_PAYMENTS"], value=value, headers=headers or [], timestamp_ms=at
            )
        self._producer.flush(30)

    def flush_redis(self) -> None:
        """FLUSHALL: every doorbell, binding and bucket is gone."""
        redis.Redis.from_url(self.redis.url).flushall()

    def records(self, topic: str) -> list[ConsumerRecord]:
        """Everything in one of our topics that a consumer gets to see, by partition and offset."""
        consumer = KafkaConsumer(
            bootstrap_servers=self.broker, isolation_level="read_committed", enable_auto_commit=False,
            consumer_timeout_ms=1000,
        )  # fmt: skip
        try:
            name = self.topics[topic]
            partitions = [TopicPartition(name, number) for number in sorted(consumer.partitions_for_topic(name))]
            consumer.assign(partitions)
            consumer.seek_to_beginning()
            ends = consumer.end_offsets(partitions)
            found: list[ConsumerRecord] = []
            deadline = time.monotonic() + 30
            while any(consumer.position(one) < ends[one] for one in partitions):
                assert time.monotonic() < deadline, f"{name} can't be read to its end"
                for batch in consumer.poll(timeout_ms=200).values():
                    found += batch
            return found
        finally:
            consumer.close()

    def rows(self, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """What the database holds."""
        with closing(psycopg2.connect(self.database)) as connection, connection, connection.cursor() as cursor:
            cursor.execute(sql, parameters)
            return list(cursor.fetchall())

    def administer(self, sql: str, *parameters: Any) -> None:
        """What a hand at a psql prompt does, outside of any transaction."""
        _administer(self.database, sql, *parameters)

    def cut_leases(self, *, to: float) -> None:
        """Let nobody hold a payment for longer than so many seconds, as if the rest of the lease had gone by."""
        self.administer(
            "UPDATE payments_payment SET lease_until = now() "
            "WHERE lease_until > now() AND lease_until < now() + make_interval(secs => %s)",
            LEASE - to,
        )

    def count(self, sql: str, *parameters: Any) -> int:
        """The one number that a query gives."""
        return int(self.rows(sql, *parameters)[0][0])

    def wait_until(
        self, condition: Callable[[], bool], *, what: str, within: float = 60, moves: Callable[[], object] = int
    ) -> None:
        """Wait for a condition; a failure shows the ends of the logs.

        The time counts anew whenever `moves` answers something else: a slow machine is not one that stands still.
        """
        deadline, moved = time.monotonic() + within, moves()
        while not condition():
            for name, child in self._children.items():
                assert child.poll() is None, f"{name} ended with {child.returncode}: {self.tail(name)}"
            if (now_at := moves()) != moved:
                deadline, moved = time.monotonic() + within, now_at
            assert time.monotonic() < deadline, f"not within {within} s: {what}, {moved}\n{self._tails()}"
            time.sleep(0.05)

    def wait_until_at_rest(self, *, records: int, within: float = 60, leases: float = LEASE) -> None:
        """Every record has its verdict, nothing is pending, all is told. Fails when nothing moves for so long.

        `leases`: after so many seconds a lease is cut.
        """

        def at_rest() -> bool:
            if leases < LEASE:
                self.cut_leases(to=leases)
            taken, pending, untold = self._course()
            return taken >= records and not pending and not untold

        self.wait_until(at_rest, what=f"{records} records at rest", within=within, moves=self._course)

    def _course(self) -> tuple[int, int, int]:
        """Records with a verdict, payments that are pending, outcomes that aren't told."""
        [(records, pending, untold)] = self.rows(
            "SELECT (SELECT count(*) FROM payments_inboxmessage), "
            "(SELECT count(*) FROM payments_payment WHERE status = 'pending'), "
            "(SELECT count(*) FROM payments_outboxmessage WHERE published_at IS NULL)"
        )
        return records, pending, untold

    def _tails(self) -> str:
        return "\n".join(f"{name}: {self.tail(name)}" for name in self._children)

    def tail(self, name: str) -> str:
        """The end of what a process wrote."""
        return "\n".join(self.log(name).read_text(errors="replace").splitlines()[-5:])


def make_database(*, name: str, template: str | None = None) -> str:
    """Make a database beside the tests' own, and return its URL."""
    ours = os.environ["TEST_DATABASE_URL"]
    _administer(ours, f'CREATE DATABASE "{name}"' + (f' TEMPLATE "{template}"' if template else ""))
    return urlsplit(ours)._replace(path=f"/{name}").geturl()


def drop_database(*, name: str) -> None:
    """Drop it, whoever is still connected."""
    _administer(os.environ["TEST_DATABASE_URL"], f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def _administer(database: str, sql: str, *parameters: Any) -> None:
    with closing(psycopg2.connect(database)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(sql, parameters or None)
