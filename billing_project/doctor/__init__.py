"""Is all well? Everything that `manage.py doctor` looks at, each thing by itself, whatever is the matter with others.

The composition root knows them all: Kafka's part is in `bridge.doctor`, money's in `payments.doctor`.
"""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from itertools import chain

from django.db import DatabaseError, InterfaceError

from billing_project.doctor.on_machine import look_at_machine, look_at_settings
from bridge.doctor import look_at_kafka
from payments import doctor
from payments.finding import LEVELS, Finding, Level, fail


def examine() -> list[Finding]:
    """All findings, in the order of an event's way. Never raises for what is away."""
    # What can't answer is waited for side by side. Only the caller's thread touches the database.
    with ThreadPoolExecutor(3) as threads:
        asked = [threads.submit(look) for look in (look_at_kafka, doctor.look_at_redis, doctor.look_at_stripe)]
        of_database = _look_at_database()
        kafka, redis, stripe = (one.result() for one in asked)
    return [*look_at_settings(), *look_at_machine(), *kafka, *redis, *stripe, *of_database]


def worst(findings: Iterable[Finding]) -> Level:
    """The level that the exit code is by."""
    return max((one.level for one in findings), key=LEVELS.index, default="OK")


def _look_at_database() -> list[Finding]:
    """What it says of itself and, where it answers, of everything else."""
    found = doctor.look_at_database()
    if found[0].level == "FAIL":
        return found
    now = datetime.now(UTC)
    looks: list[tuple[str, Callable[[], Iterable[Finding]]]] = [
        ("database", doctor.look_closer),
        ("processes", lambda: doctor.look_at_processes(now=now)),
        ("flow", lambda: doctor.look_at_flow(now=now)),
        ("stripe mode", doctor.look_at_modes),
    ]
    return [*found, *chain.from_iterable(_guarded(name, look) for name, look in looks)]


def _guarded(name: str, look: Callable[[], Iterable[Finding]]) -> Iterable[Finding]:
    """A table that isn't there, or a connection that goes, is a line of its own: the next look is made all the same."""
    try:
        yield from look()
    except (DatabaseError, InterfaceError) as error:
        says = f"could not be looked at ({str(error).strip().partition(chr(10))[0]})"
        yield fail(name, says, "run manage.py migrate, and see whether the database answers")
