"""What is due: what nobody came for, in the order in which it shall go; and what a hint makes due now.

First the outcomes that nobody knows, as money may have moved, the oldest attempt first; then what was never tried,
then what is tried again, then looks at what has failed, the longest due first. The sweep rings for these.
"""

import uuid
from collections.abc import Iterable
from datetime import datetime, timedelta
from itertools import islice

from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Greatest

from payments.models import Attempt, Payment
from payments.retry_policy import DELIVERIES_TOGETHER

# What has just been rung for is left alone for as long as a message may need. Nobody rings for an open attempt.
GRACE = timedelta(seconds=2)

# For so long somebody is taken to be waiting for an answer.
WAITED_FOR = timedelta(minutes=1)


def find_due(*, limit: int, now: datetime) -> dict[uuid.UUID, int]:
    """At most so many, in their order, each with its deliveries. At most four statements, each with a limit."""
    found: dict[uuid.UUID, int] = {}
    for rows in _in_order(now=now):
        if len(found) >= limit:
            break
        # One more for each that may be in two of these sets; who is passed over comes with the next sweep.
        new = ((one, deliveries) for one, deliveries in rows[: 2 * limit] if one not in found)
        found.update(islice(new, limit - len(found)))
    return found


def find_passed_over(*, limit: int, now: datetime) -> list[uuid.UUID]:
    """What was asked for just now, was never tried and nobody came for, at most so many, the longest due first.

    Not what has killed its worker before: that goes alone.
    """
    rows = (
        _free(now)
        .filter(status=Payment.Status.PENDING, intent_id__isnull=True, deliveries__lt=DELIVERIES_TOGETHER)
        .filter(due_at__gt=now - WAITED_FOR, due_at__lte=now - GRACE, created_at__gt=now - WAITED_FOR)
    )
    return list(rows.order_by("due_at").values_list("id", flat=True)[:limit])


def _free(now: datetime) -> "QuerySet[Payment]":
    return Payment.objects.filter(Q(lease_until__isnull=True) | Q(lease_until__lte=now))


def _in_order(*, now: datetime) -> Iterable["QuerySet[Payment, tuple[uuid.UUID, int]]"]:
    free = _free(now).order_by("due_at", "created_at").values_list("id", "deliveries")
    pending = free.filter(status=Payment.Status.PENDING)
    # Open attempts are few, and have an index of their own; ordered by `due_at` they would be looked for among all
    # that is due, of which there may be a million.
    yield pending.filter(due_at__lte=now, attempts__state__in=Attempt.OPEN).order_by("attempts__created_at")
    yield pending.filter(due_at__lte=now - GRACE, intent_id__isnull=True)
    yield pending.filter(due_at__lte=now - GRACE, intent_id__isnull=False)
    yield free.filter(due_at__lte=now - GRACE, status=Payment.Status.FAILED)


def only_asks(attempt: Attempt) -> bool:
    """Whether the next step is to ask about this one; otherwise it could be a new one, which no hint may start."""
    return attempt.state in Attempt.OPEN and (attempt.in_doubt or attempt.state != Attempt.State.SENDING)


def make_due(*, payment: Payment, now: datetime) -> bool:
    """Due now, by compare and set, if it isn't already: what is overdue keeps its place. Returns whether it is.

    Locks only what nobody has reason to claim, as `claim` passes over locked rows.
    """
    if payment.due_at and payment.due_at <= now:
        return True
    as_seen = Payment.objects.filter(
        Q(lease_until__isnull=True) | Q(lease_until__lte=now),
        id=payment.id, status=payment.status, due_at=payment.due_at, closed_at__isnull=True,
    )  # fmt: skip
    with transaction.atomic():
        if as_seen.select_for_update(skip_locked=True).first() is None:
            return False
        # This look is one more than the schedule's, so it takes none of them away.
        return bool(as_seen.update(due_at=now, looks=Greatest(F("looks") - 1, 0)))
