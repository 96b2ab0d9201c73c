"""The system as it is deployed, to be measured: its five processes, on services of their own."""

import json
import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import psycopg2
from confluent_kafka import Producer

from benchmarks.admin import SETTINGS
from benchmarks.processes import carry_out, manage, running
from billing_project.dev.services import Services

CACHE = Path(__file__).parents[1] / ".data" / "cache"
CELERY = ("-m", "celery", "-A", "billing_project")
OURS: Mapping[str, Sequence[str]] = {
    "bridge": ("manage.py", "bridge", "--from", "earliest"),
    "worker": (*CELERY, "worker"),
    "beat": (*CELERY, "beat"),
    "relay": ("manage.py", "relay"),
    "web": ("-m", "gunicorn", "billing_project.wsgi"),
}
EVENTS, TOLD = "payment.createInitial", "notification.paying"
# As `manage.py topics` makes them.
PARTITIONS = 8


@dataclass(frozen=True, kw_only=True)
class System:
    """What runs, by name, and how it is spoken to."""

    services: Services
    processes: Mapping[str, psutil.Process]
    producer: Producer
    topic: str

    def send(self, subscription: str, *, at: float | None = None) -> None:
        """One event, as NestJS sends it, by a producer that doesn't wait for more; `at`: its time, if not now."""
        person = {"id": f"u_{subscription}", "email": "somebody@example.kz", "paymentMethod": "pm_card_visa",
                  "customer": "cus_1"}  # fmt: skip
        event = {"subId": subscription, "user": person, "product": {"price": 1990, "currency": "KZT"}}
        self.producer.produce(
            self.topic, json.dumps(event, separators=(",", ":")).encode(), timestamp=int((at or time.time()) * 1000)
        )
        self.producer.poll(0)

    def rows(self, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """What the database holds."""
        with closing(psycopg2.connect(self.services.database_url)) as connection, connection.cursor() as cursor:
            cursor.execute(sql, parameters)
            return list(cursor.fetchall())

    def wait_until_told(self, prefix: str, count: int, *, within: float) -> None:
        """Until so many payments of subscriptions with that prefix are paid and told."""
        sql = (
            "SELECT count(*) FROM payments_outboxmessage JOIN payments_payment AS payment ON payment.id = payment_id "
            "WHERE published_at IS NOT NULL AND payment.status = 'success' AND starts_with(subscription_id, %s)"
        )
        self.wait_until(lambda: self.rows(sql, prefix)[0][0] >= count, what=f"{count} {prefix} are told", within=within)

    def wait_until(self, is_so: Callable[[], bool], *, what: str, within: float) -> None:
        """Raises where it takes longer, or a process has ended."""
        deadline = time.monotonic() + within
        while not is_so():
            gone = [name for name, one in self.processes.items() if one.status() == psutil.STATUS_ZOMBIE]
            if gone or time.monotonic() > deadline:
                raise RuntimeError(f"not within {within:.0f} s: {what}; ended: {', '.join(gone) or 'nobody'}")
            time.sleep(0.1)


def started(folder: Path) -> Services:
    """The services, to be entered."""
    return Services(data=folder, cache=CACHE, durable=False)


@contextmanager
def deployed(
    services: Services, folder: Path, *, stripe_url: str, commands: Mapping[str, Sequence[str]] = OURS,
    first: Sequence[str] = (), django: str = "billing_project.settings", **settings: str,
) -> Iterator[System]:  # fmt: skip
    """While the block lasts; `settings` come on top of the defaults.

    `first`: a command that makes the tables of others, who have Django's settings from `django`.
    """
    env = {
        **os.environ, **SETTINGS, "DATABASE_URL": services.database_url, "REDIS_URL": services.redis_url,
        "KAFKA_BROKER": services.kafka_broker, "STRIPE_API_BASE": stripe_url, "LOG_LEVEL": "INFO",
        "LOG_FORMAT": "json", "DJANGO_SETTINGS_MODULE": "billing_project.settings",
        "GUNICORN_CMD_ARGS": f"--bind 127.0.0.1:{_free_port()}", "KAFKA_TOPIC_PAYMENTS": EVENTS,
        "KAFKA_TOPIC_NOTIFICATIONS": TOLD, **settings,
    }  # fmt: skip
    manage("migrate", "--verbosity", "0", env=env)
    manage("topics", "--partitions", str(PARTITIONS), env=env)
    env["DJANGO_SETTINGS_MODULE"] = django
    if first:
        carry_out(*first, env=env)
    with ExitStack() as stack:
        children = {
            name: stack.enter_context(running(command, log=folder / f"{name}.log", env=env))
            for name, command in commands.items()
        }
        processes = {name: psutil.Process(child.pid) for name, child in children.items()}
        # Without a log, as it outlives its broker.
        producer = Producer(
            {"bootstrap.servers": services.kafka_broker, "linger.ms": 0, "delivery.report.only.error": True,
             "log_level": 0}
        )  # fmt: skip
        yield System(services=services, processes=processes, producer=producer, topic=env["KAFKA_TOPIC_PAYMENTS"])


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
