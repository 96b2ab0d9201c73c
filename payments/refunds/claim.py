"""Claim: take the refunds that are due, so that no other worker works on them meanwhile.

A claim saves work and nothing else: what keeps two workers from refunding twice is the one key in the row.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import Q

from payments import retry_policy
from payments.charging import is_paused
from payments.charging.claim import LEASE
from payments.models import Refund

STILL_OPEN = "it is still not known whether it went through"


@dataclass(frozen=True, kw_only=True)
class Claim:
    """One refund in our hands until `lease_until`. `taken`: Stripe's id of it, once it is known; `in_doubt`: it may
    have been sent. `amount` in minor units."""

    refund: uuid.UUID
    payment: uuid.UUID
    intent: str
    amount: int
    taken: str | None
    in_doubt: bool
    lease_until: datetime


@dataclass(frozen=True, kw_only=True)
class Sending:
    """What a send is made of. `earlier`: another one may have left before."""

    key: str
    earlier: bool


def find_due(*, now: datetime, limit: int) -> list[uuid.UUID]:
    """The refunds that are due and free, oldest first."""
    due = Refund.objects.filter(_is_free(now), due_at__lte=now, state__in=Refund.OPEN)
    return list(due.order_by("due_at").values_list("id", flat=True)[:limit])


def claim(*, refund_ids: Sequence[uuid.UUID], now: datetime) -> list[Claim]:
    """Claim those of the refunds that are due and free; none while charging is paused."""
    with transaction.atomic():
        refunds = list(
            Refund.objects.select_for_update(skip_locked=True, of=("self",))
            .select_related("payment")
            .filter(_is_free(now), id__in=refund_ids, due_at__lte=now, state__in=Refund.OPEN)
            .order_by("due_at")
        )
        if not refunds or is_paused():
            return []
        taken = Refund.objects.filter(id__in=[refund.id for refund in refunds])
        taken.update(lease_until=now + LEASE)
        # P5, also where its worker dies each time.
        slow = taken.exclude(state=Refund.State.PENDING).filter(attention="")
        slow.filter(created_at__lte=now - retry_policy.UNKNOWN_BEFORE_A_LOOK).update(attention=STILL_OPEN)
        return [
            Claim(
                refund=refund.id,
                payment=refund.payment_id,
                intent=refund.payment.intent_id or "",
                amount=refund.amount,
                taken=refund.refund_id,
                in_doubt=refund.in_doubt,
                lease_until=now + LEASE,
            )
            for refund in refunds
        ]


def mark_sent(*, refund_id: uuid.UUID, now: datetime) -> Sending | None:
    """Commit that a send leaves now, and under which key; None if there is nothing to send any more.

    A new key only where the old one is proven to be spent: Stripe has replayed what it stored under it, so that a
    send of the old key that is still on its way somewhere can't make a refund any more. Age is no reason: a key that
    Stripe has forgotten makes a new request, as a new key would. Keys are numbered, not drawn, so that all workers,
    and a restored database, come to the same next one.
    """
    with transaction.atomic():
        refund = Refund.objects.select_for_update().get(id=refund_id)
        if refund.state not in (Refund.State.SENDING, Refund.State.UNKNOWN):
            return None
        earlier, refund.in_doubt = refund.in_doubt, True
        if refund.key_is_spent and refund.tries >= retry_policy.TRIES_IN_DOUBT:
            number = int(refund.idempotency_key.rpartition("/")[2])
            refund.idempotency_key = key_of(refund.id, number=number + 1)
            refund.key_made_at, refund.key_is_spent = now, False
        refund.save(update_fields=["in_doubt", "idempotency_key", "key_made_at", "key_is_spent"])
        return Sending(key=refund.idempotency_key, earlier=earlier)


def key_of(refund_id: uuid.UUID, *, number: int) -> str:
    """The `number`-th idempotency key (from 1) of a refund."""
    return f"refund-{refund_id}/{number}"


def _is_free(now: datetime) -> Q:
    return Q(lease_until__isnull=True) | Q(lease_until__lte=now)
