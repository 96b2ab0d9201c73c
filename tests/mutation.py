"""Mutation testing: change the product in one place at a time, and see whether some test turns red.

`python -m tests.mutation [room …]` copies the project into `.data/mutation`, starts PostgreSQL and Redis once, and
runs mutmut there, room by room; what is done isn't done again until `make clean`. As a pytest plugin it gives every
process a database that is made once and used again.
"""

import fcntl
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
DATA = ROOT / ".data"
CHILDREN = os.environ.get("WORKERS", "2")
MOST_CHILDREN = 16
COPIED = ("billing_project", "bridge", "payments", "tests", "docs", "manage.py", "pyproject.toml", "README.md")

UNIT = "tests/unit"
CHARGING = [
    f"tests/integration/test_{name}.py"
    for name in (
        *("charging", "close", "late_looks", "notify_pending", "pause", "processing", "replay_failed", "retries"),
        *("settle_races", "settled_facts", "turns", "due", "look_up", "adopt", "adopt_left", "late_answers", "answers"),
    )
]
# Room, its files, and the tests that stand for it: the quickest of those that a mutant meets go first.
ROOMS: dict[str, tuple[list[str], list[str]]] = {
    "money": (["payments/money.py"], [f"{UNIT}/test_money.py"]),
    "declines": (["payments/declines.py"], [f"{UNIT}/test_declines.py"]),
    "retry_policy": (["payments/retry_policy.py"], [f"{UNIT}/test_retry_policy.py"]),
    "charging": (["payments/charging/*"], CHARGING),
}


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings_parallel_suffix: None) -> Iterator[None]:
    """The first database that no other process has, for as long as this one lives."""
    from django.db import connections

    for number in range(MOST_CHILDREN):
        with Path(os.environ["TEST_DATA"], f"database-{number}").open("w") as held:
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            test: dict[str, Any] = connections["default"].settings_dict["TEST"]
            test["NAME"] = f"mutation_{number}"
            yield
            return
    raise AssertionError("more processes than databases")


def main(names: list[str]) -> int:
    """Mutate these rooms, or all. Prints every mutant that lived, and a line of figures per room."""
    from billing_project.dev.services import Services

    DATA.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="mutation-", dir=DATA) as folder:
        wanted: Any = frozenset({"postgres", "redis"})
        with Services(data=Path(folder), cache=DATA / "cache", want=wanted, durable=False) as services:
            environment = os.environ | {
                "TEST_DATA": folder,
                "TEST_DATABASE_URL": services.database_url,
                "TEST_REDIS_URL": services.redis_url,
                "TEST_KAFKA_BROKER": "127.0.0.1:1",  # nobody is there, and none of these tests asks
            }
            figures = [_mutate(name, environment) for name in names or ROOMS]
    print("\n".join(figures))
    return 0


def _mutate(name: str, environment: dict[str, str]) -> str:
    place = DATA / "mutation" / name
    _copy(name, place)
    mutmut = [sys.executable, "-m", "mutmut"]
    subprocess.run([*mutmut, "run", "--max-children", CHILDREN], cwd=place, env=environment, check=False)
    subprocess.run([*mutmut, "results"], cwd=place, check=False)
    subprocess.run([*mutmut, "export-cicd-stats"], cwd=place, check=False, stdout=subprocess.DEVNULL)
    found = json.loads((place / "mutants/mutmut-cicd-stats.json").read_text())
    return f"{name}: {found['killed'] + found['timeout']} of {found['total']} killed, {found['survived']} lived, " + (
        f"{found['no_tests']} met no test"
    )


def _copy(name: str, place: Path) -> None:
    """The project as it is now, with this room's files and tests in mutmut's settings."""
    place.mkdir(parents=True, exist_ok=True)
    for one in COPIED:
        source, target = ROOT / one, place / one
        if source.is_dir():
            shutil.rmtree(target, ignore_errors=True)
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)
    files, tests = ROOMS[name]
    settings = f"[tool.mutmut]\nonly_mutate = {files}\npytest_add_cli_args_test_selection = {tests}\n"
    target = place / "pyproject.toml"
    target.write_text(target.read_text().replace("[tool.mutmut]\n", settings))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
