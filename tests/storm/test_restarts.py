"""Kafka is killed, PostgreSQL is killed, Redis is emptied, all under load: nobody has to lend a hand.

On services of its own, as others would mind. The same thousand events as in the undisturbed run, the same audit, and
the product's own two.
"""

import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from billing_project.dev.services import Services
from billing_project.dev.simulator import Simulator
from tests.e2e.deployment import ROOT, Deployment
from tests.e2e.load import audit, make_load
from tests.storm.sizes import SIZE

pytestmark = pytest.mark.timeout(900)

# What a service is away for, and how long Stripe takes for each answer: a trouble finds payments under way.
AWAY = 2.0
STRIPE_MS = 150
UNDER_WAY = "SELECT count(*) FROM payments_payment WHERE status = 'pending' AND lease_until > now()"


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    """Durable: what was acknowledged must be there after a kill."""
    cache = Path(os.environ["TEST_DATA"]).parent / "cache"
    with Services(data=tmp_path / "services", cache=cache, durable=True) as up:
        yield up


@pytest.fixture
def deployed(tmp_path: Path, services: Services) -> Iterator[Deployment]:
    """All processes on these services."""
    with Simulator() as stripe:
        deployment = Deployment(
            folder=tmp_path, stripe=stripe, redis_server=services.redis, database=services.database_url,
            broker=services.kafka_broker,
        )  # fmt: skip
        subprocess.run(
            [sys.executable, "manage.py", "migrate", "--verbosity", "0"],
            cwd=ROOT, env=deployment.env, check=True, timeout=120,
        )  # fmt: skip
        made = deployment.command("topics", "--partitions", "4")
        assert made.returncode == 0, made.stderr
        try:
            yield deployment
        finally:
            deployment.remove()


def test_no_process_needs_a_hand_when_services_are_killed_under_load(
    services: Services, deployed: Deployment, capsys: pytest.CaptureFixture[str]
) -> None:
    """P1 to P4 through all of it; no process ends, and all is at rest within the time that P5 allows."""

    def kill_kafka() -> None:
        deployed.hang_up()
        services.kafka.kill()
        time.sleep(AWAY)
        services.kafka.start()

    def kill_postgres() -> None:
        services.postgres.kill()
        time.sleep(AWAY)
        services.postgres.start()

    troubles: list[Callable[[], None]] = [kill_kafka, kill_postgres, deployed.flush_redis] * SIZE.restarts
    random.Random(1).shuffle(troubles)
    load = make_load(seed=4)
    part = -(-len(load.records) // len(troubles))
    deployed.stripe.control.set_latency(ms=STRIPE_MS)
    deployed.start()
    for place, trouble in enumerate(troubles):
        deployed.send(load.records[place * part : (place + 1) * part])
        deployed.wait_until(lambda: deployed.count(UNDER_WAY) > 0, what="payments are under way")
        trouble()
    began_at = time.monotonic()
    deployed.wait_until_at_rest(records=len(load.records), within=180, leases=SIZE.leases)
    took = time.monotonic() - began_at
    audit(deployed, load)
    for promises in ("audit", "audit_offsets"):
        held = deployed.command(promises)
        assert held.returncode == 0, held.stdout + held.stderr
    with capsys.disabled():
        print(
            f"\nrestarts: {SIZE.restarts} each of Kafka (-9), PostgreSQL (-9), and Redis emptied, under "
            f"{len(load.records):,} records, each time with payments under way; all told {took:.0f} s after the last "
            "trouble"
        )
