"""The file of worker and beat: fresh as long as they make progress, old when they don't, gone when they end."""

import os
import socket
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import structlog

from billing_project import celery
from billing_project.progress import STUCK_AFTER, Progress, progress


class Hands:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.at = 1000.0

    def __call__(self) -> float:
        return self.at


def is_touched(progress: Progress, path: Path, hands: Hands) -> bool:
    """Whether another round, a while later, makes it fresh."""
    os.utime(path, (0, 0))
    hands.at += 5
    progress.touch()
    return path.stat().st_mtime > 0


def test_the_file_is_fresh_with_each_round_and_gone_at_the_end(tmp_path: Path) -> None:
    """And what comes after the end makes no new one."""
    hands, path = Hands(), tmp_path / "alive"
    progress = Progress(clock=hands)
    progress.begin(path=str(path))
    assert path.exists()
    assert is_touched(progress, path, hands)
    os.utime(path, (0, 0))
    progress.touch()
    assert path.stat().st_mtime == 0, "once a second is enough"
    progress.end()
    hands.at += 5
    progress.touch()
    assert not path.exists()


def test_a_worker_whose_slots_are_all_stuck_lets_it_grow_old(tmp_path: Path) -> None:
    """Its loop goes round, and no message would ever be taken: a restart helps. A slot that comes free is progress."""
    hands, path = Hands(), tmp_path / "alive"
    progress = Progress(clock=hands)
    progress.begin(path=str(path), slots=2)
    progress.take_up("a")
    hands.at += STUCK_AFTER
    assert is_touched(progress, path, hands), "a slot is free, however long the other one takes"
    progress.take_up("b")
    assert not is_touched(progress, path, hands)
    assert progress.put_down("b") == 5
    assert is_touched(progress, path, hands)
    assert progress.put_down("c") is None, "nobody saw it begin"


def test_a_worker_that_does_not_charge_lets_it_grow_old(tmp_path: Path) -> None:
    """One thread charges for all its messages: other tasks come and go beside it, and a restart helps."""
    hands, path = Hands(), tmp_path / "alive"
    progress = Progress(clock=hands)
    progress.begin(path=str(path), slots=8)
    progress.take_up("a", charges=True)
    hands.at += STUCK_AFTER - 10
    progress.take_up("sweep")
    progress.put_down("sweep")
    assert is_touched(progress, path, hands)
    hands.at += 1
    assert not is_touched(progress, path, hands)
    progress.put_down("a")
    assert is_touched(progress, path, hands)


def test_the_file_stays_fresh_while_a_service_is_waited_for(tmp_path: Path) -> None:
    """A restart would not bring it back."""
    path, seconds = tmp_path / "alive", threading.Semaphore(0)
    progress = Progress()
    progress.begin(path=str(path))
    os.utime(path, (0, 0))
    with progress.waiting(seconds.release):
        assert seconds.acquire(timeout=30)
        assert path.stat().st_mtime > 0
    progress.end()


def test_a_file_that_can_not_be_written_ends_the_process_with_one_line(tmp_path: Path) -> None:
    """Known at the start, and not when the orchestrator restarts us for ever."""
    with pytest.raises(SystemExit) as told:
        Progress().begin(path=str(tmp_path / "missing" / "alive"))
    assert str(told.value) == (
        "HEALTH_FILE: can't be written (No such file or directory): name a file in a folder that we may write to"
    )


def test_a_file_that_can_not_be_written_any_more_grows_old_and_ends_nothing(tmp_path: Path) -> None:
    """Beat must not stop ringing for it."""
    hands, folder = Hands(), tmp_path / "folder"
    folder.mkdir()
    progress = Progress(clock=hands)
    progress.begin(path=str(folder / "alive"))
    (folder / "alive").unlink()
    folder.rmdir()
    hands.at += 5
    progress.touch()
    assert not folder.exists()
    progress.end()


def free_port() -> int:
    """Nobody listens on it."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def listens(port: int) -> bool:
    """Whether somebody answers there."""
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.parametrize(
    ("pool", "served"),
    [("threads", True), ("celery.concurrency.thread:TaskPool", True), ("solo", True), ("prefork", False)],
)
def test_a_workers_numbers_are_served_where_its_work_is_done(settings: Any, pool: str, served: bool) -> None:
    """Another pool does the work in other processes: all numbers would stay 0, which looks like a quiet night."""
    settings.METRICS_PORT = free_port()
    with structlog.testing.capture_logs() as said:
        celery._worker_begins(sender=SimpleNamespace(pool_cls=pool, concurrency=2))
    try:
        assert listens(settings.METRICS_PORT) == served
        assert [line["event"] for line in said] == ([] if served else ["numbers are not served"])
    finally:
        progress.end()


def test_a_port_that_is_taken_ends_the_worker_with_one_line() -> None:
    """As it does with bridge and relay."""
    with socket.create_server(("0.0.0.0", 0)) as server, pytest.raises(SystemExit) as told:  # noqa: S104
        Progress().begin(path=None, port=server.getsockname()[1])
    assert str(told.value).startswith("METRICS_PORT: port ")
