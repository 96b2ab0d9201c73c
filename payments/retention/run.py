"""Prune: what may go, a thousand rows a transaction, with a pause between, so that nobody waits for it.

Repeatable, and safe to cut off anywhere: each batch is judged again in the transaction that removes it.
"""

import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

import structlog
from django.db import connection
from django.db.models import F, Model, QuerySet

from payments.models import InboxMessage, OutboxMessage, Pruned, Webhook
from payments.retention import others, personal, records
from payments.retention.keep import KINDS, Kind, kept_for

log = structlog.get_logger(__name__)

BATCH = 1_000
# Five thousand rows a second at most: a year's ten million are gone within the hour, and nobody notices.
PAUSE = 0.2
# By the schedule, once a day, whoever comes first of several workers.
EVERY = timedelta(days=1)
# Session-level advisory lock: one prunes at a time. The number is arbitrary and fixed.
LOCK = 7_243_004


class Rows(Protocol):
    """Which rows may go."""

    def __call__(self, *, before: datetime) -> QuerySet[Any]: ...


class Remove(Protocol):
    """Remove, or empty, those of these rows that may go; how many."""

    def __call__(self, *, ids: list[Any], before: datetime) -> int: ...


@dataclass(frozen=True, kw_only=True)
class Source:
    """One table's part of a kind. `made`: its model and the field by which its ids grow, where they do."""

    kind: Kind
    what: str
    rows: Rows
    remove: Remove
    made: tuple[type[Model], str] | None = None


@dataclass(frozen=True, kw_only=True)
class Step:
    """One batch is done, of this kind, with so many rows."""

    kind: Kind
    what: str
    rows: int


_RECORDS = (InboxMessage, "received_at")
_TOLD = (OutboxMessage, "created_at")
SOURCES = (
    Source(kind="outbox", what="told", rows=others.prunable_told, remove=others.remove_told, made=_TOLD),
    Source(kind="jobs", what="items of jobs", rows=others.prunable_items, remove=others.remove_items),
    Source(kind="inbox", what="records", rows=records.prunable, remove=records.remove, made=_RECORDS),
    Source(
        kind="webhooks", what="webhooks", rows=others.prunable_webhooks, remove=others.remove_webhooks,
        made=(Webhook, "received_at"),
    ),
    Source(kind="personal", what="payments", rows=personal.old_payments, remove=personal.empty_payments),
    Source(
        kind="personal", what="records emptied", rows=personal.old_records, remove=personal.empty_records, made=_RECORDS
    ),
    Source(kind="personal", what="told emptied", rows=personal.old_told, remove=personal.empty_told, made=_TOLD),
)  # fmt: skip


def count_prunable(*, now: datetime, kinds: Collection[Kind] = KINDS) -> dict[str, dict[str, int]]:
    """How many rows a run would remove or empty, by kind and by what they are. Reads every row that is old."""
    kept = {kind: span for kind, span in kept_for().items() if kind in kinds}
    found: dict[str, dict[str, int]] = {kind: {} for kind in kept}
    for source in SOURCES:
        if source.kind in kept:
            found[source.kind][source.what] = source.rows(before=now - kept[source.kind]).count()
    return found


def prune(
    *, now: datetime, kinds: Collection[Kind] = KINDS, stop: Callable[[], bool] = lambda: False, pause: float = PAUSE,
    rest: Callable[[float], object] = time.sleep,
) -> Iterator[Step]:  # fmt: skip
    """These kinds, where they have a setting, batch by batch, until nothing is left or `stop` says so. After each batch
    it rests for `pause` seconds."""
    for kind, kept in kept_for().items():
        if kind not in kinds:
            continue
        before = now - kept
        _begin(kind, before)
        for source in (one for one in SOURCES if one.kind == kind):
            for rows in _of(source, before):
                Pruned.objects.filter(what=kind).update(rows=F("rows") + rows)
                yield Step(kind=kind, what=source.what, rows=rows)
                if not stop():
                    rest(pause)
                if stop():
                    return
        Pruned.objects.filter(what=kind).update(pruned_at=now)


def prune_daily(*, now: datetime, seconds: float = 20.0) -> int:
    """What the schedule does: each kind once a day, in slices of so many seconds. Returns how many rows went."""
    done = dict(Pruned.objects.filter(pruned_at__gt=now - EVERY).values_list("what", "pruned_at"))
    kinds = [kind for kind in kept_for() if kind not in done]
    if not kinds or not _lock("pg_try_advisory_lock"):
        return 0
    until = time.monotonic() + seconds
    try:
        rows = sum(step.rows for step in prune(now=now, kinds=kinds, stop=lambda: time.monotonic() > until))
    finally:
        _lock("pg_advisory_unlock")
    if rows:
        log.info("pruned", count=rows)
    return rows


def _lock(function: str) -> bool:
    """Take it, or give it back."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {function}(%s)", [LOCK])
        return bool(cursor.fetchone()[0])


def _begin(kind: Kind, before: datetime) -> None:
    """Say what may be gone before anything is. It never goes back where a setting becomes longer."""
    Pruned.objects.get_or_create(what=kind, defaults={"before": before})
    Pruned.objects.filter(what=kind, before__lt=before).update(before=before)


def _of(source: Source, before: datetime) -> Iterator[int]:
    """Along the ids, as what stays behind is not looked at again."""
    rows = source.rows(before=before).order_by("pk")
    if source.made:
        model, field = source.made
        # What is younger needn't be read through; ids follow times, but for some seconds.
        younger = model._default_manager.filter(**{f"{field}__gte": before}).order_by("pk")
        if (end := younger.values_list("pk", flat=True).first()) is not None:
            rows = rows.filter(pk__lt=end)
    last: Any = None
    while ids := list((rows if last is None else rows.filter(pk__gt=last)).values_list("pk", flat=True)[:BATCH]):
        last = ids[-1]
        if removed := source.remove(ids=ids, before=before):
            yield removed
