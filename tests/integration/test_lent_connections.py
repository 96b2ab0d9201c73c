"""A worker has as many connections to PostgreSQL as its tasks use at once, whichever threads they run in."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import DEFAULT_DB_ALIAS, OperationalError, connection, connections, transaction

from billing_project import lent_connections

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _all_closed() -> Iterator[None]:
    yield
    while lent_connections._free:
        lent_connections._free.pop().close()


def backend() -> int:
    """PostgreSQL's process behind this thread's connection."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return int(cursor.fetchone()[0])


class Task(threading.Thread):
    """Uses the database in a thread of its own; goes on when it may."""

    def __init__(self, may_end: threading.Event | None = None) -> None:
        super().__init__()
        self.backend, self.may_end, self.reached = 0, may_end, threading.Event()
        self.start()

    def run(self) -> None:
        lent_connections.borrow()
        self.backend = backend()
        self.reached.set()
        if self.may_end:
            assert self.may_end.wait(60)
        lent_connections.give_back()
        assert not connections.all(initialized_only=True)


def ended(task: Task) -> int:
    """The backend that it had, when it is over."""
    task.join(60)
    return task.backend


def test_tasks_one_after_the_other_use_one_connection_in_whatever_thread() -> None:
    """PostgreSQL sees one session of such a worker."""
    assert len({ended(Task()) for _ in range(5)}) == 1
    assert len(lent_connections._free) == 1


def test_tasks_side_by_side_have_one_each() -> None:
    """Two at once, and of these two all that follow."""
    may_end = threading.Event()
    both = [Task(may_end), Task(may_end)]
    assert all(one.reached.wait(60) for one in both)
    may_end.set()
    backends = {ended(one) for one in both}
    assert len(backends) == 2
    assert ended(Task()) in backends


def test_one_that_broke_is_replaced_before_a_task_begins() -> None:
    """PostgreSQL was restarted meanwhile."""
    before = ended(Task())
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s, 10000)", [before])
    assert ended(Task()) not in (0, before)


def test_a_task_that_needs_none_takes_none() -> None:
    """Nor leaves one behind."""

    def nothing() -> None:
        lent_connections.borrow()
        lent_connections.give_back()

    thread = threading.Thread(target=nothing)
    thread.start()
    thread.join(60)
    assert lent_connections._free == []


def test_after_an_outage_tasks_use_one_connection_again_in_whatever_thread() -> None:
    """Each thread has tried to connect meanwhile, and none keeps anything of that."""
    pool = [ThreadPoolExecutor(1) for _ in range(10)]

    def in_vain() -> None:
        lent_connections.borrow()
        with pytest.MonkeyPatch.context() as patch:
            patch.setitem(connection.settings_dict, "PORT", "1")
            with pytest.raises(OperationalError):
                connection.ensure_connection()
        lent_connections.give_back()

    def again() -> int:
        lent_connections.borrow()
        found = backend()
        lent_connections.give_back()
        return found

    try:
        for thread in pool:
            thread.submit(in_vain).result(60)
        backends = {thread.submit(again).result(60) for thread in pool}
    finally:
        for thread in pool:
            thread.shutdown()
    assert len(backends) == 1
    assert len(lent_connections._free) == 1


def test_an_open_transaction_stays_with_who_opened_it() -> None:
    """Somebody called the task in it."""
    with transaction.atomic():
        mine = backend()
        lent_connections.give_back()
        assert backend() == mine
    assert connections[DEFAULT_DB_ALIAS].connection is not None
