"""Accept: a batch of records becomes inbox rows, payments and dead letters, in one transaction.

P2: after this returns, every record of the batch has its row, and only then may offsets be committed. Two
bridges, or two records of one subscription in one batch, can't both win: the subscriptions' rows are locked in
sorted order first, and whatever is read afterwards is judged under those locks.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from django.db import DataError, IntegrityError, transaction

from payments import outbox, tracing
from payments.intake import positions
from payments.intake.batch import Batch
from payments.intake.known import lock_places, named, without_known
from payments.intake.refused import reason_of
from payments.intake.requests import PaymentRequest, Record, Rejection
from payments.intake.stored import as_stored
from payments.intake.written import Judged, keep

log = structlog.get_logger(__name__)

NO_FLOOR: Mapping[int, int] = {}

# A record that is older has waited for us, and waits its turn: whoever asks just now must not stand behind it.
FRESH_FOR = timedelta(seconds=5)


@dataclass(kw_only=True)
class Accepted:
    """What became of a batch: payments that are due, those of them to ring for at once (the sweep rings for the
    others), and counts by verdict (`known`: delivered before)."""

    due: list[UUID] = field(default_factory=list)
    fresh: list[UUID] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)

    def __iadd__(self, other: "Accepted") -> "Accepted":
        self.due += other.due
        self.fresh += other.fresh
        for verdict, count in other.counts.items():
            self.counts[verdict] = self.counts.get(verdict, 0) + count
        return self


def accept(*, records: Sequence[Record], group: str, now: datetime, floor: Mapping[int, int] = NO_FLOOR) -> Accepted:
    """Write one batch, in the order of its records; committed when this returns.

    `floor`: up to which offset each partition's rows were committed, as the caller knows: where the database knows
    of less, it has forgotten rows, and this raises `Behind`.

    A batch that the database refuses for what a record contains (SQLSTATE classes 22 and 23) is halved until
    the record stands alone, and that one is parked with the database's reason. Any other error of the database
    is raised, and nothing of the batch is written: that is not the records' fault.
    """
    wishes = [record.wish.traceparent for record in records if isinstance(record.wish, PaymentRequest)]
    with tracing.span("accept", follows=wishes, count=len(records)):
        return _accept([as_stored(record) for record in records], group, now, floor)


def _accept(records: Sequence[Record], group: str, now: datetime, floor: Mapping[int, int]) -> Accepted:
    if not records:
        return Accepted()
    try:
        with transaction.atomic():
            batch, accepted = _write(records, group, now, floor)
    except (DataError, IntegrityError) as error:
        if len(records) > 1:
            middle = len(records) // 2
            accepted = _accept(records[:middle], group, now, floor)
            accepted += _accept(records[middle:], group, now, floor)
            return accepted
        if isinstance(records[0].wish, Rejection):
            raise
        reason = reason_of(error)
        log.warning("record refused by the database", record=named(records[0]), why=reason)
        parked = replace(records[0], wish=Rejection(reason=f"{reason}: correct the event and send it again"))
        return _accept([parked], group, now, floor)
    _say(batch)
    outbox.wake()
    return accepted


def _write(records: Sequence[Record], group: str, now: datetime, floor: Mapping[int, int]) -> tuple[Batch, Accepted]:
    """Judge those that are new, and write all. The order of the tables is the order of their references."""
    lock_places(records)
    positions.check(records=records, floor=floor)
    new = without_known(records)
    batch = Batch(list(new.values()), now=now)
    for (_, hashed), record in new.items():
        batch.judge(record, at=record.at, hashed=hashed)
    batch.store()
    outbox.park(records=keep(batch.judged, now=now), group=group, now=now)
    positions.note(records=records, now=now)
    counts: dict[str, int] = {"known": len(records) - len(new)}
    for one in batch.judged:
        counts[one.verdict] = counts.get(one.verdict, 0) + 1
    fresh = [payment for payment, asked_at in batch.due.items() if asked_at >= now - FRESH_FOR]
    return batch, Accepted(due=list(batch.due), fresh=fresh, counts=counts)


def _say(batch: Batch) -> None:
    """One line for each record that has its row now."""
    if batch.judged:
        log.info("judged", each=[_line(one) for one in batch.judged])


def _line(one: Judged) -> dict[str, str | None]:
    wish = one.record.wish
    traceparent = wish.traceparent if isinstance(wish, PaymentRequest) else ""
    return {
        "record": named(one.record), "verdict": one.verdict,
        "trace": tracing.id_of(traceparent) if traceparent else None,
        "payment": str(one.payment) if one.payment else None,
    }  # fmt: skip
