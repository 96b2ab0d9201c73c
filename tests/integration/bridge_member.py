"""What tests of the bridge share: a member of the group that they drive by hand, and a database that goes away."""

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psycopg2
from django.db import connection

from bridge.consumer import run_once
from bridge.kafka import Delivered, Source, Where
from bridge.loop import Stop
from payments.models import InboxMessage
from tests.integration.events import event
from tests.integration.kafka_client import Neighbour, wait_until

ROOT = Path(__file__).parents[2]

# A member hears of another at its next heartbeat, which is 3 seconds off by default.
QUICK_TO_NOTICE_MEMBERS = {"heartbeat.interval.ms": "200"}


def events(*subscriptions: str) -> list[bytes]:
    """The example of the README, for each of these."""
    return [json.dumps(event(subscription)).encode() for subscription in subscriptions]


@contextmanager
def joined(*, start_from: Where | None = "earliest", kind: type[Source] = Source) -> Iterator[Source]:
    """A member of the group, until the end of the block or a crash in it: no offset is committed by leaving."""
    member = kind()
    try:
        member.open(start_from=start_from)
        yield member
    finally:
        member.close()


def run_until(member: Source, *, records: int) -> None:
    """Take batches the whole way until there were so many records."""
    seen = 0

    def enough() -> bool:
        nonlocal seen
        seen += run_once(source=member, stop=Stop())
        return seen >= records

    wait_until(enough, what=f"{records} records went the whole way")


def take(member: Source, *, records: int) -> list[Delivered]:
    """So many records, in hand and nowhere else."""
    found: list[Delivered] = []

    def enough() -> bool:
        found.extend(member.take(limit=records - len(found), seconds=0.1))
        return len(found) >= records

    wait_until(enough, what=f"{records} records are in hand")
    return found


def verdicts() -> Counter[str]:
    """How many rows there are of each."""
    return Counter(InboxMessage.objects.values_list("verdict", flat=True))


@contextmanager
def database_away() -> Iterator[None]:
    """PostgreSQL ends all connections to this database but the caller's, and refuses new ones."""
    name = connection.settings_dict["NAME"]
    with closing(psycopg2.connect(os.environ["TEST_DATABASE_URL"])) as administrator, connection.cursor() as cursor:
        administrator.autocommit = True
        with administrator.cursor() as elsewhere:
            elsewhere.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
            try:
                cursor.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
                yield
            finally:
                elsewhere.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')


@contextmanager
def bridge_process(neighbour: Neighbour, *, log: Path, **env: str) -> Iterator[subprocess.Popen[bytes]]:
    """`manage.py bridge` on the test's own database and topics, writing to `log`; killed at the end of the block."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "manage.py", "bridge", "--from", "earliest"],
            cwd=ROOT, env=_env(neighbour) | env, stdout=output, stderr=output,
        )  # fmt: skip
        try:
            yield process
        finally:
            process.kill()
            process.wait()


def events_in(log: Path) -> list[str]:
    """What steps a process has written about so far."""
    return [json.loads(line)["event"] for line in log.read_text().splitlines() if line.startswith("{")]


def _env(neighbour: Neighbour) -> dict[str, str]:
    database = urlsplit(os.environ["TEST_DATABASE_URL"])._replace(path=f"/{connection.settings_dict['NAME']}")
    return os.environ | {
        "DATABASE_URL": database.geturl(),
        "KAFKA_BROKER": neighbour.broker,
        "KAFKA_GROUP_ID": neighbour.group,
        "KAFKA_TOPIC_PAYMENTS": neighbour.payments,
        "KAFKA_TOPIC_NOTIFICATIONS": neighbour.notifications,
        "KAFKA_TOPIC_DEAD_LETTERS": neighbour.dead_letters,
        "LOG_FORMAT": "json",
    }
