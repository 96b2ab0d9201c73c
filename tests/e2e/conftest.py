"""A deployment per test, from a migrated template database that each worker makes once."""

import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from billing_project.dev.services import Redis
from billing_project.dev.simulator import Simulator

pytest.register_assert_rewrite("tests.e2e.load", "tests.e2e.deployment")

from tests.e2e.deployment import ROOT, Deployment, drop_database, make_database  # noqa: E402


@pytest.fixture(scope="session")
def _template() -> Iterator[str]:
    name = f"template_{uuid.uuid4().hex[:8]}"
    url = make_database(name=name)
    subprocess.run(
        [sys.executable, "manage.py", "migrate", "--verbosity", "0"],
        cwd=ROOT, env=os.environ | {"DATABASE_URL": url}, check=True, timeout=60,
    )  # fmt: skip
    yield name
    drop_database(name=name)


@pytest.fixture
def deployment(tmp_path: Path, _template: str) -> Iterator[Deployment]:
    """Topics made, nothing started yet. Its Redis is its own, as some tests empty or stop it."""
    name = f"e2e_{uuid.uuid4().hex[:8]}"
    redis = Redis(folder=Path(os.environ["TEST_DATA"]) / name, durable=False)
    redis.start()
    with Simulator() as stripe:
        deployed = Deployment(
            folder=tmp_path, stripe=stripe, redis_server=redis, database=make_database(name=name, template=_template)
        )
        try:
            made = deployed.command("topics", "--partitions", "4")
            assert made.returncode == 0, made.stderr
            yield deployed
        finally:
            deployed.remove()
            redis.stop()
            drop_database(name=name)
