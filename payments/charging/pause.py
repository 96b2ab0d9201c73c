"""Pause and resume charging for everyone, while intake goes on and payments stay pending.

By staff; by Stripe refusing our key, when nothing that we send can succeed and no payment is to blame; by an
outage of Stripe, when asking only makes customers wait; by commits that the database has lost, when a payment may be
charged already and not know it. A probe ends the second and third, adoption the last; staff end what staff began.
"""

from datetime import datetime, timedelta

import structlog
from django.db import transaction

from payments import limits
from payments.answers import Misconfigured, Unknown
from payments.gateway import LOCK_TIMEOUT, Gateway
from payments.limits import Endpoint
from payments.models import Attempt, Pause, Payment, Reconciliation

log = structlog.get_logger(__name__)

# Often enough that whoever mends the key sees it work, and that an outage's end is used; no more.
PROBE_EVERY = timedelta(seconds=15)

OUTAGE = f"Stripe gave no answer {limits.FAILURES_TO_OPEN} times in a row: it is asked until it does"
LOST_COMMITS = (
    "Stripe has charged a payment whose PaymentIntent isn't bound to it here, so the database has forgotten commits. "
    "Run manage.py reconcile --adopt --from <a time before the last moment that the database remembers>: it asks "
    "Stripe what was charged since then, and resumes charging."
)

# Clocks of different hosts, Stripe's too; and a batch is written some time after it was read.
CLOCKS_DIFFER = timedelta(minutes=5)

# Under this an adoption counts what it couldn't bind.
NOT_ADOPTED = "not adopted"


def is_paused() -> bool:
    """Whether anything keeps charging from going on."""
    return Pause.objects.filter(ended_at__isnull=True).exists()


def may_have_forgotten(*, accepted_at: datetime | None = None) -> bool:
    """Whether the database was put back, and Stripe may have charged what looks as if it was never tried: until an
    adoption has asked for all of it, and has bound what it found of payments that are here. What was accepted (again)
    just before that adoption began, or since, may not have been here: it waits for the next one."""
    restored = Pause.objects.filter(cause=Pause.Cause.RESTORED, ended_at__isnull=True).first()
    if restored is None:
        return False
    ended = Reconciliation.objects.filter(adopt=True, ended_at__isnull=False, began_at__gte=restored.began_at)
    if accepted_at:
        ended = ended.filter(began_at__gt=accepted_at + CLOCKS_DIFFER)
    return all(run.counts.get(NOT_ADOPTED) for run in ended)


def pause(*, cause: str, reason: str, who: str, now: datetime) -> bool:
    """Stop charging. Returns whether it is news; a cause that holds already keeps its row."""
    _, made = Pause.objects.get_or_create(
        cause=cause, ended_at__isnull=True, defaults={"reason": reason, "began_at": now, "began_by": who}
    )
    if made:
        log.warning("charging paused", why=reason, who=who)
    return made


def pause_for_lost_commits(*, who: str, now: datetime) -> bool:
    """Stop charging, as Stripe has charged with a PaymentIntent that its payment isn't bound to. Returns whether it is
    news. P1: each confirm follows its committed bind, so that was lost, and the payment would get another one."""
    return pause(cause=Pause.Cause.RESTORED, reason=LOST_COMMITS, who=who, now=now)


def resume(*, cause: str, who: str, now: datetime) -> bool:
    """End one cause. Returns whether there was one; charging goes on when none is left."""
    ended = Pause.objects.filter(cause=cause, ended_at__isnull=True).update(ended_at=now, ended_by=who)
    if ended:
        log.info("charging resumed", who=who, kind=cause)
    return bool(ended)


def heed(*, endpoint: Endpoint, reply: object, now: datetime) -> None:
    """What an answer says beyond what was asked: after a 429 all go slower, after many failures in a row all wait."""
    failed = isinstance(reply, Unknown) and reply.servers_fault
    if isinstance(reply, Unknown) and reply.http_status == 429 and reply.why != LOCK_TIMEOUT:
        limits.slow_down(endpoint=endpoint)
    if limits.breaker.note(endpoint=endpoint, failed=failed):
        pause(cause=Pause.Cause.OUTAGE, reason=OUTAGE, who="breaker", now=now)


def probe(*, gateway: Gateway, now: datetime) -> None:
    """Where Stripe has paused charging, ask it from time to time whether that is over."""
    causes = (Pause.Cause.KEY, Pause.Cause.OUTAGE)
    due = Pause.objects.filter(cause__in=causes, ended_at__isnull=True).exclude(probed_at__gt=now - PROBE_EVERY)
    # Compare and set: of many sweeps one probes.
    if not due.update(probed_at=now):
        return
    answer = gateway.probe()
    if not isinstance(answer, Unknown):
        # Together: another sweep must not find charging resumed and the unknowns not due yet.
        with transaction.atomic():
            if resume(cause=Pause.Cause.OUTAGE, who="probe", now=now):
                _look_at_unknowns(now=now)
    if not isinstance(answer, Unknown | Misconfigured):
        resume(cause=Pause.Cause.KEY, who="probe", now=now)


def _look_at_unknowns(*, now: datetime) -> None:
    """After an outage every unknown outcome is due, before all else (`find_due`); the rate limit spreads them."""
    unknown = Payment.objects.filter(status=Payment.Status.PENDING, attempts__state=Attempt.State.UNKNOWN)
    # In the order in which all lock them: what was asked before the pause is being settled, many at a time.
    locked = unknown.select_for_update(of=("self",)).order_by("id").values_list("id", flat=True)
    Payment.objects.filter(id__in=list(locked)).update(due_at=now)
