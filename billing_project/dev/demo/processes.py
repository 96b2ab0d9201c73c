"""The product's processes as children of the demo: started together, watched, stopped in order.

Their logs go to files, so that the terminal shows the way of the events and not five logs at once.
"""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

from watchfiles import PythonFilter, watch

from billing_project.dev.demo.environment import ROOT
from billing_project.dev.services.process import LEASH

STOP_WITHIN = 20.0
MANAGE = [sys.executable, "manage.py"]


class ProcessEnded(Exception):
    """A process has ended by itself, which none should. The text is one line."""


class Processes:
    """The children by name, in the order in which they are stopped."""

    def __init__(self, *, logs: Path, web_port: int) -> None:
        self._logs = logs
        self._logs.mkdir(parents=True, exist_ok=True)
        celery = [sys.executable, "-m", "celery", "-A", "billing_project"]
        bind = f"127.0.0.1:{web_port}"
        self._commands = {
            "web": [sys.executable, "-m", "gunicorn", "billing_project.wsgi", "--bind", bind],
            "beat": [*celery, "beat"],
            "bridge": [*MANAGE, "bridge", "--from", "earliest"],
            "worker": [*celery, "worker"],
            "relay": [*MANAGE, "relay"],
        }
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        # A restart is another thread's; nobody may look, or stop, in the middle of one.
        self._lock = threading.RLock()

    def start(self) -> None:
        """Start all of them."""
        for name, command in self._commands.items():
            self.spawn(name, command)

    def spawn(self, name: str, command: list[str]) -> None:
        """Start one; it dies with us, and the terminal's Ctrl-C is for us alone."""
        leash = [sys.executable, "-I", "-S", str(LEASH), str(os.getpid()), str(int(signal.SIGTERM))]
        leash += [str(os.geteuid()), str(os.getegid())]
        with self.log(name).open("ab") as log:
            self._children[name] = subprocess.Popen(
                [*leash, *command], cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )

    def log(self, name: str) -> Path:
        """Where a process writes."""
        return self._logs / f"{name}.log"

    def ended(self) -> list[tuple[str, int]]:
        """Those that have ended by themselves, with their status; none of them should."""
        with self._lock:
            return [(name, child.returncode) for name, child in self._children.items() if child.poll() is not None]

    def stop(self) -> None:
        """Ask all to end, then wait for each; what doesn't end is killed."""
        with self._lock:
            for child in self._children.values():
                child.terminate()
            for child in self._children.values():
                try:
                    child.wait(STOP_WITHIN)
                except subprocess.TimeoutExpired:
                    child.kill()
                    child.wait()
            self._children.clear()

    def restart(self) -> None:
        """Stop all of ours and start them with the code as it is now; the simulator goes on."""
        with self._lock:
            kept = {name: child for name, child in self._children.items() if name not in self._commands}
            for name in kept:
                del self._children[name]
            self.stop()
            self._children |= kept
            self.start()


def watch_code(stop: threading.Event) -> Iterator[list[str]]:
    """The files that changed, each time some did, until `stop`."""
    folders = [ROOT / name for name in ("payments", "bridge", "billing_project")]
    for changes in watch(
        *folders, watch_filter=PythonFilter(), stop_event=stop, rust_timeout=500, yield_on_timeout=False
    ):
        yield sorted(str(Path(path).relative_to(ROOT)) for _, path in changes)
