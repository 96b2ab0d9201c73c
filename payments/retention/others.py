"""Rows of the outbox, webhooks and jobs that nobody needs any more.

P4: what is told goes only where it is published, and its payment rests for good; all of a payment's together, as the id
of one that staff send again is derived from how many there are. What Kafka has refused stays, as a person must look.
"""

from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from payments.models import InboxMessage, Job, JobItem, OutboxMessage, Payment, Webhook

RESTS = Q(status=Payment.Status.SUCCESS) | Q(closed_at__isnull=False)


def prunable_told(*, before: datetime) -> QuerySet[OutboxMessage]:
    """Records that were published, of payments that rest, and dead letters of records that are dealt with."""
    younger = OutboxMessage.objects.filter(payment=OuterRef("payment")).filter(
        Q(published_at__isnull=True) | Q(published_at__gte=before)
    )
    of_payment = Exists(Payment.objects.filter(RESTS, id=OuterRef("payment"))) & ~Exists(younger)
    parked = InboxMessage.objects.filter(id=OuterRef("record"), verdict__in=InboxMessage.PARKED)
    of_record = Q(record__isnull=False) & ~Exists(parked)
    return OutboxMessage.objects.filter(published_at__lt=before).filter(of_payment | of_record)


def remove_told(*, ids: list[Any], before: datetime) -> int:
    """Remove those of these that may go, with all others of their payments. Returns how many."""
    with transaction.atomic():
        mine = OutboxMessage.objects.filter(id__in=ids).values("payment")
        # Whoever has it told again holds this lock.
        payments = Payment.objects.select_for_update(skip_locked=True).filter(RESTS, id__in=mine)
        held = list(payments.values_list("id", flat=True))
        rows = prunable_told(before=before).filter(Q(payment__in=held) | Q(id__in=ids, record__isnull=False))
        return rows.delete()[0]


def prunable_webhooks(*, before: datetime) -> QuerySet[Webhook]:
    """Those that were handled, but for a payment whose outcome isn't known."""
    pending = Payment.objects.filter(id=OuterRef("payment"), status=Payment.Status.PENDING)
    return Webhook.objects.filter(handled_at__isnull=False, received_at__lt=before).exclude(Exists(pending))


def remove_webhooks(*, ids: list[Any], before: datetime) -> int:
    """One that Stripe sends again after that is a new hint, and no more."""
    return prunable_webhooks(before=before).filter(id__in=ids).delete()[0]


def prunable_items(*, before: datetime) -> QuerySet[JobItem]:
    """Of jobs that are over, and of drafts that nobody has said yes to; what they did is in the history."""
    return JobItem.objects.filter(job__in=_prunable_jobs(before=before))


def remove_items(*, ids: list[Any], before: datetime) -> int:
    """Remove these, and the jobs that have none left. Returns how many items."""
    with transaction.atomic():
        removed = prunable_items(before=before).filter(id__in=ids).delete()[0]
        items = JobItem.objects.filter(job=OuterRef("pk"))
        Job.objects.filter(id__in=_prunable_jobs(before=before)).exclude(Exists(items)).delete()
    return removed


def _prunable_jobs(*, before: datetime) -> QuerySet[Job]:
    over = Q(state__in=Job.FINAL, ended_at__lt=before) | Q(state=Job.State.DRAFT, created_at__lt=before)
    return Job.objects.filter(over)
