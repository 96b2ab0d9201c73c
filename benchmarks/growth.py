"""What grows with the tables, and what doesn't: `make bench-growth`, SIZE=100000 for a small one.

Two databases on one server, one empty and one with SIZE payments of 90 days and all that belongs to them, and the same
work in each, in turn: to take events in, claim them, look for what is due, tell outcomes, and search in the admin. Each
turn is a process of its own. Ten million payments take long to write, and a large disk.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from urllib.parse import urlencode, urlsplit, urlunsplit

from benchmarks.admin import SETTINGS
from benchmarks.figures import Contender, Figures, Stage, keep, measure
from benchmarks.processes import manage
from billing_project.dev.services import Services

# What is done in one turn: so many events, in batches as the bridge takes them, and messages as it rings.
EVENTS, BATCH, MESSAGE = 5_000, 500, 50
SEARCHES = 15
# An outcome for each of them waits to be told.
OUTCOMES = """
    INSERT INTO payments_outboxmessage (message_id, channel, key, value, headers, payment_id, created_at, error)
    SELECT gen_random_uuid()::text, 'notifications', convert_to(id::text, 'UTF8'), convert_to('{}', 'UTF8'), '{}', id,
        now(), ''
    FROM payments_payment WHERE subscription_id LIKE %s
"""


def main() -> int:
    """Fill one of two, measure in turn, print. With `--turn`, one turn on the database of the environment, as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=10_000_000, help="how many payments")
    parser.add_argument("--rounds", type=int, default=5, help="how often each has its turn")
    parser.add_argument("--json", type=Path, help="writes the figures there")
    parser.add_argument("--folder", type=Path, help="where the services keep their data meanwhile")
    parser.add_argument("--turn", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.turn:
        print(json.dumps(_turn()))
        return 0
    with tempfile.TemporaryDirectory(prefix="bench-growth-", dir=asked.folder) as folder:
        services = Services(data=Path(folder), cache=Path(folder), want=frozenset({"postgres"}), durable=False)
        with services:
            os.environ.update(SETTINGS, DJANGO_SETTINGS_MODULE="billing_project.settings")
            empty, grown = (_database(services.database_url, name) for name in ("empty", "grown"))
            _fill(grown, asked.size)
            contenders = [
                Contender(name="empty", run=partial(_apart, empty)),
                Contender(name=f"{asked.size:,} payments", run=partial(_apart, grown)),
            ]
            stage = measure("growth", contenders, rounds=asked.rounds, better="less")
    _show(stage)
    if asked.json:
        keep([stage], asked.json)
    return 0


def _database(server: str, name: str) -> str:
    """A new one on that server, with our tables. Returns its URL."""
    import psycopg2

    with closing(psycopg2.connect(server)) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        cursor.execute(f"CREATE DATABASE {name}")
    url = urlunsplit(urlsplit(server)._replace(path=f"/{name}"))
    manage("migrate", "--verbosity", "0", env={**os.environ, "DATABASE_URL": url})
    return url


def _fill(url: str, size: int) -> None:
    os.environ["DATABASE_URL"] = url
    import django

    django.setup()
    from django.db import connection

    from benchmarks import ledger

    began = time.monotonic()

    def say(what: str) -> None:
        print(f"{time.monotonic() - began:6.1f} s  {what}", file=sys.stderr, flush=True)

    ledger.prepare(size=size, now=datetime.now(UTC), say=say)
    connection.close()
    say("filled")


def _apart(url: str) -> Figures:
    """A turn, in a process of its own."""
    told = subprocess.run(
        [sys.executable, "-m", "benchmarks.growth", "--turn"], check=True, stdout=subprocess.PIPE,
        env={**os.environ, "DATABASE_URL": url, "LOG_LEVEL": "ERROR"},
    )  # fmt: skip
    figures: dict[str, float] = json.loads(told.stdout)
    return figures


def _turn() -> Figures:
    import django

    django.setup()
    from django.db import connection

    from payments import charging, outbox
    from payments.charging.due import GRACE

    name = f"growth_{uuid.uuid4().hex[:8]}_"
    now = datetime.now(UTC)
    found = {"intake, µs an event": _each(partial(_take_in, name, now), EVENTS) * 1e6}
    with connection.cursor() as cursor:
        cursor.execute("SELECT id FROM payments_payment WHERE subscription_id LIKE %s", [f"{name}%"])
        ids = [one for (one,) in cursor.fetchall()]
    # Before they are claimed: a worker sees what the bridge has just written, and so does a sweep.
    later = now + GRACE + timedelta(seconds=1)
    found["sweep, ms"] = _median(lambda: charging.find_due(limit=BATCH, now=later)) * 1e3

    def claim() -> None:
        parts = [ids[start : start + MESSAGE] for start in range(0, EVENTS, MESSAGE)]
        _insist(sum(len(charging.claim(payment_ids=part, now=datetime.now(UTC))) for part in parts))

    found["claim, µs a payment"] = _each(claim, EVENTS) * 1e6
    with connection.cursor() as cursor:
        cursor.execute(OUTCOMES, [f"{name}%"])

    def tell() -> None:
        told = 0
        while rows := outbox.waiting(limit=BATCH):
            outbox.mark_published(ids=[row.id for row in rows], now=datetime.now(UTC))
            told += len(rows)
        _insist(told)

    found["relay's two statements, µs a row"] = _each(tell, EVENTS) * 1e6
    return {**found, **_search(name)}


def _take_in(name: str, now: datetime) -> None:
    from bridge import schema
    from payments import intake

    for start in range(0, EVENTS, BATCH):
        records = []
        for number in range(start, start + BATCH):
            person = {"id": f"u_{name}{number}", "email": f"{name}{number}@example.kz", "paymentMethod": "pm_card_visa",
                      "customer": "cus_1"}  # fmt: skip
            event = {"subId": f"{name}{number}", "user": person, "product": {"price": 1990, "currency": "KZT"}}
            value = json.dumps(event).encode()
            wish = schema.decode(value=value, headers=(), price_unit="major")
            records.append(
                intake.Record(
                    cluster="growth", topic=name, partition=0, offset=number, at=now, key=None, value=value,
                    headers=(), wish=wish,
                )
            )  # fmt: skip
        _insist(len(intake.accept(records=records, group="growth", now=now).due), BATCH)


def _insist(count: int, of: int = EVENTS) -> None:
    """What isn't done is quick."""
    if count != of:
        raise RuntimeError(f"{count} of {of} were done")


def _search(name: str) -> dict[str, float]:
    """In the admin, in milliseconds: whole pages, after one that loads templates."""
    from django.contrib.auth.models import User
    from django.test import Client

    client = Client()
    client.force_login(User.objects.get_or_create(username="bench", is_staff=True, is_superuser=True)[0])
    numbers = iter(range(EVENTS))

    def ask(**query: str) -> None:
        answer = client.get(f"/admin/payments/payment/?{urlencode(query)}")
        if answer.status_code != 200:
            raise RuntimeError(f"{query}: {answer.status_code}")

    ask()
    return {
        "search by e-mail, ms": _median(lambda: ask(q=f"{name}{next(numbers)}@example.kz")) * 1e3,
        "search by subscription, ms": _median(lambda: ask(q=f"{name}{next(numbers)}")) * 1e3,
    }


def _each(work: Callable[[], object], count: int) -> float:
    """Seconds for each of so many."""
    began = time.perf_counter()
    work()
    return (time.perf_counter() - began) / count


def _median(work: Callable[[], object]) -> float:
    """Seconds, of several times."""
    return statistics.median(_each(work, 1) for _ in range(SEARCHES))


def _show(stage: Stage) -> None:
    (small, before), (large, after) = stage.medians().items()
    print(f"medians of {len(stage.rounds[small])} turns: {small}, {large}, ratio")
    for what, value in before.items():
        print(f"  {what:34} {value:9.2f} {after[what]:9.2f} {after[what] / value:6.2f}")


if __name__ == "__main__":
    sys.exit(main())
