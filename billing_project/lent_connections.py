"""A worker's connections to PostgreSQL: as many as its tasks use at once, and not one for each of its threads.

Django keeps one per thread. Tasks go round all threads of the pool, most of which wait for payments that another thread
charges; in the end each would hold a connection that it uses once a minute.
"""

from collections.abc import Iterable

from django.db import DEFAULT_DB_ALIAS, close_old_connections, connections
from django.db.backends.base.base import BaseDatabaseWrapper

# The one that was given back last is lent first. Appending and taking are each one step for all threads.
_free: list[BaseDatabaseWrapper] = []


def borrow() -> None:
    """For a task that begins, in its thread: an open one, if there is one. One that broke is replaced."""
    if not _here():
        try:
            connections[DEFAULT_DB_ALIAS] = _free.pop()
        except IndexError:
            return  # Django makes one when it is needed
    close_old_connections()


def give_back() -> None:
    """When the task has ended: others may use it. A transaction that it has left open belongs to whoever called it."""
    for connection in _here():
        if connection.in_atomic_block:
            continue
        # Nor does one stay that isn't open: this thread would open it again, beside those that are free.
        del connections[DEFAULT_DB_ALIAS]
        if connection.connection is None:
            continue
        if not connection.allow_thread_sharing:
            connection.inc_thread_sharing()
        _free.append(connection)


def _here() -> Iterable[BaseDatabaseWrapper]:
    """This thread's, if it has one."""
    return connections.all(initialized_only=True)
