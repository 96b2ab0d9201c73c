"""One server process: at most one per folder, always on the same port, dead when its parent is dead.

What must never happen: two servers on one data folder, or a server that nobody is left to stop.
"""

import fcntl
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

LEASH = Path(__file__).with_name("leash.py")
# Below the range from which Linux and macOS take the ports of outgoing connections: while a service is down,
# a client that tries again and again could be given the service's own port, and connect to itself.
PORTS = range(20_000, 30_000)
PORT_ATTEMPTS = 5
PORT_TAKEN = "Address already in use"
# A killed PostgreSQL's children outlive it for a moment; so does everything that was told to end with its parent.
LEAVE_WITHIN = 5.0
START_WITHIN = 60.0
STOP_WITHIN = 20.0
POLL = 0.02
LOG_LINES = 12

# The kernel ties a child's death signal to the thread that forked it: fork from one that ends with the process.
_FORKER = ThreadPoolExecutor(max_workers=1, thread_name_prefix="forker")


class ServiceFailed(Exception):
    """A service is not up. Its text is one line for a person; `lines` are the last ones of its log."""

    def __init__(self, name: str, reason: str, *, log: Path | None = None, lines: tuple[str, ...] = ()) -> None:
        super().__init__(f"{name}: {reason}" + (f" (log: {log})" if log else ""))
        self.name = name
        self.reason = reason
        self.log = log
        self.lines = lines


@dataclass(frozen=True)
class Account:
    """The system user that a server runs as."""

    user_id: int
    group_id: int


class Process:
    """A server's lifetime. `claim` the folder, prepare it with `run`, `launch`; then `stop` or `kill`; and again."""

    def __init__(
        self, *, name: str, folder: Path, ports: int, stop_signal: signal.Signals, account: Account | None = None
    ) -> None:
        self.name = name
        self.folder = folder.resolve()
        self.log = self.folder / "log"
        self.ports = find_free_ports(count=ports)
        self._ports_are_known = False
        self._stop_signal = stop_signal
        self._account = account or Account(user_id=os.geteuid(), group_id=os.getegid())
        self._claim: tuple[int, ...] = ()
        self._child: subprocess.Popen[bytes] | None = None
        self._log_starts_at = 0

    @property
    def pid(self) -> int | None:
        """The server's, while there is one."""
        return self._child.pid if self._child and self._child.poll() is None else None

    @contextmanager
    def claim(self) -> Iterator[None]:
        """Own the folder during a start. Waits a moment for an instance that is leaving, then raises `ServiceFailed`.

        The server inherits the claim, so that the folder stays taken exactly as long as one of its processes lives.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            lock = (self.folder / "lock").open("a")
        except OSError as error:
            raise ServiceFailed(self.name, f"can't use the data folder: {error}") from error
        with lock:
            deadline = time.monotonic() + LEAVE_WITHIN
            while not _try_lock(lock.fileno()):
                if time.monotonic() > deadline:
                    raise ServiceFailed(self.name, f"the data folder {self.folder} is in use by a running instance")
                time.sleep(POLL)
            self._claim = (lock.fileno(),)
            try:
                yield
            finally:
                self._claim = ()

    def run(self, *, step: str, command: list[str], folder: Path | None = None) -> None:
        """Run a step of the preparation to its end, in a folder. Raises `ServiceFailed` if its status isn't 0."""
        status = self._spawn(command, folder or self.folder).wait()
        self._child = None
        if status != 0:
            raise self.failed(f"{step} failed with status {status}")

    def launch(
        self, *, command: Callable[[], list[str]], is_ready: Callable[[], bool], folder: Path | None = None
    ) -> None:
        """Start the server, in a folder, and wait until it is ready. Raises `ServiceFailed` with nothing left running.

        The ports stay what they were once the server was up. Before that, a port that someone else has taken
        in the meantime is given up for another, and `command` is asked again.
        """
        for attempt in range(PORT_ATTEMPTS):
            problem = self._wait_for(self._spawn(command(), folder or self.folder), is_ready)
            if problem is None:
                self._ports_are_known = True
                return
            self.kill()
            is_last = self._ports_are_known or attempt == PORT_ATTEMPTS - 1
            if is_last or PORT_TAKEN not in self._read_log():
                raise self.failed(problem)
            self.ports = find_free_ports(count=len(self.ports))

    def stop(self, *, within: float = STOP_WITHIN) -> None:
        """End the server in its own orderly way, or by force when that takes longer. Does nothing without one."""
        if self._child is None:
            return
        self._child.send_signal(self._stop_signal)
        with suppress(subprocess.TimeoutExpired):
            self._child.wait(within)
        self.kill()

    def kill(self) -> None:
        """End the server with SIGKILL, as a crash would. Does nothing without one."""
        if self._child is not None:
            self._child.kill()
            self._child.wait()
            self._child = None

    def failed(self, reason: str) -> ServiceFailed:
        """The exception for this service, with what its log says since the last start."""
        lines = [line.rstrip() for line in self._read_log().splitlines() if line.strip()]
        return ServiceFailed(self.name, reason, log=self.log, lines=tuple(lines[-LOG_LINES:]))

    def _spawn(self, command: list[str], folder: Path) -> subprocess.Popen[bytes]:
        leashed = [sys.executable, "-I", "-S", str(LEASH), str(os.getpid()), str(int(self._stop_signal))]
        leashed += [str(self._account.user_id), str(self._account.group_id), *command]
        return _FORKER.submit(self._fork, leashed, folder).result()

    def _fork(self, command: list[str], folder: Path) -> subprocess.Popen[bytes]:
        # One log per object: a restart after a crash must not wipe what was said before it.
        with self.log.open("ab" if self._ports_are_known else "wb") as log:
            self._log_starts_at = log.tell()
            # Kept here and not by the caller: a Ctrl-C there must not lose it.
            self._child = subprocess.Popen(
                command,
                cwd=folder,
                # Its messages are searched for words, which must not depend on the user's language.
                env=os.environ | {"LC_ALL": "C"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                pass_fds=self._claim,
                # The terminal's Ctrl-C is for the parent, who stops the services in order.
                start_new_session=True,
            )
            return self._child

    def _wait_for(self, child: subprocess.Popen[bytes], is_ready: Callable[[], bool]) -> str | None:
        """None, or why the server will not be ready."""
        deadline = time.monotonic() + START_WITHIN
        while not is_ready():
            if (status := child.poll()) is not None:
                return f"ended with status {status} before it was ready"
            if time.monotonic() > deadline:
                return f"not ready after {START_WITHIN:.0f} seconds"
            time.sleep(POLL)
        return None

    def _read_log(self) -> str:
        if not self.log.exists():
            return ""
        with self.log.open("rb") as log:
            log.seek(self._log_starts_at)
            return log.read().decode(errors="replace")


def find_free_ports(*, count: int) -> tuple[int, ...]:
    """Different ports of the loopback that nobody listens on at this moment."""
    found: set[int] = set()
    while len(found) < count:
        port = secrets.choice(PORTS)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            found.add(port)
    return tuple(found)


def find_package_folder(*, package: str, wanted_by: str) -> Path:
    """Where pip has put a package, without running its code. Raises `ServiceFailed` if it isn't installed."""
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise ServiceFailed(wanted_by, f"the Python package {package} is not installed")
    return Path(spec.origin).parent


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
