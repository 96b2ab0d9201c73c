"""What is seen of processes from outside, and how they are made to stand still."""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import psutil


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
