"""The processes, as their heartbeats tell, and the relay's lock: is each there, and is exactly one relay active."""

from collections.abc import Iterator
from datetime import datetime

from django.db import connection

from payments import metrics, outbox
from payments.finding import Finding, fail, ok, warn
from payments.heartbeats import Process

STARTED_BY: dict[Process, str] = {
    "bridge": "manage.py bridge",
    "relay": "manage.py relay",
    "worker": "celery -A billing_project worker",
    "beat": "celery -A billing_project beat",
    "web": "gunicorn billing_project.wsgi",
}


def look_at_processes(*, now: datetime) -> Iterator[Finding]:
    """A line for each kind. Raises Django's database errors."""
    relays = 0
    for kind in metrics.who_runs(now=now):
        yield _judge(kind)
        relays = len(kind.there) if kind.process == "relay" else relays
    yield _judge_relay(relays)


def _judge(kind: metrics.Running) -> Finding:
    if not kind.there:
        last = f"last seen {kind.seen_at:%Y-%m-%d %H:%M:%S} UTC on {kind.seen_on}" if kind.seen_at else "never seen"
        # Without it nobody is charged less: webhooks come again, and staff see that there is no page.
        level = warn if kind.process == "web" else fail
        return level(
            kind.process, f"none is running ({last})", f"start {STARTED_BY[kind.process]}; if it runs, see its log"
        )
    where = ", ".join(sorted({beat.host for beat in kind.there}))
    says = f"{len(kind.there)} running ({where})"
    if waits := sorted({str(beat.facts["waits_for"]) for beat in kind.there if beat.facts.get("waits_for")}):
        return warn(
            kind.process, f"{says}, waiting: {'; '.join(waits)}", "mend what it waits for: it goes on by itself"
        )
    if kind.process == "beat" and len(kind.there) > 1:
        return warn("beat", f"{says}: one is enough", "stop the others: they only make more messages")
    return ok(kind.process, says)


def _judge_relay(running: int) -> Finding:
    """By its lock: whoever holds it is the active one."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = pg_locks.database"
            " WHERE locktype = 'advisory' AND classid = 0 AND objid = %s AND objsubid = 1 AND granted"
            " AND datname = current_database()",
            [outbox.RELAY_LOCK],
        )
        [active] = cursor.fetchone()
    if not active:
        fix = (
            "see the log of the relays: one that waits for Kafka or the database holds no lock"
            if running
            else (f"start {STARTED_BY['relay']}")
        )
        return fail("relay active", "no relay is active: outcomes are not told", fix)
    if running > 1:
        return ok("relay active", f"one is active, {running - 1} standing by")
    return ok("relay active", "one is active, none is standing by")
