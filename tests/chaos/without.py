"""A process of the product without one of its guards: `python -m tests.chaos.without GUARD[,GUARD] manage.py bridge`.

The guard is taken away here, in memory, by the tests alone; the product has no switch for it.
"""

import inspect
import os
import runpy
import sys
import time
from collections.abc import Callable
from typing import Any

# The moment between two steps that must not be the other way round, made long enough to be killed in.
HOLE = 3.0


def offset_after_rows() -> None:
    """The bridge commits first, and writes afterwards."""
    from bridge import consumer

    def run_once(*, source: Any, stop: Any, positions: Any = None) -> int:
        delivered = source.take(limit=consumer.BATCH, seconds=consumer.PATIENCE)
        if delivered:
            source.commit(delivered)
            time.sleep(HOLE)
            consumer._accept(source=source, delivered=delivered, stop=stop, floor={})
        return len(delivered)

    consumer.run_once = run_once


def mark_after_acknowledgement() -> None:
    """The relay calls published what it is about to publish."""
    from bridge import relay
    from payments import outbox

    publish = relay._publish

    def mark_first(sink: Any, rows: Any, clock: Any) -> None:
        outbox.mark_published(ids=[row.id for row in rows], now=clock())
        time.sleep(HOLE)
        publish(sink, rows, clock)

    relay._publish = mark_first


def sweep() -> None:
    """Nobody looks for what nobody came for."""
    from payments import charging

    charging.find_due = lambda *, limit, now: {}


def lease() -> None:
    """A worker takes what another one has in hand, and the sweep rings for it."""
    from payments.charging import due, turns

    free = "lease_until IS NULL OR"
    claim = sys.modules["payments.charging.claim"]
    for module, name in ((claim, "_DUE"), (turns, "_ROWS")):
        sql = getattr(module, name)
        assert sql.count(free) == 1, f"{free!r} isn't in {name} once"
        setattr(module, name, sql.replace(free, "TRUE OR"))
    _rewrite(due._free, old="Q(lease_until__isnull=True) | Q(lease_until__lte=now)", new="Q()")


def bind() -> None:
    """Whoever comes late binds another PaymentIntent over the first."""
    from payments.charging import writes

    writes._BIND = writes._BIND.replace("payment.intent_id IS NULL AND ", "")


def nothing() -> None:
    """As it is."""


GUARDS = {one.__name__: one for one in (offset_after_rows, mark_after_acknowledgement, sweep, lease, bind, nothing)}


def _rewrite(function: Callable[..., Any], *, old: str, new: str) -> None:
    """Replace a piece of a function's source, which must be there once."""
    source = inspect.getsource(function)
    assert source.count(old) == 1, f"{old!r} isn't in {function.__name__} once"
    changed: dict[str, Any] = {}
    code = compile(source.replace(old, new), inspect.getfile(function), "exec")
    exec(code, vars(sys.modules[function.__module__]), changed)  # noqa: S102
    function.__code__ = changed[function.__name__].__code__


def main() -> None:
    """Take the guards away, and become the command."""
    import django

    _, guards, command, *arguments = sys.argv
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "billing_project.settings")
    django.setup()
    for name in guards.split(","):
        GUARDS[name]()
    sys.argv = [command, *arguments]
    if command.endswith(".py"):
        runpy.run_path(command, run_name="__main__")
    else:
        runpy.run_module(command, run_name="__main__")


if __name__ == "__main__":
    main()
