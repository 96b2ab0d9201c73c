"""Pause and resume charging for everyone, while intake goes on and payments stay pending.

By staff; by Stripe refusing our key, when nothing that we send can succeed and no payment is to blame; by an
outage of Stripe, when asking only makes customers wait. A probe ends the last two; staff end what staff began.
"""

from datetime import datetime, timedelta

import structlog
from django.conf import settings
from django.db import connection

from payments.answers import Misconfigured, Unknown
from payments.gateway import Gateway
from payments.models import Pause

log = structlog.get_logger(__name__)

# Often enough that whoever mends the key sees it work, and that an outage's end is used; no more.
PROBE_EVERY = timedelta(seconds=15)


def is_paused() -> bool:
    """Whether anything keeps charging from going on."""
    return Pause.objects.filter(ended_at__isnull=True).exists()


def pause(*, cause: str, reason: str, who: str, now: datetime) -> bool:
    """Stop charging. Returns whether it is news; a cause that holds already keeps its row."""
    _, made = Pause.objects.get_or_create(
        cause=cause, ended_at__isnull=True, defaults={"reason": reason, "began_at": now, "began_by": who}
    )
    if made:
        log.warning("charging paused", why=reason, who=who)
    return made


def resume(*, cause: str, who: str, now: datetime) -> bool:
    """End one cause. Returns whether there was one; charging goes on when none is left."""
    ended = Pause.objects.filter(cause=cause, ended_at__isnull=True).update(ended_at=now, ended_by=who)
    if ended:
        log.info("charging resumed", who=who, kind=cause)
    return bool(ended)


def probe(*, gateway: Gateway, now: datetime) -> None:
    """Where Stripe has paused charging, ask it from time to time whether that is over."""
    causes = (Pause.Cause.KEY, Pause.Cause.OUTAGE)
    due = Pause.objects.filter(cause__in=causes, ended_at__isnull=True).exclude(probed_at__gt=now - PROBE_EVERY)
    # Compare and set: of many sweeps one probes.
    if not due.update(probed_at=now):
        return
    answer = gateway.probe()
    if not isinstance(answer, Unknown) and resume(cause=Pause.Cause.OUTAGE, who="probe", now=now):
        _look_at_unknowns(now=now)
    if not isinstance(answer, Unknown | Misconfigured):
        resume(cause=Pause.Cause.KEY, who="probe", now=now)


def _look_at_unknowns(*, now: datetime) -> None:
    """After an outage every unknown outcome is due, oldest first, spread out at the rate that Stripe allows."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE payments_payment SET due_at = LEAST(due_at, %s + position / %s * interval '1 second')
            FROM (
                SELECT payment_id, row_number() OVER (ORDER BY created_at) AS position
                FROM payments_attempt WHERE state = 'unknown'
            ) AS unknown
            WHERE payments_payment.id = payment_id AND status = 'pending'
            """,
            [now, float(settings.STRIPE_RATE_LIMIT)],
        )
