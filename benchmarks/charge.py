"""What it costs to charge: `make bench-charge`, SIZE=500 for a small one.

A worker's own code in one process or several, with as many threads as a worker has slots and 50 payments to a message,
on a PostgreSQL and a Redis of their own; Stripe's stand-in takes 0.3 s for each of the two calls of a payment.
"""

import argparse
import contextlib
import gc
import multiprocessing
import os
import queue
import resource
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.admin import SETTINGS
from benchmarks.processes import tree_cpu
from benchmarks.stand_in import Latency, StandIn, stand_in
from billing_project.dev.services import Services

if TYPE_CHECKING:
    import uuid

STRIPE_SECONDS = 0.3
# As often as the limit of the rate lets: it isn't what is measured.
RATE = 10_000
CACHE = Path(__file__).parents[1] / ".data" / "cache"

STATEMENT = """
    WITH made AS (SELECT %s || n AS name, gen_random_uuid() AS id FROM generate_series(1, %s) AS n),
    subscriptions AS (INSERT INTO payments_subscription (id) SELECT name FROM made RETURNING id)
    INSERT INTO payments_payment (id, subscription_id, number, subscription_as_sent, user_as_sent, user_id, email,
        price, amount, currency, payment_method, customer, asked_by, next_payment_method, status, fault, kind, code,
        reason, attention, intent_customer, account_id, refunded, deliveries, looks, traceparent, created_at,
        accepted_at, due_at)
    SELECT id, name, 1, to_jsonb(name), '{}', 'u', '', 100, 10000, 'KZT', 'pm_1', '', 'event', '', 'pending', '', '',
        '', '', '', '', '', 0, 0, 0, '', now(), now(), now() FROM made RETURNING id
"""


@dataclass(frozen=True, kw_only=True)
class Figures:
    """Of one run. Milliseconds of processor time are for each payment; memory is a worker's at its end, in MB."""

    a_second: float
    worker_ms: float
    postgres_ms: float
    stripe_ms: float
    statements: float
    memory: float


@dataclass(frozen=True, kw_only=True)
class Work:
    """What one process has used: statements, seconds of processor time, MB."""

    statements: int
    seconds: float
    memory: float


Crew = Callable[[Sequence["uuid.UUID"]], Sequence[Work]]


def main() -> int:
    """Start everything, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=5_000, help="how many payments")
    parser.add_argument("--rounds", type=int, default=3, help="how many times")
    parser.add_argument("--slow", type=float, default=0.0, help="share of the calls that take 2 s")
    parser.add_argument("--workers", type=int, default=1, help="how many processes")
    parser.add_argument("--behind", type=int, default=100_000, help="so many older payments are in the tables already")
    asked = parser.parse_args()
    latency = Latency(seconds=STRIPE_SECONDS, slow_share=asked.slow)
    with tempfile.TemporaryDirectory(prefix="bench-charge-") as folder, stand_in(latency) as stripe:
        want = frozenset({"postgres", "redis"})
        with Services(data=Path(folder), cache=CACHE, want=want, durable=False) as services:  # type: ignore[arg-type]
            os.environ.update(
                SETTINGS, DATABASE_URL=services.database_url, REDIS_URL=services.redis_url, STRIPE_API_BASE=stripe.url,
                STRIPE_RATE_LIMIT=str(RATE), DJANGO_SETTINGS_MODULE="billing_project.settings",
            )  # fmt: skip
            _set_up(behind=asked.behind)
            with _crew(asked.workers) as crew:
                _warm_up(stripe, crew)
                _print([_run(f"{number}_", asked.size, stripe, crew) for number in range(asked.rounds)], asked)
    return 0


def _set_up(*, behind: int) -> None:
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)
    if behind:
        from benchmarks import ledger

        ledger.prepare(size=behind, now=_now())


@contextlib.contextmanager
def _crew(workers: int) -> Iterator[Crew]:
    """So many processes, which charge what they are given side by side; one alone is this one."""
    if workers == 1:
        yield lambda ids: [_work(ids)]
        return
    with multiprocessing.get_context("spawn").Pool(workers, initializer=_join_in) as pool:
        yield lambda ids: pool.map(_work, [ids[number::workers] for number in range(workers)], chunksize=1)


def _join_in() -> None:
    import django

    django.setup()
    gc.collect()
    gc.freeze()


def _work(ids: Sequence["uuid.UUID"]) -> Work:
    before = time.process_time()
    statements = _charge(ids)
    return Work(statements=statements, seconds=time.process_time() - before, memory=_memory())


def _warm_up(stripe: StandIn, crew: Crew | None = None) -> None:
    """A few, and what autovacuum does within a minute: without statistics PostgreSQL takes any partial index for small,
    the one of all open payments, too."""
    from django.db import connection

    _run("warm_", 100, stripe, crew)
    gc.collect()
    gc.freeze()  # as a worker does
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def _run(name: str, size: int, stripe: StandIn, crew: Crew | None = None) -> Figures:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(STATEMENT, [name, size])
        ids = [one for (one,) in cursor.fetchall()]
    before = time.monotonic(), _postgres_cpu(), stripe.cpu()
    work = crew(ids) if crew else [_work(ids)]
    after = time.monotonic(), _postgres_cpu(), stripe.cpu()
    seconds, postgres, stripes = (now - then for now, then in zip(after, before, strict=True))
    with connection.cursor() as cursor:
        condition = "status = 'success' AND subscription_id LIKE %s"
        cursor.execute(f"SELECT count(*) FROM payments_payment WHERE {condition}", [f"{name}%"])  # noqa: S608 - ours
        [paid] = cursor.fetchone()
    if paid != size:
        raise RuntimeError(f"{paid} of {size} payments are paid")
    return Figures(
        a_second=size / seconds, worker_ms=sum(one.seconds for one in work) / size * 1000,
        postgres_ms=postgres / size * 1000, stripe_ms=stripes / size * 1000,
        statements=sum(one.statements for one in work) / size, memory=max(one.memory for one in work),
    )  # fmt: skip


def _charge(ids: Sequence["uuid.UUID"]) -> int:
    """All of them, as a worker's tasks do it. Returns how many statements that took."""
    from django.db.backends.signals import connection_created

    from payments import charging, gateway, tasks
    from payments.limits import WORKER_SLOTS

    # No sweep would ring again for who has lost patience.
    pace = charging.Pace(live=True, patience=600.0)
    in_hand = charging.InHand()
    messages: queue.SimpleQueue[Sequence[uuid.UUID]] = queue.SimpleQueue()
    for start in range(0, len(ids), tasks.IDS_PER_MESSAGE):
        messages.put(ids[start : start + tasks.IDS_PER_MESSAGE])
    statements = 0

    def count(execute: Any, *arguments: Any) -> Any:
        nonlocal statements
        statements += 1
        return execute(*arguments)

    def listen(connection: Any, **_: Any) -> None:
        """One thread charges for all, with a connection of its own."""
        connection.execute_wrappers.append(count)

    def work() -> None:
        with contextlib.suppress(queue.Empty):
            while True:
                message = messages.get_nowait()
                in_hand.charge(payment_ids=message, gateway=gateway.connect(), clock=_now, pace=pace)

    connection_created.connect(listen)
    threads = [threading.Thread(target=work) for _ in range(WORKER_SLOTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    in_hand.end()
    connection_created.disconnect(listen)
    return statements


def _now() -> datetime:
    return datetime.now(UTC)


def _postgres_cpu() -> float:
    """Of the server that we have started and of all that it has started, in seconds."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        [backend] = cursor.fetchone()
    parent = int(Path(f"/proc/{backend}/stat").read_text().rpartition(")")[2].split()[1])
    return tree_cpu(parent)


def _memory() -> float:
    """Of this process, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _print(found: Sequence[Figures], asked: argparse.Namespace) -> None:
    print(
        f"{asked.size:,} payments, {asked.workers} processes, {asked.rounds} rounds: median, least and most; "
        "ms of processor time a payment"
    )
    for name in Figures.__annotations__:
        values = [getattr(one, name) for one in found]
        print(f"  {name:12} {statistics.median(values):8.2f}   {min(values):8.2f} … {max(values):8.2f}")


# For those who have others do the same beside it (`charge_peers`), or who charge what came another way (`costs`).
run_once, charge_all, postgres_cpu, warm_up = _run, _charge, _postgres_cpu, _warm_up


if __name__ == "__main__":
    sys.exit(main())
