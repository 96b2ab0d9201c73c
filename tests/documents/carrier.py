"""Runs the command lines of a document, one block after another, in a folder of the test's own."""

import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.error import URLError
from urllib.parse import urlsplit
from urllib.request import urlopen

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connection

from billing_project import env
from billing_project.dev.services.process import find_free_ports
from payments.models import Heartbeat
from tests.documents.blocks import ROOT, Block
from tests.documents.ways import ALSO_ENDS_WITH, Way, way_of
from tests.documents.world import World
from tests.integration.kafka_client import wait_until

# What a document's reader has in the folder in which commands are typed.
AT_HAND = ("manage.py", "gunicorn.conf.py", ".env.example")
# Processes by the words that start them, as their heartbeats call them.
PROCESSES = {"bridge": "bridge", "relay": "relay", "worker": "worker", "beat": "beat", "gunicorn": "web"}
# Paths that a document speaks of are on another machine; here they are files of the test's own.
PATHS = re.compile(r"(?<=[= ])/(?:run|etc|tmp|var)/[\w./-]+")


def environment() -> dict[str, str]:
    """For processes: what the settings of this process are now, which tests change as they go."""
    database = urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{connection.settings_dict['NAME']}")
    names = [name for name in env.Env.model_fields if name.startswith("kafka_") or name == "stripe_api_base"]
    ours = {name.upper(): str(value) for name in names if (value := getattr(settings, name.upper(), None))}
    return os.environ | ours | {
        "DATABASE_URL": database.geturl(),
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "PYTHONPATH": str(ROOT),
    }  # fmt: skip


@contextmanager
def processes(*lines: str, folder: Path) -> Iterator[None]:
    """Processes of the product, from the first heartbeat of each to the end of the block; SIGTERM ends them with 0."""
    began_at, children = datetime.now(UTC), [_start(line, folder=folder) for line in lines]
    try:
        wait_until(lambda: all(child.lives(since=began_at) for child in children), what=f"{lines} live", within=60)
        yield
    finally:
        for child in children:
            child.popen.send_signal(signal.SIGTERM)
        for child in children:
            assert child.popen.wait(60) == 0, f"{child.line}: {child.log.read_text()}"


@dataclass(frozen=True, kw_only=True)
class _Child:
    """One process; `port` is that of the web process."""

    line: str
    name: str
    port: int
    log: Path
    popen: subprocess.Popen[bytes]

    def lives(self, *, since: datetime) -> bool:
        """Whether its heart has beaten since then. Fails where the process has ended."""
        assert self.popen.poll() is None, f"{self.line}: {self.log.read_text()}"
        if self.name == "web":  # whose heart beats as it is asked
            with suppress(URLError):
                urlopen(f"http://127.0.0.1:{self.port}/livez", timeout=10).close()
        return Heartbeat.objects.filter(process=self.name, started_at__gte=since).exists()


def _start(line: str, *, folder: Path) -> _Child:
    name = next(PROCESSES[word] for word in shlex.split(line) if word in PROCESSES)
    log = folder / f"{name}.log"
    # Port 8000 may be somebody else's.
    [port] = find_free_ports(count=1)
    given = environment() | {"GUNICORN_CMD_ARGS": f"--bind 127.0.0.1:{port}"}
    with log.open("wb") as out:
        popen = subprocess.Popen(shlex.split(line), cwd=folder, env=given, stdout=out, stderr=out)
    return _Child(line=line, name=name, port=port, log=log, popen=popen)


class Carrier:
    """Carries out what a page says, in its order."""

    def __init__(self, *, folder: Path, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        self._folder, self._world, self._monkeypatch = folder, world, monkeypatch
        for name in AT_HAND:
            (folder / name).symlink_to(ROOT / name)
        monkeypatch.chdir(folder)
        for name, value in {"USERNAME": "root", "EMAIL": "a@b.kz", "PASSWORD": "only for a test"}.items():
            monkeypatch.setenv(f"DJANGO_SUPERUSER_{name}", value)

    def carry_out(self, block: Block) -> None:
        """Each line in its way; then the settings of the block together, and its processes together."""
        lines = block.commands()
        for line in lines:
            try:
                self._run(line)
            except (Exception, SystemExit) as failure:
                raise AssertionError(f"{block}: {line}") from failure
        self._load_settings([line for line in lines if way_of(line) is Way.SETTING])
        if lasting := [line for line in lines if way_of(line) is Way.PROCESS]:
            with processes(*lasting, folder=self._folder):
                pass

    def _run(self, line: str) -> None:
        match way_of(line):
            case Way.COMMAND:
                self._call(shlex.split(line)[2:])
            case Way.SHELL:
                subprocess.run(
                    ["/bin/sh", "-ec", self._with_files(line)], cwd=self._folder, env=environment(), check=True
                )
            case Way.SETTING | Way.PROCESS | Way.MADE | Way.NOT_HERE:
                pass
            case None:
                raise AssertionError("no way to run it: see tests/documents/ways.py")

    def _call(self, words: list[str]) -> None:
        name, *options = words
        try:
            call_command(name, *self._world.fit(name, options))
        except (CommandError, SystemExit) as end:
            code = end.returncode if isinstance(end, CommandError) else end.code
            if code not in {0, None} | ALSO_ENDS_WITH.get(name, set()):
                raise

    def _load_settings(self, lines: list[str]) -> None:
        """Together, as a process would find them."""
        if not lines:
            return
        with self._monkeypatch.context() as patch:
            for line in lines:
                name, _, value = self._with_files(line).partition("=")
                patch.setenv(name, value)
            env.load()

    def _with_files(self, line: str) -> str:
        """Paths of another machine, as files that are here."""

        def here(path: re.Match[str]) -> str:
            file = self._folder / path[0].lstrip("/").replace("/", "-")
            file.write_text("something")
            return str(file)

        return PATHS.sub(here, line)
