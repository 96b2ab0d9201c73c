"""Mutation testing: change the product in one place at a time, and see whether some test turns red.

`python -m tests.mutation [room …]` copies the project into `.data/mutation`, starts PostgreSQL and Redis once, and
runs mutmut there, room by room; what is done isn't done again until `make clean`. `charging` is all rooms whose names
begin so. As a pytest plugin it gives every process databases that nobody else uses meanwhile, and lets a mutant meet
those tests first that have found others of its function, and then the quickest.
"""

import fcntl
import gc
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import mutmut.__main__
import mutmut.workers.isolation
import pytest
from _pytest.config import _prepareconfig
from django.conf import settings
from django.db import connections
from mutmut.runners.harness import PytestRunner
from mutmut.state import state
from mutmut.utils.file_utils import change_cwd

ROOT = Path(__file__).resolve().parent.parent
DATA = ROOT / ".data"
CHILDREN = os.environ.get("WORKERS", "2")
MOST_CHILDREN = 15  # one less than Redis has databases
COPIED = ("billing_project", "bridge", "payments", "tests", "docs", "manage.py", "pyproject.toml", "README.md")

# Beside the `mutants` folder in which mutmut's tests run: a line for each mutant that a test has found.
FOUND = Path("../found.txt")

# The lock of this process's databases.
_held = -1

UNIT, INTEGRATION = "tests/unit", "tests/integration"
# Each file of `payments/charging`, and the tests that stand for it, of tests/integration but for the first of `turns`.
CHARGING = {
    "adoption": "adopt_rows adopt adopt_left",
    "claim": "claims charging retries",
    "close": "close settled_facts late_looks pause",
    "due": "due look_up",
    "integrity": "settled_facts answers adopt_rows",
    "pause": "pause_rows pause charging",
    "retry": "retry_rows retries replay_failed settled_facts close charging",
    "run": "runs charging turns pause tracing",
    "settle": "settled_facts late_answers late_looks answers notify_pending processing settle_races charging retries",
    "steps": "steps charging tracing",
    "turns": "turns runs due",
}
# Room, its files, and the tests that stand for it.
ROOMS: dict[str, tuple[list[str], list[str]]] = {
    "money": (["payments/money.py"], [f"{UNIT}/test_money.py"]),
    "declines": (["payments/declines.py"], [f"{UNIT}/test_declines.py"]),
    "retry_policy": (["payments/retry_policy.py"], [f"{UNIT}/test_retry_policy.py"]),
} | {
    f"charging.{file}": (
        [f"payments/charging/{file}.py"],
        ([f"{UNIT}/test_turns.py"] if file == "turns" else [])
        + [f"{INTEGRATION}/test_{name}.py" for name in tests.split()],
    )
    for file, tests in CHARGING.items()
}


class Runner(PytestRunner):
    """Collects the tests of a room once: every mutant is a fork of that, and begins with its first test at once."""

    session: pytest.Session | None = None

    def warm_up(self) -> None:
        """All that can be done before the fork."""
        with change_cwd("mutants"):
            # Captured in memory: a file would be shared with all the others.
            config = _prepareconfig(["-x", "-q", "--capture=sys", *self._pytest_add_cli_args, *self._selection()])
            session = pytest.Session.from_config(config)
            config._do_configure()
            config.hook.pytest_sessionstart(session=session)
            config.hook.pytest_collection(session=session)
        Runner.session = session
        gc.freeze()  # so that nobody looks through all of it again

    def run_tests(self, *, mutant_name: str | None, tests: Iterable[str]) -> int:
        """In the fork: most mutants die of the first test or two, and only those that live meet them all."""
        session = self.session
        if session is None:
            return super().run_tests(mutant_name=mutant_name, tests=tests)
        seconds, wanted = state().duration_by_test, set(tests)
        with change_cwd("mutants"), suppress(pytest.Session.Failed):
            killers = Counter(test for mutant, test in _found() if _function(mutant) == _function(mutant_name or ""))
            session.items = sorted(
                (item for item in session.items if item.nodeid in wanted),
                key=lambda item: (-killers[item.nodeid], seconds.get(item.nodeid, 0.0)),
            )
            session.config.hook.pytest_runtestloop(session=session)
        return int(session.testsfailed > 0)

    def _selection(self) -> list[str]:
        return self._pytest_add_cli_args_test_selection


def _function(mutant: str) -> str:
    return mutant.partition("__mutmut_")[0]


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> None:
    """The first databases, of PostgreSQL and of Redis, that no other process has, for as long as this one lives."""
    if session.config.option.collectonly:
        return
    from billing_project.celery import app

    number, is_made = _take_number()
    database: Any = connections["default"]
    database.settings_dict["TEST"]["NAME"] = f"mutation_{number}"
    if is_made:  # then there is nothing to migrate
        database.creation.create_test_db = lambda **_: database.settings_dict.update(NAME=f"mutation_{number}")
    settings.REDIS_URL = os.environ["TEST_REDIS_URL"].removesuffix("/0") + f"/{number + 1}"
    app.conf.broker_url = settings.REDIS_URL


def pytest_runtest_call() -> None:
    """Whoever has come to a test has made its database."""
    if str(connections["default"].settings_dict["NAME"]).startswith("mutation_"):
        os.ftruncate(_held, 1)


def _take_number() -> tuple[int, bool]:
    global _held
    for number in range(MOST_CHILDREN):
        _held = os.open(Path(os.environ["TEST_DATA"], f"database-{number}"), os.O_CREAT | os.O_RDWR)
        try:
            fcntl.flock(_held, fcntl.LOCK_EX | fcntl.LOCK_NB)  # until this process ends
        except BlockingIOError:
            continue
        return number, os.fstat(_held).st_size > 0
    raise AssertionError("more processes than databases")


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Keep which test has found which mutant."""
    mutant = os.environ.get("MUTANT_UNDER_TEST", "")
    if report.failed and "__mutmut_" in mutant:
        with FOUND.open("a") as found:
            found.write(f"{mutant} {report.nodeid}\n")


def _found() -> list[tuple[str, str]]:
    lines = FOUND.read_text().splitlines() if FOUND.exists() else []
    return [(mutant, test) for mutant, _, test in (line.partition(" ") for line in lines)]


def main(names: list[str]) -> int:
    """Mutate these rooms, or all. Prints every mutant that lived, and a line of figures per room."""
    from billing_project.dev.services import Services

    DATA.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="mutation-", dir=DATA) as folder:
        want: Any = frozenset({"postgres", "redis"})
        with Services(data=Path(folder), cache=DATA / "cache", want=want, durable=False) as services:
            environment = os.environ | {
                "TEST_DATA": folder,
                "TEST_DATABASE_URL": services.database_url,
                "TEST_REDIS_URL": services.redis_url,
                "TEST_KAFKA_BROKER": "127.0.0.1:1",  # nobody is there, and none of these tests asks
            }
            rooms = [room for name in names or ROOMS for room in ROOMS if f"{room}.".startswith(f"{name}.")]
            figures = [_mutate(room, environment) for room in rooms]
    print("\n".join(figures))
    return 0


def _mutate(name: str, environment: dict[str, str]) -> str:
    place = DATA / "mutation" / name
    _copy(name, place)
    mutmut = [sys.executable, "-m", "tests.mutation", "--mutmut"]
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
    if sys.argv[1:2] == ["--mutmut"]:
        for name in [name for name in sys.modules if name.partition(".")[0] == "tests"]:
            del sys.modules[name]  # the tests of mutmut's own copy are meant from here on
        mutmut.workers.isolation.PytestRunner = Runner  # type: ignore[attr-defined]
        mutmut.__main__.cli(sys.argv[2:])
    sys.exit(main(sys.argv[1:]))
