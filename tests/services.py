"""The pytest plugin that gives the tests real services: PostgreSQL, Redis and Apache Kafka of their own.

Loaded before Django's settings are read, as those name the services. One set per run, shared by the workers of
pytest-xdist, each of which has its own database, Redis database and topics. A service that can't start fails
the run: nothing is skipped.
"""

import os
import shutil
import signal
import tempfile
from collections.abc import Generator
from pathlib import Path

import pytest

from billing_project.dev.services import ServiceFailed, Services
from tests import placeholders

ROOT = Path(__file__).resolve().parent.parent

_running: list[Services] = []


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--no-services` is for tests/unit, which needs none and shall take seconds."""
    parser.addoption("--no-services", action="store_true", help="start nothing; for tests/unit")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Generator[None]:
    """Start the services before pytest-django reads the settings."""
    placeholders.put()
    # The tests' clients speak plain HTTP; those about TLS say so.
    os.environ["HTTPS_ONLY"] = "false"
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")
    options = early_config.known_args_namespace
    if worker:
        os.environ.update(_addresses_for(worker))
    elif "TEST_DATABASE_URL" in os.environ:  # whoever runs this run has started them, as tests.mutation does
        os.environ.update(_addresses_for("main"))
    elif not (options.no_services or options.collectonly or options.help or options.version):
        _start()
        os.environ.update(_addresses_for("main"))
    try:
        return (yield)
    except BaseException:
        pytest_unconfigure()
        raise


def pytest_configure(config: pytest.Config) -> None:
    """Before any test.

    kafka-python, the neighbours' client, leaves its socket open where it is closed as it connects. Ours don't. And a
    shell has whatever it runs in the background ignore Ctrl-C, and so all the processes of the tests.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if broker := os.environ.get("TEST_KAFKA_BROKER"):
        port = broker.rpartition(":")[2]
        config.addinivalue_line("filterwarnings", rf"ignore:unclosed <socket.*raddr=.*, {port}\):ResourceWarning")


def pytest_unconfigure() -> None:
    """Stop what this run started, and remove what it stored."""
    while _running:
        services = _running.pop()
        services.stop()
        shutil.rmtree(os.environ["TEST_DATA"], ignore_errors=True)


def _start() -> None:
    data = ROOT / ".data"
    data.mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="test-", dir=data))
    try:
        services = Services(data=folder, cache=data / "cache", durable=False).start()
    except ServiceFailed as failure:
        shutil.rmtree(folder, ignore_errors=True)
        raise pytest.UsageError(str(failure)) from None
    _running.append(services)
    os.environ["TEST_DATA"] = str(folder)
    os.environ["TEST_DATABASE_URL"] = services.database_url
    os.environ["TEST_REDIS_URL"] = services.redis_url
    os.environ["TEST_KAFKA_BROKER"] = services.kafka_broker


def _addresses_for(worker: str) -> dict[str, str]:
    """What one worker's tests use. Redis has 16 databases; the last ones are for the processes of e2e tests."""
    if "TEST_DATABASE_URL" not in os.environ:
        return {}
    number = int(worker.removeprefix("gw")) if worker.startswith("gw") else 0
    return {
        "DATABASE_URL": os.environ["TEST_DATABASE_URL"],
        "REDIS_URL": os.environ["TEST_REDIS_URL"].removesuffix("/0") + f"/{number % 15 + 1}",
        "KAFKA_BROKER": os.environ["TEST_KAFKA_BROKER"],
    }
