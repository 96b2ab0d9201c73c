"""Processes that are measured from outside: how they are started and ended, and what they and the servers have used."""

import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from benchmarks.stand_in import cpu_of


@contextmanager
def running(
    command: Sequence[str], *, log: Path, env: Mapping[str, str] | None = None, folder: Path | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """A Python process with these arguments, while the block lasts; ended by force if need be. Where the block fails,
    the end of its log is shown."""
    with (
        log.open("wb") as out,
        subprocess.Popen(  # noqa: S603 - ours
            [sys.executable, *command], stdout=out, stderr=out, env=env, cwd=folder
        ) as child,
    ):
        try:
            yield child
        except BaseException:
            print(log.read_text(errors="replace")[-3_000:], file=sys.stderr)
            raise
        finally:
            child.send_signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                child.wait(10)
            child.kill()


def carry_out(*command: str, env: Mapping[str, str]) -> None:
    """A Python process with these arguments, to its end and without its words."""
    subprocess.run([sys.executable, *command], check=True, env=env, stdout=subprocess.DEVNULL)  # noqa: S603 - ours


def manage(*arguments: str, env: Mapping[str, str]) -> None:
    """A management command of the product, likewise."""
    carry_out("manage.py", *arguments, env={**env, "LOG_LEVEL": "ERROR"})


def tree_cpu(parent: int) -> float:
    """Seconds of processor time of a server and its children."""
    children = Path(f"/proc/{parent}/task/{parent}/children")
    while True:
        before = children.read_text()
        with suppress(FileNotFoundError):
            seconds = cpu_of(parent) + sum(cpu_of(int(child)) for child in before.split())
            if children.read_text() == before:
                return seconds
        # One has ended meanwhile, and is counted with the server from now on.


def peak_memory(pid: int) -> float:
    """The most memory that a process has had, in MB."""
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return int(status["VmHWM"].split()[0]) / 1024
