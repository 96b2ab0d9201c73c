"""Forget one user: their personal data are erased, and the ledger stays.

Nothing is erased while something of theirs is under way, as it would be needed; and nothing that Kafka still holds, of
which the command tells. Free texts (why staff did something) are searched for what came of the user, and blanked there:
the history of a payment lets nothing else be done to it, and only in the transaction that says who erased and why.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog
from django.db import connection, transaction
from django.db.models import Exists, Max, OuterRef, Q, QuerySet

from payments.models import (
    Break,
    Dispute,
    Erasure,
    InboxMessage,
    Job,
    JobItem,
    OutboxMessage,
    Payment,
    Refund,
    Subscription,
    Transition,
)
from payments.retention import personal

log = structlog.get_logger(__name__)

ERASED = "[erased]"
# Shorter ones would blank half of any sentence.
SHORTEST = 4


@dataclass(frozen=True, kw_only=True)
class NotForgettable:
    """Why nothing was erased; one line for each thing."""

    why: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Forgotten:
    """Rows that were erased, or would be, by what they are; and when Kafka was last given something of the user."""

    counts: dict[str, int]
    came_at: datetime | None
    told_at: datetime | None
    parked_at: datetime | None
    refunds_told_at: datetime | None


def preview_forgetting(*, user_id: str, now: datetime) -> Forgotten | NotForgettable:
    """What `forget` would do: all of it, and taken back."""
    with transaction.atomic():
        found = _forget(user_id, who="preview", why="preview", now=now)
        transaction.set_rollback(True)
    return found


def forget(*, user_id: str, who: str, why: str, now: datetime) -> Forgotten | NotForgettable:
    """Erase all personal data of this user (canonical text), in one transaction. Repeats do no harm."""
    if not who.strip() or not why.strip():
        raise ValueError("who erases says why")
    with transaction.atomic():
        found = _forget(user_id, who=who, why=why, now=now)
    if isinstance(found, Forgotten):
        log.info("user forgotten", who=who, count=sum(found.counts.values()))
    return found


def _forget(user_id: str, *, who: str, why: str, now: datetime) -> Forgotten | NotForgettable:
    subscriptions = list(Payment.objects.filter(user_id=user_id).values_list("subscription_id", flat=True).distinct())
    # As the intake does: nothing new of theirs comes in meanwhile.
    list(Subscription.objects.select_for_update().filter(id__in=subscriptions).order_by("id"))
    payments = list(Payment.objects.select_for_update().filter(user_id=user_id).order_by("id"))
    ids = [payment.id for payment in payments]
    if not payments:
        return NotForgettable(why=("there is no payment of this user",))
    words = _words(payments)
    records = _records(ids, subscriptions, words)
    told = OutboxMessage.objects.filter(Q(payment__in=ids) | Q(record__in=list(records.values_list("id", flat=True))))
    if reasons := tuple(_under_way(payments, records, told, now)):
        return NotForgettable(why=reasons)
    kafka = _kafka(records, told)
    Erasure.objects.create(user_id=user_id, who=who, why=why, at=now)
    counts = {
        # Texts first, as what is looked for in them is about to go.
        "texts": _blank_texts(ids, records, words),
        "records": personal.empty_records(ids=_ids(personal.records_with_data(records))),
        "notifications": personal.empty_told(ids=_ids(personal.told_with_data(told))),
        "payments": personal.empty_payments(ids=_ids(personal.payments_with_data(Payment.objects.filter(id__in=ids)))),
    }
    return Forgotten(counts=counts, **kafka)


def _under_way(
    payments: Sequence[Payment], records: "QuerySet[InboxMessage]", told: "QuerySet[OutboxMessage]", now: datetime
) -> Iterator[str]:
    """What still needs the data, for a person."""
    for payment in payments:
        if payment.status == Payment.Status.PENDING:
            yield f"payment {payment.id} is pending: wait for its outcome, or close it"
        elif payment.retry_at or payment.due_at:
            at = payment.retry_at or payment.due_at
            yield f"payment {payment.id} is looked at or tried again at {at:%Y-%m-%d %H:%M} UTC: wait, or close it"
        elif payment.lease_until and payment.lease_until > now:
            yield f"payment {payment.id} is in a worker's hands: try again in two minutes"
    ids = [payment.id for payment in payments]
    if Refund.objects.filter(payment__in=ids, state__in=Refund.OPEN).exists():
        yield "a refund is under way: wait for its outcome"
    if Dispute.objects.filter(payment__in=ids, ended_at__isnull=True).exists():
        yield "a dispute is open: its answer may need what is known of the customer"
    if told.filter(published_at__isnull=True).exists():
        yield "something is not told yet, or was refused by Kafka: see the outbox"
    if parked := records.filter(verdict__in=InboxMessage.PARKED).first():
        yield f"record {parked.id} is parked: replay or dismiss it first (manage.py parked show {parked.id})"
    if JobItem.objects.filter(payment__in=ids, state=JobItem.State.WAITING).exclude(job__state__in=Job.FINAL).exists():
        yield "a job is about to do something to one of the payments: wait for it, or stop and reject it"


def _words(payments: Sequence[Payment]) -> list[str]:
    """What came of the user and is written somewhere as it came: addresses, names, numbers; the longest first."""
    found: set[str] = set()
    for payment in payments:
        more = {name: value for name, value in payment.user_as_sent.items() if name != "id"}
        found |= {payment.email, *_texts_in(more)}
    return sorted((word for word in found if len(word.strip()) >= SHORTEST), key=len, reverse=True)


def _texts_in(value: Any) -> Iterator[str]:
    match value:
        case dict():
            for one in value.values():
                yield from _texts_in(one)
        case list():
            for one in value:
                yield from _texts_in(one)
        case bool() | None:
            return
        case _:
            yield str(value)


def _records(ids: Sequence[UUID], subscriptions: Sequence[str], words: Sequence[str]) -> "QuerySet[InboxMessage]":
    """Records of theirs, and those that nobody could understand and that have an address of theirs in them."""
    mine = Q(payment__in=ids) | Q(subscription__in=subscriptions)
    addresses = [word.encode() for word in words if "@" in word]
    if addresses:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT id FROM payments_inboxmessage WHERE verdict IN ('invalid', 'dismissed')"
                " AND subscription_id IS NULL"
                " AND EXISTS (SELECT FROM unnest(%s::bytea[]) AS one WHERE position(one IN value) > 0)",
                [addresses],
            )
            mine |= Q(id__in=[number for (number,) in cursor.fetchall()])
    return InboxMessage.objects.filter(mine)


def _kafka(records: "QuerySet[InboxMessage]", told: "QuerySet[OutboxMessage]") -> dict[str, datetime | None]:
    channels = OutboxMessage.Channel
    last = dict(told.values_list("channel").annotate(Max("published_at")))
    return {
        "came_at": records.aggregate(at=Max("recorded_at"))["at"],
        "told_at": last.get(channels.NOTIFICATIONS),
        "parked_at": last.get(channels.DEAD_LETTERS),
        "refunds_told_at": last.get(channels.REFUNDS),
    }


def _blank_texts(ids: Sequence[UUID], records: "QuerySet[InboxMessage]", words: Sequence[str]) -> int:
    """Free texts about these payments: the pieces that came of the user become `[erased]`. Returns how many rows."""
    if not words:
        return 0
    of_job = Exists(JobItem.objects.filter(job=OuterRef("pk"), payment__in=ids))
    return (
        _blank(Transition.objects.filter(payment__in=ids), ("why", "evidence"), words)
        + _blank(Refund.objects.filter(payment__in=ids), ("reason",), words)
        + _blank(Break.objects.filter(payment__in=ids), ("reason", "closed_why", "details"), words)
        + _blank(records, ("reason", "handled_why"), words)
        + _blank(JobItem.objects.filter(payment__in=ids), ("text",), words)
        + _blank(Job.objects.filter(of_job), ("reason", "arguments"), words)
    )


def _blank(rows: "QuerySet[Any]", fields: Sequence[str], words: Sequence[str]) -> int:
    changed = 0
    for row in rows.iterator():
        new = {name: _blanked(getattr(row, name), words) for name in fields}
        new = {name: value for name, value in new.items() if value != getattr(row, name)}
        if new:
            changed += rows.model._default_manager.filter(pk=row.pk).update(**new)
    return changed


def _blanked(value: Any, words: Sequence[str]) -> Any:
    """The same text, or the same JSON, with these words blanked wherever they stand."""
    match value:
        case str():
            return re.sub("|".join(map(re.escape, words)), ERASED, value, flags=re.IGNORECASE)
        case dict():
            return {name: _blanked(one, words) for name, one in value.items()}
        case list():
            return [_blanked(one, words) for one in value]
        case _:
            return value


def _ids(rows: "QuerySet[Any]") -> list[Any]:
    return list(rows.values_list("pk", flat=True))
