"""What flows: whether charging goes on, outcomes are told, and Stripe's webhooks come."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from django.conf import settings

from payments import metrics
from payments.finding import Finding, fail, ok, warn
from payments.models import Pause

# What is told within seconds is late after a minute, and after ten somebody waits for an e-mail.
LATE_AFTER = timedelta(seconds=60)
FAR_TOO_LATE_AFTER = timedelta(minutes=10)

ENDS_A_PAUSE: dict[str, str] = {
    Pause.Cause.STAFF: "when it is over: manage.py resume",
    Pause.Cause.KEY: "set STRIPE_SECRET_KEY right; charging then goes on by itself",
    Pause.Cause.OUTAGE: "nothing: Stripe is asked every 15 s, and charging then goes on by itself",
    Pause.Cause.RESTORED: "manage.py reconcile --adopt --from <before the last moment that the database remembers>",
}


def look_at_flow(*, now: datetime) -> Iterator[Finding]:
    """Charging, outbox, webhooks. Raises Django's database errors."""
    machinery = metrics.look_at_machinery(now=now)
    yield from _judge_pauses(machinery.pauses)
    yield _judge_outbox(machinery)
    if machinery.set_aside:
        says = f"{machinery.set_aside} records were refused by Kafka and set aside"
        yield warn("outbox set aside", says, "look at them in the admin's outbox: each has its error")
    yield _judge_webhooks(metrics.look_at_webhooks(now=now))


def _judge_pauses(pauses: list[Pause]) -> Iterator[Finding]:
    if not pauses:
        yield ok("charging", "goes on")
    for pause in pauses:
        says = f"is paused since {pause.began_at:%Y-%m-%d %H:%M} UTC by {pause.began_by}: {pause.reason.rstrip('.')}"
        # What somebody wanted is no trouble.
        level = warn if pause.cause == Pause.Cause.STAFF else fail
        yield level("charging", says, ENDS_A_PAUSE[pause.cause])


def _judge_outbox(machinery: metrics.Machinery) -> Finding:
    seconds = int(machinery.outbox_age.total_seconds())
    says = f"{machinery.outbox} records wait, the oldest for {seconds} s" if machinery.outbox else "nothing waits"
    fix = "see the relay and Kafka above"
    if machinery.outbox_age > FAR_TOO_LATE_AFTER:
        return fail("outbox", says, fix)
    return warn("outbox", says, fix) if machinery.outbox_age > LATE_AFTER else ok("outbox", says)


def _judge_webhooks(seen: metrics.Webhooks) -> Finding:
    name, last = "webhooks", f"{seen.accepted_at:%Y-%m-%d %H:%M} UTC" if seen.accepted_at else "never"
    if not settings.STRIPE_WEBHOOK_SECRETS:
        return warn(name, "are off: what happens at Stripe is known later", "set STRIPE_WEBHOOK_SECRET to whsec_…")
    if seen.refused_at:
        says = f"{seen.refused} were refused, the last at {seen.refused_at:%Y-%m-%d %H:%M} UTC ({seen.refused_why})"
        return fail(name, says, "set STRIPE_WEBHOOK_SECRET to the endpoint's signing secret in Stripe's dashboard")
    if seen.silent_since:
        says = f"none has come though something was paid within the hour (the last one: {last})"
        return warn(name, says, "look at the endpoint's deliveries in Stripe's dashboard, and at the proxy")
    return ok(name, f"a secret is set; the last one came: {last}")
