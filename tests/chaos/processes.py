"""What is seen of processes from outside, and how they are made to stand still."""

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.chaos.shifted import SAY_WHERE


@dataclass(frozen=True, kw_only=True)
class Ended:
    """A process that ended by itself; of the previous version, whose bugs are known."""

    name: str
    is_previous: bool
    code: int
    tail: str


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What a process held: `pss` in bytes of it and its children, and open files."""

    name: str
    pid: int
    at: float
    memory: int
    files: int


def keep_where_it_is(child: "subprocess.Popen[bytes]", *, log: Path, into: Path) -> None:
    """One that doesn't end says where each of its threads is; that outlives its log."""
    before = log.stat().st_size
    child.send_signal(SAY_WHERE)
    time.sleep(1)
    with into.open("ab") as file:
        file.write(f"{log.name}\n".encode() + log.read_bytes()[before:])


@contextmanager
def frozen(*processes: psutil.Process) -> Iterator[None]:
    """They stand still."""
    held = []
    try:
        for one in processes:
            with suppress(psutil.NoSuchProcess):
                one.suspend()
                held.append(one)
        yield
    finally:
        for one in held:
            with suppress(psutil.NoSuchProcess):
                one.resume()


def measure(name: str, pid: int) -> Measured:
    """It and its children. Raises `psutil.Error` where it has gone."""
    process = psutil.Process(pid)
    tree = [process, *process.children(recursive=True)]
    memory = files = 0
    for one in tree:
        memory += one.memory_full_info().pss
        files += one.num_fds()
    return Measured(name=name, pid=pid, at=time.monotonic(), memory=memory, files=files)
