"""Ours beside others who charge, each in turn on the same machine: `make bench-charge-peers`, SIZE=200 for a small one.

Ours charges SIZE payments as in `make bench-charge`, with two calls to Stripe of 0.3 s a payment and everything that
holds its promises; the others make one call of 0.3 s, read one row and write one. Each of them has a process of its own
that is warm when the clock starts; those that are slower are given fewer payments, as many as take some seconds.
"""

import argparse
import contextlib
import functools
import itertools
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from benchmarks import charge, figures
from benchmarks.admin import SETTINGS
from benchmarks.figures import Contender, Figures
from benchmarks.stand_in import Latency, StandIn, cpu_of, stand_in
from billing_project.dev.services import Name, Services

ROOT = Path(__file__).parents[1]
START_WITHIN, CHARGE_WITHIN = 60.0, 300.0
# Seldom enough to cost PostgreSQL nothing; when the last one was paid stands in its row.
LOOK_EVERY = 0.25


@dataclass(frozen=True, kw_only=True)
class Peer:
    """Another way to charge. `share`: of the payments that ours charges, so many; `slots`: payments under way."""

    name: str
    command: Sequence[str]
    give: Callable[[Sequence[int]], None]
    slots: int
    share: float

    def size(self, ours: int) -> int:
        """How many it charges: twenty at least, and enough that all its slots are busy for most of the time."""
        return max(20, 3 * self.slots, int(ours * self.share))


def main() -> int:
    """Start everything, have each charge in turn, show, keep."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=2_000, help="how many payments ours charges in a round")
    parser.add_argument("--rounds", type=int, default=3, help="how often each has its turn")
    parser.add_argument("--only", default="", help="beside ours; names of peers, with semicolons")
    parser.add_argument("--json", type=Path, help="writes the figures there")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-charge-peers-") as folder, stand_in(
        Latency(seconds=charge.STRIPE_SECONDS)
    ) as stripe:  # fmt: skip
        want: frozenset[Name] = frozenset({"postgres", "redis"})
        with Services(data=Path(folder), cache=charge.CACHE, want=want, durable=False) as services:
            os.environ.update(
                SETTINGS, DATABASE_URL=services.database_url, REDIS_URL=services.redis_url, STRIPE_API_BASE=stripe.url,
                STRIPE_RATE_LIMIT=str(charge.RATE), DJANGO_SETTINGS_MODULE="billing_project.settings",
            )  # fmt: skip
            contenders = _contenders(asked.size, stripe, Path(folder), asked.only)
            stage = figures.measure("charge", contenders, rounds=asked.rounds)
    figures.show(stage)
    if asked.json:
        figures.keep([stage], asked.json)
    return 0


def _contenders(size: int, stripe: StandIn, logs: Path, only: str) -> list[Contender]:
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)
    from benchmarks.peers import shop

    shop.make_table()
    charge.warm_up(stripe)
    names = (f"{number}_" for number in itertools.count())
    ours = Contender(name="ours", run=lambda: _ours(next(names), size, stripe))
    theirs = [
        Contender(name=peer.name, run=functools.partial(_theirs, peer, peer.size(size), logs))
        for peer in _peers()
        if not only or peer.name in only.split(";")
    ]
    return [ours, *theirs]


def _peers() -> list[Peer]:
    from benchmarks.peers import one_at_a_time

    def worker(module: str, slots: int) -> list[str]:
        app = f"benchmarks.peers.{module}"
        return ["-m", "celery", "-A", app, "worker", "-c", str(slots), "--loglevel=WARNING", "--without-mingle"]

    return [
        Peer(name="threads, 50", command=worker("charge_threads", 50), give=_as_tasks("charge_threads"), slots=50,
             share=1.0),
        Peer(name="prefork, 32", command=worker("charge_prefork", 32), give=_as_tasks("charge_prefork"), slots=32,
             share=0.75),
        Peer(name="prefork, 8", command=worker("charge_prefork", 8), give=_as_tasks("charge_prefork"), slots=8,
             share=0.2),
        Peer(name="one at a time", command=["-m", one_at_a_time.__name__], give=_as_records, slots=1, share=0.0),
    ]  # fmt: skip


def _as_tasks(queue: str) -> Callable[[Sequence[int]], None]:
    """Celery's way to ask for a payment: a task each."""

    def give(ids: Sequence[int]) -> None:
        from celery import Celery

        with Celery(broker=os.environ["REDIS_URL"], set_as_current=False) as app, app.producer_or_acquire() as producer:
            for one in ids:
                app.send_task("charge", kwargs={"payment_id": one}, queue=queue, producer=producer, ignore_result=True)

    return give


def _as_records(ids: Sequence[int]) -> None:
    from benchmarks.peers import one_at_a_time
    from payments.limits import connect_redis

    connect_redis().rpush(one_at_a_time.RECORDS, *ids)


def _ours(name: str, size: int, stripe: StandIn) -> Figures:
    found = charge.run_once(name, size, stripe)
    return _figures(found.a_second, found.worker_ms, found.postgres_ms, _memory(psutil.Process()))


def _theirs(peer: Peer, size: int, logs: Path) -> Figures:
    _forget()
    with _process(peer, logs) as process:
        # Until it is up, and each of its slots has made its connections.
        peer.give(_make(3 * peer.slots))
        _wait(process, within=START_WITHIN + CHARGE_WITHIN)
        ids = _make(size)
        before = time.time(), _cpu(process), charge.postgres_cpu()
        peer.give(ids)
        ended = _wait(process, within=CHARGE_WITHIN)
        worker, postgres = _cpu(process) - before[1], charge.postgres_cpu() - before[2]
        a_second = size / (ended - before[0])
        return _figures(a_second, worker / size * 1000, postgres / size * 1000, _memory(process))


def _figures(a_second: float, worker_ms: float, postgres_ms: float, memory: float) -> Figures:
    return {
        "payments/s": a_second, "worker's CPU ms": worker_ms, "PostgreSQL's CPU ms": postgres_ms, "memory MB": memory,
    }  # fmt: skip


@contextlib.contextmanager
def _process(peer: Peer, logs: Path) -> Iterator[psutil.Process]:
    """The peer, while the block lasts."""
    env = os.environ | {"DJANGO_SETTINGS_MODULE": "benchmarks.peers.settings"}
    log = logs / f"{peer.name}.log"
    with log.open("wb") as out, subprocess.Popen(  # noqa: S603 - ours
        [sys.executable, *peer.command], cwd=ROOT, env=env, stdout=out, stderr=out
    ) as child:  # fmt: skip
        process = psutil.Process(child.pid)
        try:
            yield process
        except BaseException:
            print(log.read_text(errors="replace"), file=sys.stderr)
            raise
        finally:
            below = [process, *process.children(recursive=True)]
            child.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(10)
            for one in below:
                with contextlib.suppress(psutil.NoSuchProcess):
                    one.kill()


def _forget() -> None:
    """The payments of those who had their turn before: whoever looks for pending ones reads the whole table."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE peers_payment")


def _make(count: int) -> list[int]:
    """So many payments of the peers, to be charged."""
    from benchmarks.peers.shop import Payment

    made = Payment.objects.bulk_create(
        Payment(amount=10_000, currency="KZT", payment_method="pm_1") for _ in range(count)
    )
    return [one.id for one in made]


def _wait(process: psutil.Process, *, within: float) -> float:
    """Until none is pending. Returns when the last one was written, in UNIX time."""
    from benchmarks.peers.shop import Payment

    deadline = time.monotonic() + within
    while Payment.objects.filter(status="pending").exists():
        if not process.is_running() or process.status() == psutil.STATUS_ZOMBIE or time.monotonic() > deadline:
            raise RuntimeError("the peer has ended, or doesn't come to an end")
        time.sleep(LOOK_EVERY)
    return Payment.objects.latest("updated_at").updated_at.timestamp()


def _cpu(process: psutil.Process) -> float:
    """Of it and of all that it has started, in seconds."""
    return sum(cpu_of(one.pid) for one in [process, *process.children(recursive=True)])


def _memory(process: psutil.Process) -> float:
    """Of it and of all that it has started, each page that several have counted once, in MB."""
    found: Any = [one.memory_full_info() for one in [process, *process.children(recursive=True)]]
    return float(sum(one.pss for one in found) / 1024**2)


if __name__ == "__main__":
    sys.exit(main())
