"""Mutation testing: change the product in one place at a time, and see whether some test turns red.

`python -m tests.mutation [room …]` copies the project into `.data/mutation`, starts PostgreSQL and Redis once, and
runs mutmut there, room by room; what is done isn't done again until `make clean`. Every mutant is a fork of a process
that has collected the tests, has databases that nobody else uses meanwhile, and meets those tests first that have
found others of its function, and then the quickest.
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
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from random import random
from typing import Any

import mutmut.__main__
import mutmut.workers.isolation
import psycopg2
import pytest
from _pytest.config import _prepareconfig
from django.conf import settings
from django.db import connections
from mutmut.runners.harness import PytestRunner
from mutmut.state import state
from mutmut.utils.file_utils import change_cwd

from tests import placeholders

ROOT = Path(__file__).resolve().parent.parent
DATA = ROOT / ".data"
CHILDREN = os.environ.get("WORKERS", "2")
DATABASES = 15
COPIED = ("billing_project", "bridge", "payments", "tests", "docs", "manage.py", "pyproject.toml", "README.md")

# Beside the `mutants` folder in which mutmut's tests run: a line for each mutant that a test has found.
FOUND = Path("../found.txt")

# The tests that stand for each file of `payments/charging`: those of tests/integration, and of tests/unit.
CHARGING = {
    "adoption": "adopt_rows adopt_methods adopt adopt_left",
    "calls": "runs in_hand charging_outcomes charging_in_doubt turns",
    "claim": "claims charging_outcomes charging_in_doubt retries",
    "close": "close settled_facts late_looks pause",
    "due": "due passed_over look_up",
    "in_hand": "in_hand messages_together",
    "integrity": "settled_facts unsettled_facts answers adopt_rows",
    "message": "runs in_hand messages_together turns",
    "pause": "pause_rows pause charging_outcomes charging_in_doubt",
    "retry": "retry_rows retries replay_failed settled_facts unsettled_facts close charging_outcomes charging_in_doubt",
    "run": "runs in_hand messages_together charging_outcomes charging_in_doubt turns pause",
    "notes": "writes retries settled_facts unsettled_facts",
    "settle": "settled_facts unsettled_facts settle_races writes close restore_bindings",
    "settling": (
        "settled_facts unsettled_facts late_answers late_looks answers notify_pending processing settle_races "
        "charging_outcomes charging_in_doubt retries writes restore_bindings"
    ),
    "steps": "steps steps_again charging_outcomes charging_in_doubt",
    "together": "settle_races writes",
    "turns": "unit/turns planned_rows turns runs due",
    "writes": "writes steps steps_again late_answers charging_outcomes",
}


def _paths(names: str) -> list[str]:
    return [
        f"tests/{folder or 'integration'}/test_{name}.py"
        for folder, _, name in (one.rpartition("/") for one in names.split())
    ]


# Room, its files, and the tests that stand for them.
ROOMS: dict[str, tuple[list[str], list[str]]] = {
    "money": (["payments/money.py"], _paths("unit/money")),
    "declines": (["payments/declines.py"], _paths("unit/declines")),
    "retry_policy": (["payments/retry_policy.py"], _paths("unit/retry_policy")),
    "charging": (["payments/charging/*"], _paths(" ".join(dict.fromkeys(" ".join(CHARGING.values()).split())))),
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
        """In the fork. Most mutants die of the first test or two, and only those that live meet them all."""
        if self.session is None:  # without a mutant; in the way of a mutant all the same
            self.warm_up()
            return _in_fork(lambda: self.run_tests(mutant_name=mutant_name, tests=tests))
        seconds, file = state().duration_by_test, (mutant_name or "").rpartition(".")[0].rpartition(".")[2]
        wanted, stand = set(tests), tuple(_paths(CHARGING.get(file, ""))) or ("tests/",)
        session = self.session
        output = sys.stdout, sys.stderr  # if these were let go while a test runs, that would be the test's fault
        with change_cwd("mutants"), suppress(pytest.Session.Failed):
            killers = Counter(test for mutant, test in _found() if _function(mutant) == _function(mutant_name or ""))
            session.items = sorted(
                (
                    item
                    for item in session.items
                    if not wanted or (item.nodeid in wanted and item.nodeid.startswith(stand))
                ),
                key=lambda item: (-killers[item.nodeid], seconds.get(item.nodeid, 0.0)),
            )
            session.config.hook.pytest_runtestloop(session=session)
        del output
        return int(session.testsfailed > 0)

    def _selection(self) -> list[str]:
        return self._pytest_add_cli_args_test_selection


def _in_fork(run: Callable[[], int]) -> int:
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    sys.stdout = sys.stderr = Path(os.devnull).open("w")  # noqa: SIM115 - for as long as it lives
    os._exit(run())


def _function(mutant: str) -> str:
    return mutant.partition("__mutmut_")[0]


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> None:
    """The first databases, of PostgreSQL and of Redis, that no other process has, for as long as this one lives."""
    if session.config.option.collectonly:
        return
    from billing_project.celery import app

    number = _take_number()
    database: Any = connections["default"]
    # It is made already: there is nothing to migrate.
    database.creation.create_test_db = lambda **_: database.settings_dict.update(NAME=f"mutation_{number}")
    settings.REDIS_URL = os.environ["TEST_REDIS_URL"].removesuffix("/0") + f"/{number + 1}"
    app.conf.broker_url = settings.REDIS_URL


def _take_number() -> int:
    for number in range(DATABASES):
        held = os.open(Path(os.environ["TEST_DATA"], f"database-{number}"), os.O_CREAT | os.O_RDWR)
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)  # until this process ends
        except BlockingIOError:
            continue
        return number
    raise AssertionError("more processes than databases")


def _make_databases(address: str) -> None:
    """As many as Redis has beside the first: one migrated, and copies of it."""
    connection = psycopg2.connect(address)
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute("CREATE DATABASE mutation_0")
        first = address.rpartition("/")[0] + "/mutation_0"
        environment = os.environ | placeholders.PLACEHOLDERS | {"DATABASE_URL": first}
        migrate = [sys.executable, "manage.py", "migrate", "--verbosity", "0"]
        subprocess.run(migrate, cwd=ROOT, env=environment, check=True)
        for number in range(1, DATABASES):
            cursor.execute(f"CREATE DATABASE mutation_{number} TEMPLATE mutation_0")
    connection.close()


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Keep which test has found which mutant."""
    mutant = os.environ.get("MUTANT_UNDER_TEST", "")
    if report.failed and "__mutmut_" in mutant:
        with FOUND.open("a") as found:
            found.write(f"{mutant} {report.nodeid} {report.when}\n")


def _found() -> list[tuple[str, str]]:
    lines = FOUND.read_text().splitlines() if FOUND.exists() else []
    return [(mutant, test.rpartition(" ")[0]) for mutant, _, test in (line.partition(" ") for line in lines)]


def main(names: list[str]) -> int:
    """Mutate these rooms, or all. Prints every mutant that lived, and a line of figures per file."""
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
            _make_databases(services.database_url)
            figures = [_mutate(room, environment) for room in names or ROOMS]
    print("\n".join(figures))
    return 0


def _mutate(name: str, environment: dict[str, str]) -> str:
    place = DATA / "mutation" / name
    _copy(name, place)
    mutmut = [sys.executable, "-m", "tests.mutation", "--mutmut"]
    subprocess.run([*mutmut, "run", "--max-children", CHILDREN], cwd=place, env=environment, check=False)
    subprocess.run([*mutmut, "results"], cwd=place, check=False)
    return "\n".join(_figures(place, meta) for meta in sorted(place.glob("mutants/payments/**/*.meta")))


def _figures(place: Path, meta: Path) -> str:
    """One line for one file, of the exit codes that mutmut keeps: 0 lived, 33 met no test, None is still to be done."""
    codes = Counter(json.loads(meta.read_text())["exit_code_by_key"].values())
    lived, untested, open_, total = codes[0], codes[33], codes[None], codes.total()
    file = meta.relative_to(place / "mutants").with_suffix("")
    killed = total - lived - untested - open_
    return f"{file}: {killed} of {total} killed, {lived} lived, {untested} met no test" + (
        f", {open_} to be done" if open_ else ""
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
        # In any order: whatever has been done by the time that it is stopped is a fair sample.
        mutmut.__main__.estimated_worst_case_time = lambda mutant_name: random()
        mutmut.workers.isolation.PytestRunner = Runner  # type: ignore[attr-defined]
        mutmut.__main__.cli(sys.argv[2:])
    sys.exit(main(sys.argv[1:]))
