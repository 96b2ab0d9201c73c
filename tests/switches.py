"""Guards switched off, by tests alone: a guard whose removal turns no test red is not guarded.

Each switch fails if there is nothing to switch off any more, and everything is put back.
"""

import inspect
import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connection
from django.db.models import Model


@contextmanager
def without_trigger(name: str, *, on: type[Model]) -> Iterator[None]:
    """The database lets through what this trigger refuses. Inside a transaction its end puts the trigger back."""
    table = on._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER {name}")
        try:
            yield
        finally:
            if not connection.in_atomic_block:
                cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER {name}")


def drop_index(name: str) -> None:
    """A unique index is gone, until the test's own transaction is rolled back."""
    assert connection.in_atomic_block, "nothing would put it back"
    with connection.cursor() as cursor:
        cursor.execute(f"DROP INDEX {name}")


def rewrite(monkeypatch: pytest.MonkeyPatch, function: Callable[..., Any], *, old: str, new: str) -> None:
    """Replace one piece of a function's or method's source, until the test is over. It must be there exactly once."""
    module = sys.modules[function.__module__]
    source = textwrap.dedent(inspect.getsource(function))
    assert source.count(old) == 1, f"{old!r} isn't in {function.__name__} once"
    changed: dict[str, Any] = {}
    exec(compile(source.replace(old, new), inspect.getfile(function), "exec"), vars(module), changed)  # noqa: S102
    monkeypatch.setattr(function, "__code__", changed[function.__name__].__code__)


def rewrite_sql(monkeypatch: pytest.MonkeyPatch, module: str, name: str, *, old: str, new: str) -> None:
    """As `rewrite`, of a statement of a module, by its name."""
    sql = getattr(sys.modules[module], name)
    assert sql.count(old) == 1, f"{old!r} isn't in {name} once"
    monkeypatch.setattr(sys.modules[module], name, sql.replace(old, new))


@contextmanager
def red() -> Iterator[None]:
    """The body is a test of the suite, and must fail."""
    try:
        yield
    except (AssertionError, pytest.fail.Exception):
        return
    pytest.fail("nothing saw that the guard was off")
