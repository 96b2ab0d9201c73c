"""The relay: outbox rows to Kafka, marked when Kafka has acknowledged them.

P4: a row is marked only after the acknowledgement; a crash in between publishes it again, under the same id and
with the same bytes. One relay is active; a standby waits for its lock. The lock alone is not trusted: whoever
opens the sink fences all predecessors at the broker.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import structlog
from django.conf import settings

from bridge import metrics
from bridge.kafka import Fenced, Outgoing, Sink, Unpublishable
from bridge.loop import Stop
from payments import outbox, tracing

log = structlog.get_logger(__name__)

BATCH = 500
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
                if not run_once(sink=sink):
                    woken = outbox.wait_for_wake(seconds=outbox.WAKE_INTERVAL if woken else PATIENCE)
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
    for row in rows:
        if _topic(row) is None:
            _set_aside(row, "KAFKA_TOPIC_REFUNDS is not set any more: there is no topic for it", clock)
    publishable = [row for row in rows if _topic(row)]
    if publishable:
        _publish(sink, publishable, clock)
    return len(rows)


def _publish(sink: Sink, rows: Sequence[outbox.Waiting], clock: Clock) -> None:
    """Publish and mark; a row that Kafka will never take is found by halving and set aside."""
    try:
        with tracing.span("publish", follows=[str(row.headers.get("traceparent", "")) for row in rows]):
            sink.publish([_outgoing(row) for row in rows])
    except Unpublishable as refused:
        if len(rows) == 1:
            _set_aside(rows[0], str(refused), clock)
            return
        middle = len(rows) // 2
        _publish(sink, rows[:middle], clock)
        _publish(sink, rows[middle:], clock)
        return
    outbox.mark_published(ids=[row.id for row in rows], now=clock())
    metrics.PUBLISHED.inc(len(rows))
    log.info("published", count=len(rows), outbox=rows[-1].id)
    for row in rows:
        log.info("told", outbox=row.id, kind=row.channel, trace=_trace(row), **_about(row))


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


def _topic(row: outbox.Waiting) -> str | None:
    """Where it goes; None where nobody wants it any more."""
    topics: dict[str, str | None] = {
        "notifications": settings.KAFKA_TOPIC_NOTIFICATIONS,
        "dead_letters": settings.KAFKA_TOPIC_DEAD_LETTERS,
        "refunds": settings.KAFKA_TOPIC_REFUNDS,
    }
    return topics[row.channel]


def _outgoing(row: outbox.Waiting) -> Outgoing:
    topic = _topic(row) or ""
    prefix = DEAD_LETTER_PREFIX if row.channel == "dead_letters" else ""
    headers = [(prefix + name, _bytes(name, value)) for name, value in row.headers.items()]
    return Outgoing(topic=topic, key=row.key, value=row.value, headers=headers)


def _bytes(name: str, value: str | int) -> bytes:
    if isinstance(value, int):
        return value.to_bytes(4 if name in INT32 else 8, "big", signed=True)
    return value.encode()
