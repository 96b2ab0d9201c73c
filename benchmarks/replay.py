"""Failed payments tried again at a fixed rate, live ones beside them: `make bench-replay`, SIZE=200 for a small one.

The product's own processes, on a PostgreSQL, a Redis and a Kafka of their own, and a Stripe that answers as fast as the
real one. Prints how long live payments take before the replay and during it, and how fast the replay goes.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.e2e.deployment import Deployment

# Live payments: so many before the replay, and one in so many seconds.
IDLE = 40
LIVE_EVERY = 0.5
# As Stripe's answers come: some are slower.
STRIPE_MS = 300


@dataclass(frozen=True, kw_only=True)
class Figures:
    """Seconds from a record's time to its payment's outcome, of live payments; the replay's own numbers.

    `pace` is items a second, from the replay's first to its last one.
    """

    idle: list[float]
    beside: list[float]
    size: int
    seconds: float
    pace: float
    twice: int


def main() -> int:
    """Start everything, measure, print. Returns 1 where anybody was charged twice."""
    asked = _arguments()
    from billing_project.dev.services import Services
    from tests import placeholders

    placeholders.put()
    with tempfile.TemporaryDirectory(prefix="bench-replay-", dir=asked.folder) as folder:
        data = Path(folder)
        with Services(data=data, cache=Path(".data/cache"), durable=False) as services:
            os.environ |= {
                "KAFKA_BROKER": services.kafka_broker, "DATABASE_URL": services.database_url,
                "TEST_DATABASE_URL": services.database_url,
            }  # fmt: skip
            figures = _run(asked, data, services)
    _print(figures, asked)
    return 1 if figures.twice else 0


def replay_beside_live(deployment: "Deployment", *, size: int, rate: int, idle: int, live_every: float) -> Figures:
    """Processes run already. Live events before and beside the replay of `size` failed payments, until all are paid."""
    from tests.e2e.failed import make_failed

    make_failed(deployment, size)
    _send(deployment, "first_0")
    _wait(deployment, "first", 1)  # until all processes are there
    for number in range(idle):
        _send(deployment, f"idle_{number}")
        time.sleep(live_every)
    _wait(deployment, "idle", idle)
    began = time.monotonic()
    command = [sys.executable, "manage.py", "replay_failed", f"--rate={rate}", "--reason", "a benchmark", "--yes"]
    log = deployment.log("replay").open("wb")
    with log, subprocess.Popen(command, env=deployment.env, stdout=log, stderr=log) as replay:  # noqa: S603
        live = 0
        while replay.poll() is None or (replay.returncode == 0 and _paid(deployment, "failed") < size):
            _send(deployment, f"live_{live}")
            live += 1
            time.sleep(live_every)
    seconds = time.monotonic() - began
    if replay.returncode:
        raise RuntimeError(deployment.log("replay").read_text())
    _wait(deployment, "live", live)
    return Figures(
        idle=_latencies(deployment, "idle"), beside=_latencies(deployment, "live"), size=size, seconds=seconds,
        pace=_pace(deployment), twice=len(deployment.stripe.ledger.twice_charged()),
    )  # fmt: skip


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=10_000, help="how many failed payments")
    parser.add_argument("--rate", type=int, default=25, help="so many are tried again a second")
    parser.add_argument("--limit", type=int, default=60, help="STRIPE_RATE_LIMIT")
    parser.add_argument("--folder", type=Path, help="where the services keep their data meanwhile")
    return parser.parse_args()


def _run(asked: argparse.Namespace, data: Path, services: object) -> Figures:
    from billing_project.dev.services import Services
    from billing_project.dev.simulator import Simulator
    from tests.e2e.deployment import Deployment

    assert isinstance(services, Services)  # noqa: S101
    with Simulator() as stripe:
        stripe.control.set_latency(ms=STRIPE_MS)
        deployed = Deployment(
            folder=data, stripe=stripe, redis_server=services.redis, database=services.database_url,
            broker=services.kafka_broker,
        )  # fmt: skip
        deployed.env["STRIPE_RATE_LIMIT"] = str(asked.limit)
        deployed.env["LOG_LEVEL"] = "WARNING"
        try:
            for command in (("migrate", "--verbosity", "0"), ("topics", "--partitions", "4")):
                done = deployed.command(*command)
                if done.returncode:
                    raise RuntimeError(done.stderr)
            deployed.start()
            return replay_beside_live(deployed, size=asked.size, rate=asked.rate, idle=IDLE, live_every=LIVE_EVERY)
        finally:
            deployed.remove()


def _send(deployment: "Deployment", name: str) -> None:
    event = f'{{"subId":"{name}","user":{{"id":"u","email":"a@b.kz","paymentMethod":"pm_1"}},'
    deployment.send([f'{event}"product":{{"price":100,"currency":"KZT"}}}}'.encode()])


def _paid(deployment: "Deployment", prefix: str) -> int:
    sql = "SELECT count(*) FROM payments_payment WHERE status = 'success' AND subscription_id LIKE %s"
    return deployment.count(sql, f"{prefix}\\_%")


def _pace(deployment: "Deployment") -> float:
    sql = "SELECT ((count(*) - 1) / extract(epoch FROM max(at) - min(at)))::float FROM payments_jobitem"
    [(pace,)] = deployment.rows(sql)
    return float(pace)


def _wait(deployment: "Deployment", prefix: str, count: int) -> None:
    what = f"{count} {prefix} payments are paid"
    deployment.wait_until(lambda: _paid(deployment, prefix) >= count, what=what, within=120)


def _latencies(deployment: "Deployment", prefix: str) -> list[float]:
    sql = (
        "SELECT extract(epoch FROM settled_at - created_at)::float FROM payments_payment WHERE subscription_id LIKE %s"
    )
    return sorted(seconds for (seconds,) in deployment.rows(sql, f"{prefix}\\_%"))


def _print(figures: Figures, asked: argparse.Namespace) -> None:
    print(f"{figures.size:,} failed payments tried again at {asked.rate} a second, STRIPE_RATE_LIMIT={asked.limit}")
    print(f"tried again {figures.pace:.1f} a second; all judged, tried again and paid after {figures.seconds:.0f} s; "
          f"charged twice: {figures.twice}")  # fmt: skip
    for name, found in (("before", figures.idle), ("beside it", figures.beside)):
        cuts = statistics.quantiles(found, n=100)
        print(f"live payments {name:9} {len(found):5}: median {statistics.median(found):.2f} s, "
              f"95 % {cuts[94]:.2f} s, worst {found[-1]:.2f} s")  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
