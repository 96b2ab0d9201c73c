"""What is open just now, and whose turn it is: counted where it stands, each by its partial index."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Min, QuerySet

from payments.models import Attempt, Break, Dispute, InboxMessage, Payment, Refund

# More than that nobody counts: a page that is asked for during an outage must come, too.
MOST_COUNTED = 10_000

# A payment that is pending for longer has met with something.
SLOW_AFTER = timedelta(minutes=10)
# Stripe's names for disputes that wait for the merchant.
TO_BE_ANSWERED = ("needs_response", "warning_needs_response")


@dataclass(frozen=True, kw_only=True)
class Standing:
    """Numbers up to `MOST_COUNTED`, and one more where there are more than that."""

    oldest_pending: datetime | None
    slow: int
    unknown: int
    payments_to_look_at: int
    refunds_to_look_at: int
    conflicts: int
    invalid: int
    breaks: int
    oldest_break: datetime | None
    disputes: int
    next_answer_by: datetime | None


def look_at_open(*, now: datetime) -> Standing:
    """Everything that waits for Stripe or for a person."""
    pending = Payment.objects.filter(status=Payment.Status.PENDING)
    parked = InboxMessage.objects.filter(verdict__in=InboxMessage.PARKED)
    breaks = Break.objects.filter(closed_at__isnull=True)
    disputes = Dispute.objects.filter(ended_at__isnull=True, status__in=TO_BE_ANSWERED)
    return Standing(
        oldest_pending=pending.order_by("created_at").values_list("created_at", flat=True).first(),
        slow=count(pending.filter(created_at__lt=now - SLOW_AFTER)),
        # The condition of the partial index comes along, or the planner wouldn't use it.
        unknown=count(Attempt.objects.filter(state=Attempt.State.UNKNOWN).filter(state__in=Attempt.OPEN)),
        payments_to_look_at=count(Payment.objects.exclude(attention="")),
        refunds_to_look_at=count(Refund.objects.exclude(attention="")),
        conflicts=count(parked.filter(verdict=InboxMessage.Verdict.CONFLICT)),
        invalid=count(parked.filter(verdict=InboxMessage.Verdict.INVALID)),
        breaks=count(breaks),
        oldest_break=breaks.order_by("found_at").values_list("found_at", flat=True).first(),
        disputes=count(disputes),
        next_answer_by=disputes.exclude(respond_by=None).aggregate(first=Min("respond_by"))["first"],
    )  # fmt: skip


def count(rows: QuerySet[Any]) -> int:
    """How many, up to one more than `MOST_COUNTED`."""
    return rows.order_by()[: MOST_COUNTED + 1].count()
