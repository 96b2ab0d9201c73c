"""Parked records: what a person makes of them. Each leaves the list with a name and a reason, or stays on it.

P1: a replay is judged as any record is, as of now, so that it can't charge what is charged already. It changes its
own row and writes no other, whoever does the same at that moment; what is refused again stays parked, and is
neither published again nor tried again by itself.
"""

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Protocol
from uuid import UUID

import structlog
from django.conf import settings
from django.db import DataError, IntegrityError, transaction
from django.utils.module_loading import import_string

from payments import outbox
from payments.intake.batch import Batch
from payments.intake.known import lock_places
from payments.intake.refused import reason_of
from payments.intake.requests import Headers, PaymentRequest, Record, Rejection
from payments.intake.stored import as_stored
from payments.intake.written import Judged
from payments.models import InboxMessage
from payments.money import PriceUnit
from payments.tasks import ring

log = structlog.get_logger(__name__)

NEEDS_A_VALUE = (
    "what is kept isn't what came (a card number was masked, or it was too long to be kept whole): "
    "give the corrected event"
)
_TICK = timedelta(microseconds=1)


@dataclass(frozen=True, kw_only=True)
class Replayed:
    """Accepted: this payment is charged, or has answered."""

    payment: UUID


@dataclass(frozen=True, kw_only=True)
class Duplicate:
    """Nothing is left to do: what it asks for is done or under way. It is off the list."""

    payment: UUID | None
    reason: str


@dataclass(frozen=True, kw_only=True)
class StillParked:
    """Refused again: for this reason, which may be another one than before."""

    reason: str


@dataclass(frozen=True, kw_only=True)
class Dismissed:
    """Off the list, and nothing else happens."""


@dataclass(frozen=True, kw_only=True)
class NotParked:
    """There is nothing to decide. `verdict` is the record's; empty: there is no such record."""

    verdict: str


class Decode(Protocol):
    """How a value is understood: the bridge's."""

    def __call__(
        self, *, value: bytes | None, headers: Headers, price_unit: PriceUnit
    ) -> PaymentRequest | Rejection: ...


def replay(
    *, record_id: int, who: str, why: str, now: datetime, value: bytes | None = None
) -> Replayed | Duplicate | StillParked | NotParked:
    """Judge a parked record once more, as of now, and ring for its payment. `value`: the corrected event.

    A corrected event is judged without the event id of the record's headers: that was the id of what was wrong.
    """
    _check(who=who, why=why)
    try:
        with transaction.atomic():
            outcome = _replay(record_id, who, why, now, value)
    except (DataError, IntegrityError) as error:
        with transaction.atomic():
            outcome = _stay(record_id, f"{reason_of(error)}: correct the event")
    kind = type(outcome).__name__
    transaction.on_commit(lambda: log.info("parked record replayed", record=record_id, who=who, outcome=kind))
    return outcome


def dismiss(*, record_id: int, who: str, why: str, now: datetime) -> Dismissed | NotParked:
    """Take a parked record off the list for good, as nothing is to be done about it."""
    _check(who=who, why=why)
    changed = InboxMessage.objects.filter(id=record_id, verdict__in=InboxMessage.PARKED).update(
        verdict=InboxMessage.Verdict.DISMISSED, handled_at=now, handled_by=who, handled_why=why
    )
    if not changed:
        return _not_parked(record_id)
    log.info("parked record dismissed", record=record_id, who=who)
    return Dismissed()


def is_as_it_came(row: InboxMessage) -> bool:
    """Whether the value that is kept is the one that was delivered, to the byte."""
    return hashlib.sha256(row.value or b"").digest() == bytes(row.value_hash)


def headers_of(row: InboxMessage) -> Headers:
    """The record's headers: names and values."""
    return tuple((name, None if value is None else base64.b64decode(value)) for name, value in row.headers)


def _check(*, who: str, why: str) -> None:
    if not who.strip() or not why.strip():
        raise ValueError("who decides about a parked record says why")


def _replay(
    record_id: int, who: str, why: str, now: datetime, value: bytes | None
) -> Replayed | Duplicate | StillParked | NotParked:
    row = _locked(record_id)
    if row is None:
        return _not_parked(record_id)
    if value is None and row.verdict == InboxMessage.Verdict.INVALID and not is_as_it_came(row):
        # With a masked id somebody else would pay.
        return StillParked(reason=NEEDS_A_VALUE)
    record = _record(row, value)
    lock_places([record])
    batch = Batch([record], now=now, who=who, evidence={"why": why}, anew=True)
    judged = batch.judge(record, at=_as_of(batch, record, now))
    if value is not None:
        row.corrected = record.value
    if isinstance(record.wish, PaymentRequest):
        row.subscription_id, row.event_id = record.wish.subscription, record.wish.event_id
    if judged.verdict in InboxMessage.PARKED:
        return _keep(row, judged.verdict, judged.reason)
    batch.store()
    transaction.on_commit(partial(_tell, list(batch.due)))
    row.handled_at, row.handled_by, row.handled_why = now, who, why
    return _leave(row, judged)


def _locked(record_id: int) -> InboxMessage | None:
    """The row of a parked record, for this transaction alone: of two at once, the second finds it handled."""
    return InboxMessage.objects.select_for_update().filter(id=record_id, verdict__in=InboxMessage.PARKED).first()


def _record(row: InboxMessage, value: bytes | None) -> Record:
    decode: Decode = import_string(settings.EVENT_DECODER)
    headers = headers_of(row)
    kept = None if row.value is None else bytes(row.value)
    used = headers if value is None else tuple(one for one in headers if one[0] == "traceparent")
    return as_stored(
        Record(
            cluster=row.cluster, topic=row.topic, topic_id=row.topic_id,
            partition=row.partition, offset=row.offset, at=row.recorded_at,
            key=None, value=kept if value is None else value, headers=used,
            wish=decode(value=kept if value is None else value, headers=used, price_unit=settings.PRICE_UNIT),
        )
    )  # fmt: skip


def _as_of(batch: Batch, record: Record, now: datetime) -> datetime:
    """Now, and in any case after what was judged of this subscription, whatever the clock of that bridge said."""
    if isinstance(record.wish, Rejection):
        return now
    judged_until = batch.judged_until[record.wish.subscription]
    return now if judged_until is None else max(now, judged_until + _TICK)


def _stay(record_id: int, reason: str) -> StillParked | NotParked:
    row = _locked(record_id)
    return _not_parked(record_id) if row is None else _keep(row, row.verdict, reason)


def _keep(row: InboxMessage, verdict: str, reason: str) -> StillParked:
    row.verdict, row.reason, row.replays = verdict, reason, row.replays + 1
    _save(row)
    return StillParked(reason=reason)


def _leave(row: InboxMessage, judged: Judged) -> Replayed | Duplicate:
    row.verdict, row.replays, row.payment_id = judged.verdict, row.replays + 1, judged.payment
    _save(row)
    if judged.verdict == InboxMessage.Verdict.ACCEPTED and judged.payment is not None:
        return Replayed(payment=judged.payment)
    return Duplicate(payment=judged.payment, reason=judged.reason)


def _save(row: InboxMessage) -> None:
    row.save(
        update_fields=[
            "verdict", "reason", "replays", "corrected", "subscription", "event_id", "payment",
            "handled_at", "handled_by", "handled_why",
        ]
    )  # fmt: skip


def _tell(due: Sequence[UUID]) -> None:
    ring(payment_ids=due)
    outbox.wake()


def _not_parked(record_id: int) -> NotParked:
    verdicts = InboxMessage.objects.filter(id=record_id).values_list("verdict", flat=True)
    return NotParked(verdict=verdicts.first() or "")
