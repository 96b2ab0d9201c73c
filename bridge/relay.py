"""The relay: outbox rows to Kafka, marked when Kafka has acknowledged them.

P4: a row is marked only after the acknowledgement; a crash in between publishes it again, under the same id and
with the same bytes. One relay is active; a standby waits for its lock. The lock alone is not trusted: whoever
opens the sink fences all predecessors at the broker.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import structlog
from django.conf import settings

from bridge import metrics
from bridge.kafka import Fenced, Outgoing, Sink, Unpublishable
from bridge.loop import Stop
from payments import outbox, tracing

log = structlog.get_logger(__name__)

# A transaction costs Kafka some milliseconds, however much is in it.
BATCH = 2_000
# Woken at each commit; this is for wake-ups that were lost.
PATIENCE = 0.5
STANDBY_PAUSE = 0.5

# Dead letters carry Spring's names, which consoles understand: partition as int32, the others as int64.
DEAD_LETTER_PREFIX = "kafka_dlt-"
INT32 = ("original-partition",)

Clock = Callable[[], datetime]


def _now() -> datetime:
    return datetime.now(UTC)


def session(stop: Stop, *, each_round: Callable[[], None] = lambda: None) -> None:
    """Wait to be the active relay, then relay until told to stop. Raises `KafkaAway`, `KafkaRefuses`.

    `each_round` is called in each turn of both loops.
    """
    stands_by = False
    while not outbox.try_relay_lock():
        if stop:
            return
        if not stands_by:
            log.info("standing by, another relay is active")
            stands_by = True
        each_round()
        stop.wait(STANDBY_PAUSE)
    try:
        sink = Sink()
        try:
            sink.open()
            outbox.listen()
            log.info("relay active", topic=settings.KAFKA_TOPIC_NOTIFICATIONS)
            metrics.ACTIVE.set(1)
            woken = True  # perhaps, before we listened
            while not stop:
                each_round()
                count = run_once(sink=sink)
                if count == BATCH:
                    catch_up(sink=sink, stop=stop, each_round=each_round)
                elif not count:
                    woken = outbox.wait_for_wake(seconds=PATIENCE, again=woken)
        except Fenced:
            log.warning("another relay has taken over, standing by")
        finally:
            metrics.ACTIVE.set(0)
            sink.close()
    finally:
        outbox.release_relay_lock()


def run_once(*, sink: Sink, clock: Clock = _now) -> int:
    """Publish the oldest rows that wait. Returns how many there were."""
    rows = outbox.waiting(limit=BATCH)
    if publishable := _publishable(rows, clock):
        _publish(sink, publishable, clock)
    return len(rows)


def catch_up(*, sink: Sink, stop: Stop, each_round: Callable[[], None] = lambda: None, clock: Clock = _now) -> None:
    """The same with a backlog, until less than a batch waits: while Kafka takes one batch, the one before it is marked
    and the one behind it is read. None begins before Kafka has acknowledged all of the one before."""
    with ThreadPoolExecutor(1, "publishing") as beside:
        acknowledged: Sequence[outbox.Waiting] = []
        rows = _publishable(outbox.waiting(limit=BATCH), clock)
        while rows and not stop:
            each_round()
            publishing = beside.submit(_send, sink, rows)
            _mark(acknowledged, clock)
            following = outbox.waiting(limit=BATCH, on_their_way=[row.id for row in rows])
            try:
                publishing.result()
                acknowledged = rows
            except Unpublishable:
                acknowledged = []
                _publish(sink, rows, clock)
            rows = _publishable(following, clock) if len(following) == BATCH else []
        _mark(acknowledged, clock)


def _publishable(rows: Sequence[outbox.Waiting], clock: Clock) -> Sequence[outbox.Waiting]:
    """Those that there is a topic for; the others are set aside."""
    topics = _topics()
    for row in rows:
        if not topics[row.channel]:
            _set_aside(row, "KAFKA_TOPIC_REFUNDS is not set any more: there is no topic for it", clock)
    return [row for row in rows if topics[row.channel]]


def _publish(sink: Sink, rows: Sequence[outbox.Waiting], clock: Clock) -> None:
    """Publish and mark; a row that Kafka will never take is found by halving and set aside."""
    try:
        _send(sink, rows)
    except Unpublishable as refused:
        if len(rows) == 1:
            _set_aside(rows[0], str(refused), clock)
            return
        middle = len(rows) // 2
        _publish(sink, rows[:middle], clock)
        _publish(sink, rows[middle:], clock)
        return
    _mark(rows, clock)


def _send(sink: Sink, rows: Sequence[outbox.Waiting]) -> None:
    """Returns when Kafka has acknowledged all of them; raises as `Sink.publish`. Asks no database."""
    topics = _topics()
    with tracing.span("publish", follows=[str(row.headers.get("traceparent", "")) for row in rows]):
        sink.publish([_outgoing(row, topics) for row in rows])


def _mark(rows: Sequence[outbox.Waiting], clock: Clock) -> None:
    """Kafka has acknowledged all of them."""
    if not rows:
        return
    outbox.mark_published(ids=[row.id for row in rows], now=clock())
    metrics.PUBLISHED.inc(len(rows))
    log.info("published", count=len(rows), outbox=rows[-1].id)
    log.info(
        "told", each=[{"outbox": row.id, "kind": row.channel, "trace": _trace(row), **_about(row)} for row in rows]
    )


def _set_aside(row: outbox.Waiting, why: str, clock: Clock) -> None:
    log.error("record refused by kafka, set aside", outbox=row.id, why=why)
    outbox.set_aside(outbox_id=row.id, error=why, now=clock())
    metrics.REFUSED.inc()


def _trace(row: outbox.Waiting) -> str | None:
    return tracing.id_of(str(row.headers.get("traceparent", "")))


def _about(row: outbox.Waiting) -> dict[str, str]:
    """What it tells of: a payment, or a record that is parked."""
    if row.channel != "dead_letters":
        return {"payment": (row.key or b"").decode()}
    place = [row.headers.get(f"original-{part}") for part in ("topic", "partition", "offset")]
    return {"record": "{}[{}]@{}".format(*place)}


def _topics() -> Mapping[str, str | None]:
    """Where each channel's rows go; None where nobody wants them any more."""
    return {
        "notifications": settings.KAFKA_TOPIC_NOTIFICATIONS,
        "dead_letters": settings.KAFKA_TOPIC_DEAD_LETTERS,
        "refunds": settings.KAFKA_TOPIC_REFUNDS,
    }


def _outgoing(row: outbox.Waiting, topics: Mapping[str, str | None]) -> Outgoing:
    prefix = DEAD_LETTER_PREFIX if row.channel == "dead_letters" else ""
    headers = [
        (prefix + name, value.encode() if isinstance(value, str) else _number(name, value))
        for name, value in row.headers.items()
    ]
    return Outgoing(topic=topics[row.channel] or "", key=row.key, value=row.value, headers=headers)


def _number(name: str, value: int) -> bytes:
    return value.to_bytes(4 if name in INT32 else 8, "big", signed=True)
