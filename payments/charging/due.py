"""What is due and nobody came for, in the order in which it shall go.

First the outcomes that nobody knows, as money may have moved, the oldest attempt first; then what was never tried,
then what is tried again, then looks at what has failed, the longest due first. The sweep rings for these.
"""

import uuid
from collections.abc import Iterable
from datetime import datetime, timedelta
from itertools import islice

from django.db.models import Q, QuerySet

from payments.models import Attempt, Payment

# What has just been rung for is left alone for as long as a message may need. Nobody rings for an open attempt.
GRACE = timedelta(seconds=2)


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


def _in_order(*, now: datetime) -> Iterable["QuerySet[Payment, tuple[uuid.UUID, int]]"]:
    is_free = Q(lease_until__isnull=True) | Q(lease_until__lte=now)
    free = Payment.objects.filter(is_free).order_by("due_at", "created_at").values_list("id", "deliveries")
    pending = free.filter(status=Payment.Status.PENDING)
    # Open attempts are few, and have an index of their own; ordered by `due_at` they would be looked for among all
    # that is due, of which there may be a million.
    yield pending.filter(due_at__lte=now, attempts__state__in=Attempt.OPEN).order_by("attempts__created_at")
    yield pending.filter(due_at__lte=now - GRACE, intent_id__isnull=True)
    yield pending.filter(due_at__lte=now - GRACE, intent_id__isnull=False)
    yield free.filter(due_at__lte=now - GRACE, status=Payment.Status.FAILED)
