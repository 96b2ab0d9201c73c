"""Personal data, and how they are emptied: e-mail addresses, what else came of a user, cards, records as they came.

What stays is the ledger: ids (the user's, too, by which payments are told apart), amounts, states, times, codes. A
record that was told stays as a row without its body: it was published, and its id is what others know it by.
"""

from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import F, Func, JSONField, Q, QuerySet, TextField, Value
from django.db.models.functions import Cast

from payments.models import Attempt, InboxMessage, OutboxMessage, Payment


def payments_with_data(rows: QuerySet[Payment]) -> QuerySet[Payment]:
    """Those of these payments that still have personal data."""
    more = Func(
        F("user_as_sent"), Value("id"), template="(%(expressions)s)", arg_joiner=" - ", output_field=JSONField()
    )
    cards = Attempt.objects.exclude(last4="", brand="", card="").values("payment")
    return rows.alias(more=Cast(more, TextField())).filter(~Q(email="") | ~Q(more="{}") | Q(id__in=cards))


def records_with_data(rows: QuerySet[InboxMessage]) -> QuerySet[InboxMessage]:
    """Those of these records that still are as they came; parked ones must stay so."""
    has = Q(value__isnull=False) | Q(key__isnull=False) | Q(corrected__isnull=False) | ~Q(headers=[])
    return rows.filter(has).exclude(verdict__in=InboxMessage.PARKED)


def told_with_data(rows: QuerySet[OutboxMessage]) -> QuerySet[OutboxMessage]:
    """Those of these that were published, and still have their body."""
    return rows.filter(published_at__isnull=False, value__isnull=False)


def empty_payments(*, ids: list[Any], before: datetime | None = None) -> int:
    """E-mail, whatever came of the user but the id, and the cards of the attempts. Returns how many payments."""
    with transaction.atomic():
        rows = old_payments(before=before) if before else Payment.objects.all()
        mine = list(rows.filter(id__in=ids).select_for_update(skip_locked=True).values_list("id", flat=True))
        Attempt.objects.filter(payment__in=mine).update(brand="", last4="", card="")
        only_id = Func(Value("id"), F("user_as_sent__id"), function="jsonb_build_object", output_field=JSONField())
        return Payment.objects.filter(id__in=mine).update(email="", user_as_sent=only_id)


def empty_records(*, ids: list[Any], before: datetime | None = None) -> int:
    """Value, key, headers, correction: the place, the hash and the verdict say all that is needed."""
    rows = InboxMessage.objects.filter(id__in=ids).exclude(verdict__in=InboxMessage.PARKED)
    return rows.update(value=None, key=None, corrected=None, headers=[])


def empty_told(*, ids: list[Any], before: datetime | None = None) -> int:
    """The body, and a dead letter's key."""
    rows = OutboxMessage.objects.filter(id__in=ids, published_at__isnull=False)
    rows.filter(channel=OutboxMessage.Channel.DEAD_LETTERS).update(key=None)
    return rows.update(value=None)


def old_payments(*, before: datetime) -> QuerySet[Payment]:
    """That have come to rest before then, and wait for nothing."""
    rests = Payment.objects.filter(settled_at__lt=before, due_at__isnull=True, retry_at__isnull=True)
    return payments_with_data(rests.exclude(status=Payment.Status.PENDING))


def old_records(*, before: datetime) -> QuerySet[InboxMessage]:
    """That came before then, and are dealt with."""
    return records_with_data(InboxMessage.objects.filter(received_at__lt=before))


def old_told(*, before: datetime) -> QuerySet[OutboxMessage]:
    """That were published before then."""
    return told_with_data(OutboxMessage.objects.filter(published_at__lt=before))
