"""The services of docker-compose.yml on this machine: their own commands and environment, without the engine.

Host names become the addresses of embedded services, and each service has a /tmp and ports of its own, as it would have
in its container. The working directory is as the image's /app.
"""

import os
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path

from billing_project.dev.services import Redis
from tests import compose
from tests.e2e.deployment import ROOT

APP = ("manage.py", "gunicorn.conf.py", "billing_project", "bridge", "payments")


class Machine:
    """Services by name. `dotenv` is what somebody has in `.env`: names of topics, and blanks of .env.example."""

    def __init__(self, *, folder: Path, database: str, redis: Redis) -> None:
        self._folder = folder
        self.broker = os.environ["TEST_KAFKA_BROKER"]
        suffix = uuid.uuid4().hex[:8]
        self.topic = f"payment.createInitial.{suffix}"
        dotenv = folder / "dotenv"
        dotenv.write_text(
            f"KAFKA_TOPIC_PAYMENTS={self.topic}\nKAFKA_TOPIC_NOTIFICATIONS=notification.paying.{suffix}\n"
            f"KAFKA_TOPIC_DEAD_LETTERS={self.topic}.dlt\nKAFKA_GROUP_ID=compose-{suffix}\n"
            "STRIPE_SECRET_KEY=\nSECRET_KEY=\nPOSTGRES_PASSWORD=\n"
        )
        self.services = compose.read(variables={}, dotenv=dotenv)
        self._simulator, self._web = free_port(), free_port()
        self._metrics = {name: free_port() for name in self.services}
        self._there_and_here = {
            "billing:billing@postgres:5432/billing": database.partition("://")[2],
            "redis:6379": redis.url.partition("://")[2].partition("/")[0],
            "kafka:9092": self.broker,
            "simulator:12111": f"127.0.0.1:{self._simulator}",
            "12111": str(self._simulator),
            "web:8000": f"127.0.0.1:{self._web}",
            "localhost:8000": f"127.0.0.1:{self._web}",
        }
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        app = folder / "app"
        app.mkdir()
        for name in APP:
            (app / name).symlink_to(ROOT / name)

    def run(self, name: str) -> None:
        """One that ends by itself, with exit code 0."""
        self.start(name)
        assert self._children.pop(name).wait(60) == 0, self.log(name).read_text()

    def start(self, *names: str) -> None:
        """Those that stay."""
        for name in names:
            for inside in ("tmp", "data"):
                (self._folder / name / inside).mkdir(parents=True)
            with self.log(name).open("wb") as log:
                self._children[name] = subprocess.Popen(
                    self._here(name, self.services[name].command), cwd=self._folder / "app",
                    env=self._environment(name), stdout=log, stderr=log,
                )  # fmt: skip

    def is_healthy(self, name: str) -> bool:
        """What its health check says. It must not have ended."""
        assert self._children[name].poll() is None, self.log(name).read_text()
        check = self._here(name, self.services[name].health)
        return subprocess.run(check, env=self._environment(name), capture_output=True, timeout=30).returncode == 0

    def stop(self, name: str) -> int:
        """As `docker compose stop`: SIGTERM, then its exit code within the time that the file gives it."""
        self._children[name].send_signal(signal.SIGTERM)
        return self._children.pop(name).wait(self.services[name].grace)

    def remove(self) -> None:
        """End what is left."""
        for child in self._children.values():
            child.kill()
            child.wait()

    def wait_until(self, condition: Callable[[], bool], *, what: str, within: float = 90) -> None:
        """Or fail with the ends of the logs."""
        deadline = time.monotonic() + within
        while not condition():
            ends = "\n".join(f"{name}: {self.log(name).read_text()[-1000:]}" for name in self._children)
            assert time.monotonic() < deadline, f"not within {within} s: {what}\n{ends}"
            time.sleep(0.1)

    def log(self, name: str) -> Path:
        """What it wrote."""
        return self._folder / f"{name}.log"

    def _environment(self, name: str) -> dict[str, str]:
        given = self.services[name].environment
        found = dict(zip(given, self._here(name, list(given.values())), strict=True))
        if "METRICS_PORT" in found:
            found["METRICS_PORT"] = str(self._metrics[name])
        if name == "web":
            found["GUNICORN_CMD_ARGS"] = f"--bind 127.0.0.1:{self._web}"
        # As the image has it.
        found |= {"HOME": str(self._folder / name / "tmp"), "LOG_FORMAT": "json", "PYTHONDONTWRITEBYTECODE": "1"}
        return found | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}

    def _here(self, name: str, words: list[str]) -> list[str]:
        own = self._folder / name
        places = {**self._there_and_here, "/tmp/": f"{own}/tmp/", "/var/lib/simulator": f"{own}/data"}  # noqa: S108
        found = []
        for text in words:
            word = text
            for there, here in places.items():
                word = word.replace(there, here)
            found.append(word)
        return found


def free_port() -> int:
    """One that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
