"""`make run`, as a newcomer types it: one command charges real events and says whether all is well."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.e2e.deployment import ROOT, Deployment
from tests.placeholders import PLACEHOLDERS

DEMO = [sys.executable, "manage.py", "demo"]


@pytest.fixture
def data(tmp_path: Path) -> list[str]:
    """A data folder of the test's own, as an option."""
    return ["--data", str(tmp_path / "demo")]


def environment(**more: str) -> dict[str, str]:
    """Nothing is configured, unless the test does."""
    return {name: value for name, value in os.environ.items() if name not in PLACEHOLDERS} | more


@pytest.mark.timeout(240)
def test_the_demo_ends_well_twice_and_leaves_nothing_running(data: list[str]) -> None:
    """Exit code 0 says that each payment has the state of the simulator's ledger; yesterday's data is no obstacle."""
    for run in (1, 2):
        ended = subprocess.run(
            [*DEMO, *data, "--exit"], cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=110
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr
        assert re.search(r"\d+ payments, each in the state that the simulator's ledger says", ended.stdout)
        assert ("sub_1" in ended.stdout) and ("success" in ended.stdout)
        assert re.search(r"admin +http://127\.0\.0\.1:\d+/admin/ +admin / \S+", ended.stdout)
        assert ended.stderr == "", f"run {run}"


@pytest.mark.timeout(120)
def test_ctrl_c_stops_everything_that_the_demo_started(data: list[str]) -> None:
    """Up until then, gone afterwards."""
    command = [*DEMO, *data, "--bare"]
    with subprocess.Popen(
        command, cwd=ROOT, env=environment(PYTHONUNBUFFERED="1"), stdout=subprocess.PIPE, text=True
    ) as demo:
        assert demo.stdout is not None
        for line in demo.stdout:
            if "told" in line and "sub_1" in line:
                break
        below = psutil.Process(demo.pid).children(recursive=True)
        assert len(below) > 8, "services and processes"
        demo.send_signal(signal.SIGINT)
        demo.stdout.read()
    assert demo.returncode == 0
    _, left = psutil.wait_procs(below, timeout=10)
    assert left == []


@pytest.mark.timeout(120)
def test_with_every_service_configured_nothing_is_embedded(data: list[str], deployment: Deployment) -> None:
    """What is set is used: with `--feed` the events go there, and the payments are in that database."""
    configured = {name: deployment.env[name] for name in (*PLACEHOLDERS, "STRIPE_API_BASE")}
    ended = subprocess.run(
        [*DEMO, *data, "--exit", "--feed"], cwd=ROOT,
        env=environment(**configured, **deployment.topics, KAFKA_GROUP_ID=deployment.env["KAFKA_GROUP_ID"]),
        capture_output=True, text=True, timeout=100,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "started" not in ended.stdout
    assert deployment.count("SELECT count(*) FROM payments_payment WHERE status = 'success'") > 5
    assert len(deployment.stripe.ledger.successes("sub_1")) == 1
    assert [path.name for path in Path(data[1]).iterdir()] == ["logs"]


@pytest.mark.timeout(120)
def test_with_reload_the_processes_start_anew_when_code_changes(data: list[str]) -> None:
    """`make dev`: they have other process ids afterwards, the simulator hasn't, and Ctrl-C still stops all."""
    code = ROOT / "payments" / "money.py"
    command = [*DEMO, *data, "--bare", "--reload"]
    with subprocess.Popen(
        command, cwd=ROOT, env=environment(PYTHONUNBUFFERED="1"), stdout=subprocess.PIPE, text=True
    ) as demo:
        assert demo.stdout is not None
        for line in demo.stdout:
            if "told" in line and "sub_1" in line:
                break
        before = products_of(demo.pid)
        code.touch()
        for line in demo.stdout:
            if "restart" in line:
                break
        deadline = time.monotonic() + 60
        while len(products_of(demo.pid) - before) < 5:
            assert time.monotonic() < deadline, "the processes did not start anew"
            time.sleep(0.1)
        demo.send_signal(signal.SIGINT)
        demo.stdout.read()
    assert "restart   payments/money.py" in line
    assert demo.returncode == 0


def products_of(pid: int) -> set[int]:
    """The product's processes below the demo: those that run in this checkout's code."""
    found = set()
    for child in psutil.Process(pid).children():
        with contextlib.suppress(psutil.Error):
            if any(word in child.cmdline() for word in ("bridge", "relay", "worker", "beat", "gunicorn")):
                found.add(child.pid)
    return found


def test_a_live_key_is_refused(data: list[str]) -> None:
    """The demo moves no real money; one line, exit code 1, before anything is started."""
    ended = subprocess.run(
        [*DEMO, *data, "--exit", "--feed"], cwd=ROOT, env=environment(STRIPE_SECRET_KEY="sk_live_x"),
        capture_output=True, text=True, timeout=30,
    )  # fmt: skip
    assert ended.returncode == 1
    assert ended.stderr.splitlines() == [
        "configuration: STRIPE_SECRET_KEY: is a live key: the demo moves no real money: unset it, or use sk_test_…"
    ]
    assert ended.stdout == ""


def test_a_wrong_url_is_one_line(data: list[str]) -> None:
    """Before anything is started."""
    ended = subprocess.run(
        [*DEMO, *data], cwd=ROOT, env=environment(REDIS_URL="localhost"), capture_output=True, text=True, timeout=30
    )
    assert ended.returncode == 1
    assert ended.stderr.splitlines() == [
        "configuration: REDIS_URL: is not a redis:// or rediss:// URL: set it to redis://host:6379/0"
    ]


def test_with_a_service_configured_nothing_is_fed_unless_asked(data: list[str]) -> None:
    """Somebody else's Kafka or database must not get our made-up events by accident."""
    ended = subprocess.run(
        [*DEMO, *data, "--exit"], cwd=ROOT, env=environment(REDIS_URL="redis://127.0.0.1:9/0"),
        capture_output=True, text=True, timeout=30,
    )  # fmt: skip
    assert ended.returncode == 1
    assert ended.stderr.splitlines() == ["nothing is fed while REDIS_URL is set: add --feed, or leave out --exit"]
