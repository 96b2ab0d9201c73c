"""docker-compose.yml without its engine: its own commands, environment and health checks, on embedded services.

What a container would add isn't shown here: the images, the read-only root file system, the names of the network.
"""

import json
import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest
from kafka import KafkaProducer

from billing_project.dev.services import Redis
from tests.e2e.deployment import drop_database, make_database
from tests.e2e.machine import Machine

PROCESSES = ("simulator", "bridge", "worker", "beat", "relay", "web")
EVENT = {
    "subId": "sub_1",
    "user": {"id": "u_1", "email": "a@b.kz", "paymentMethod": "pm_card_visa"},
    "product": {"price": 100, "currency": "KZT"},
}
SETTLED = "SELECT count(*) FROM payments_payment WHERE status = 'success'"
TOLD = "SELECT count(*) FROM payments_outboxmessage WHERE published_at IS NOT NULL"
HINTED = "SELECT count(*) FROM payments_webhook"


@pytest.fixture
def database() -> Iterator[str]:
    """Empty, as the compose file's own is at the first run."""
    name = f"compose_{uuid.uuid4().hex[:8]}"
    yield make_database(name=name)
    drop_database(name=name)


@pytest.fixture
def machine(tmp_path: Path, database: str) -> Iterator[Machine]:
    """Nothing is started yet."""
    redis = Redis(folder=Path(os.environ["TEST_DATA"]) / f"compose-{uuid.uuid4().hex[:8]}", durable=False)
    redis.start()
    machine = Machine(folder=tmp_path, database=database, redis=redis)
    try:
        yield machine
    finally:
        machine.remove()
        redis.stop()


def count(database: str, sql: str) -> int:
    """The one number that a query gives."""
    connection = psycopg2.connect(database)
    try:
        with connection.cursor() as cursor:
            cursor.execute(sql)
            [(found,)] = cursor.fetchall()
            return int(found)
    finally:
        connection.close()


def test_a_first_run_charges_an_event_with_nothing_set(machine: Machine, database: str) -> None:
    """Tables, topics, all processes and the simulator; healthy, an event paid and told, webhooks back; then stopped."""
    machine.run("migrate")
    machine.run("topics")
    machine.start(*PROCESSES)
    machine.wait_until(lambda: all(machine.is_healthy(name) for name in PROCESSES), what="all are healthy")
    producer = KafkaProducer(bootstrap_servers=machine.broker)
    producer.send(machine.topic, json.dumps(EVENT).encode()).get(30)
    producer.close()
    machine.wait_until(lambda: count(database, SETTLED) == 1, what="the event is paid")
    machine.wait_until(lambda: count(database, TOLD) == 1, what="it is told")
    machine.wait_until(lambda: count(database, HINTED) > 0, what="a webhook of the simulator's has come")
    assert {name: machine.stop(name) for name in reversed(PROCESSES)} == dict.fromkeys(PROCESSES, 0)
