"""Breaks: what did not agree, kept until it does, or until a person says why it needn't.

A break that is found again is the same one and grows older. One that a person has settled stays settled, unless
something about it has changed since.
"""

from datetime import datetime

import structlog
from django.db import transaction

from payments.models import Break, Payment, Transition
from payments.reconcile.compare import Difference

log = structlog.get_logger(__name__)

RECONCILIATION = "reconciliation"

# How a payment's `attention` begins where it is ours to change.
ATTENTION = "Stripe's books differ: "


class NotOpen(Exception):
    """There is no such break, or it is closed already."""


def note(*, found: Difference, now: datetime) -> bool:
    """Keep a difference, and show it. Returns whether it is news."""
    with transaction.atomic():
        about = Break.objects.select_for_update().filter(kind=found.kind, intent_id=found.intent)
        known = about.filter(closed_at__isnull=True).first() or _settled(about.order_by("-closed_at").first(), found)
        if known:
            known.seen_at = now
            known.reason, known.details = found.reason, found.details
            known.charge_id, known.payment = found.charge or known.charge_id, found.payment
            known.save()
        else:
            known = Break.objects.create(
                kind=found.kind, intent_id=found.intent, charge_id=found.charge, payment=found.payment,
                reason=found.reason, details=found.details, found_at=now, seen_at=now,
            )  # fmt: skip
        _show(known)
    is_news = known.found_at == now
    if is_news:
        log.error("stripe's books differ", kind=known.kind, intent=known.intent_id, why=known.reason)
    return is_news


def is_open(*, kind: str, intent: str) -> bool:
    """Whether nobody has settled such a break of this PaymentIntent, and it isn't over."""
    return Break.objects.filter(kind=kind, intent_id=intent, closed_at__isnull=True).exists()


def close_agreeing(*, broken: Break, now: datetime) -> None:
    """The books agree by now."""
    _close(broken, who=RECONCILIATION, why="the books agree", now=now)


def settle_break(*, break_id: int, who: str, why: str, now: datetime) -> Break:
    """A person closes a break, saying why. Raises `NotOpen`."""
    with transaction.atomic():
        broken = Break.objects.select_for_update().filter(id=break_id, closed_at__isnull=True).first()
        if broken is None:
            raise NotOpen(f"there is no open break {break_id}")
        _close(broken, who=who, why=why, now=now)
        if broken.payment:
            Transition.objects.create(
                payment=broken.payment, from_status=broken.payment.status, to_status=broken.payment.status, who=who,
                why=f"a difference to Stripe's books was settled: {why}",
                evidence={"break": broken.id, "kind": broken.kind, "intent": broken.intent_id}, at=now,
            )  # fmt: skip
    return broken


def _settled(last: Break | None, found: Difference) -> Break | None:
    """The break that a person has settled, if it is still the same."""
    return last if last and last.closed_by != RECONCILIATION and last.details == found.details else None


def _close(broken: Break, *, who: str, why: str, now: datetime) -> None:
    broken.closed_at, broken.closed_by, broken.closed_why = now, who, why
    broken.save(update_fields=["closed_at", "closed_by", "closed_why"])
    log.info("break closed", kind=broken.kind, intent=broken.intent_id, who=who, why=why)
    if broken.payment_id:
        left = Break.objects.filter(payment=broken.payment_id, closed_at__isnull=True).order_by("found_at").first()
        Payment.objects.filter(id=broken.payment_id, attention__startswith=ATTENTION).update(
            attention=ATTENTION + left.reason if left else ""
        )


def _show(broken: Break) -> None:
    """At the payment, where that is known. Nobody else's reason for a look is overwritten."""
    if broken.payment_id is None or broken.closed_at:
        return
    shown = Payment.objects.filter(id=broken.payment_id)
    for before in ({"attention": ""}, {"attention__startswith": ATTENTION}):
        shown.filter(**before).update(attention=ATTENTION + broken.reason)
