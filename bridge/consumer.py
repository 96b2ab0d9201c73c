"""The bridge: records from Kafka to the inbox, then the commit of their offsets, and the doorbell.

P2: an offset is never committed ahead of its rows. Everything else (a crash, a rebalance, a commit that fails)
only means that records are delivered again, and the inbox knows them.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import TypeVar

import structlog
from django.conf import settings
from django.db import DatabaseError, InterfaceError, close_old_connections, connection

from bridge import metrics, schema
from bridge.kafka import Delivered, Source, Where
from bridge.loop import Stop, is_away, pauses
from bridge.positions import Positions, go_back
from bridge.watch import MemberWatch
from payments import intake

log = structlog.get_logger(__name__)

T = TypeVar("T")

# Where the cost per record stops falling; a batch is also the most that is judged again after a crash.
BATCH = 500
# How long to wait for the first record of a batch: bounds the time to notice a SIGTERM.
PATIENCE = 0.5


class _ToldToStop(Exception):
    """It is time to end and the database is away. Nothing of the batch in hand was written."""


class Bridge:
    """One member of the consumer group, from subscribe to leave."""

    def __init__(self, *, start_from: Where | None, watch: MemberWatch | None = None) -> None:
        self.start_from = start_from
        self._watch = watch or MemberWatch()

    def session(self, stop: Stop) -> None:
        """Run until told to stop. Raises `KafkaAway` and `KafkaRefuses`; waits by itself for the database."""
        positions = Positions()
        source = Source(ledger=positions, each_round=self._watch.round)
        try:
            source.open(start_from=self.start_from)
            log.info("bridge started", topic=settings.KAFKA_TOPIC_PAYMENTS, group=settings.KAFKA_GROUP_ID)
            while not stop:
                run_once(source=source, stop=stop, positions=positions)
        finally:
            source.close()


def run_once(*, source: Source, stop: Stop, positions: Positions | None = None) -> int:
    """Take one batch the whole way. Returns how many records it had.

    With `positions`, what the group has read is compared with the rows first; where the database has forgotten some,
    charging stops and this raises `KafkaAway`: join again, and read them again.
    """
    delivered = source.take(limit=BATCH, seconds=PATIENCE)
    began = time.monotonic()
    try:
        if positions is not None:
            _insist(source=source, stop=stop, step=partial(positions.check_assigned, source))
        if not delivered:
            return 0
        if positions is not None:
            # Or records of a topic that was made anew would be taken for those of the old one, and its first ones lost.
            source.start.insist_on_topic()
        accepted = _accept(source=source, delivered=delivered, stop=stop, floor=positions.floor if positions else {})
    except _ToldToStop:
        return 0
    written = source.still_owned(delivered)
    if positions is not None:
        positions.raise_floor(written)
    metrics.count_batch(verdicts=accepted.counts, seconds=time.monotonic() - began)
    # While Kafka is asked: its word takes as long as the way to a worker.
    source.commit(written, meanwhile=partial(_ring, accepted))
    return len(delivered)


def _ring(accepted: intake.Accepted) -> None:
    rung = intake.ring(payment_ids=accepted.fresh)
    counts = accepted.counts
    log.info(
        "batch accepted", count=sum(counts.values()), accepted=counts.get("accepted", 0), known=counts["known"],
        duplicates=counts.get("duplicate", 0), parked=counts.get("invalid", 0) + counts.get("conflict", 0), rung=rung,
    )  # fmt: skip


def _accept(*, source: Source, delivered: Sequence[Delivered], stop: Stop, floor: Mapping[int, int]) -> intake.Accepted:
    """Write the batch, for as long as it takes: a database that is away parks nothing. Raises `_ToldToStop`."""

    def write() -> intake.Accepted:
        now = _now()
        records = [_record(source, one, now) for one in source.still_owned(delivered)]
        return intake.accept(records=records, group=settings.KAFKA_GROUP_ID, now=now, floor=floor)

    try:
        accepted = _insist(source=source, stop=stop, step=write)
    except intake.Behind as behind:
        go_back(source=source, forgotten=behind.forgotten)
    accepted.counts.setdefault("known", 0)
    return accepted


def _now() -> datetime:
    """PostgreSQL's where our clock is ahead: workers would wait until what is due by ours is due by theirs."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        theirs: datetime = cursor.fetchone()[0]
    return min(datetime.now(UTC), theirs)


def _insist(*, source: Source, stop: Stop, step: Callable[[], T]) -> T:
    """Take a step in the database; while that is away, stay a member and take no records.

    Whoever is told to stop still tries once, so that the batch in hand is written. Raises `_ToldToStop`.
    """
    next_pause = pauses()
    while True:
        try:
            close_old_connections()
            result = step()
        except (DatabaseError, InterfaceError) as error:
            if not is_away(error):
                raise
            metrics.BRIDGE_DATABASE_WAITS.inc()
            pause = next_pause()
            log.warning(
                "waiting",
                why="the database does not answer (DATABASE_URL)",
                pause=pause,
                error=type(error).__name__,
            )
            connection.close()
            _wait(source=source, stop=stop, seconds=pause)
        else:
            source.resume()
            return result


def _wait(*, source: Source, stop: Stop, seconds: float) -> None:
    """Wait as a member of the group. Raises `_ToldToStop`."""
    while seconds > 0:
        if stop:
            raise _ToldToStop
        source.wait_paused(seconds=min(seconds, PATIENCE))
        seconds -= PATIENCE
    if stop:
        raise _ToldToStop


def _record(source: Source, delivered: Delivered, now: datetime) -> intake.Record:
    at = now
    if delivered.timestamp is not None and delivered.timestamp >= 0:
        # Capped at receipt: a producer's clock that is ahead must not make later records look old.
        at = min(now, datetime.fromtimestamp(min(delivered.timestamp / 1000, now.timestamp()), UTC))
    return intake.Record(
        cluster=source.cluster,
        topic=delivered.topic,
        topic_id=source.topic_id,
        partition=delivered.partition,
        offset=delivered.offset,
        at=at,
        key=delivered.key,
        value=delivered.value,
        headers=delivered.headers,
        wish=schema.decode(value=delivered.value, headers=delivered.headers, price_unit=settings.PRICE_UNIT),
    )
