"""Pause and resume charging for everyone, while intake goes on and payments stay pending.

By staff, or by Stripe refusing our key: then nothing that we send can succeed, and no payment is to blame. A
probe resumes what the key has paused; what staff have paused, staff resume.
"""

from datetime import datetime, timedelta

import structlog

from payments.answers import Misconfigured, Unknown
from payments.gateway import Gateway
from payments.models import Pause

log = structlog.get_logger(__name__)

# A refused key is mended by people: ask often enough that they see it work, and no more.
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
    """Where the key has paused charging, ask Stripe from time to time whether it is right again."""
    due = Pause.objects.filter(cause=Pause.Cause.KEY, ended_at__isnull=True).exclude(probed_at__gt=now - PROBE_EVERY)
    # Compare and set: of many sweeps one probes.
    if due.update(probed_at=now) and not isinstance(gateway.probe(), Misconfigured | Unknown):
        resume(cause=Pause.Cause.KEY, who="probe", now=now)
