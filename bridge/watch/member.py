"""The bridge under watch: what it tells Prometheus, whom it warns, and what it does where Kafka's client stands still.

A partition can stop bringing records without an error (librdkafka issue 4492). Nothing but its progress shows that,
and a new membership has been seen to help; where it doesn't, a new process may.
"""

import time
from collections.abc import Iterable

import structlog
from django.conf import settings

from bridge import metrics
from bridge.kafka import KafkaAway, KafkaRefuses, Look, LookFailed, Looks, Place, Source
from bridge.watch.health import Health
from bridge.watch.judge import Patience, find_lag, find_left

log = structlog.get_logger(__name__)

# A look costs Kafka three short questions.
LOOK_EVERY = 5.0
# A look that has no answer by then: Kafka may be away, and nobody stands still for that.
SLOW_LOOK = 1.0
# So many times as long as a stall takes to be seen, a new membership is held to have cured the last one.
CURED_AFTER = 10


class MemberWatch:
    """Watches one bridge through all its sessions. Use from the loop's own thread."""

    def __init__(self, *, health: Health | None = None) -> None:
        self._health = health or Health(None)
        self._topic = settings.KAFKA_TOPIC_PAYMENTS
        self._rejoined_at: float | None = None
        self._shown: set[int] = set()
        self._begin_session(None)

    def _begin_session(self, source: Source | None) -> None:
        self._source = source
        self._looks = Looks(topic=self._topic) if source else None
        self._patience = Patience()
        self._warned: set[int] = set()
        self._looked_at, self._turned_at = 0.0, time.monotonic()
        self._was_paused = False
        self._first_ends: dict[int, tuple[float, int]] = {}
        self._assignments = self._revocations = 0

    def round(self, source: Source) -> None:
        """One turn of the loop: never waits. Raises `KafkaAway` where a partition stands still, then `KafkaRefuses`."""
        self._health.touch()
        if source is not self._source:
            self._begin_session(source)
        at, places = time.monotonic(), source.lag.places
        # Behind the backlog of others a partition waits for its turn: it does not stand still. Nor does one that nobody
        # asked as the turn began.
        excused = source.has_more or self._was_paused or self._is_without_answer(at)
        moved = self._patience.turn(places, seconds=0.0 if excused else at - self._turned_at)
        self._turned_at, self._was_paused = at, source.is_paused
        if source.is_paused:
            self._patience.excuse(places)
        self._show_places(source, moved)
        if (look := self._look(places, at)) is not None:
            self._judge(places, look, at)
            self._insist_on_progress(places, look, at)

    def _is_without_answer(self, at: float) -> bool:
        return self._looks is not None and self._looks.is_asking and at > self._looked_at + SLOW_LOOK

    def _show_places(self, source: Source, moved: Iterable[int]) -> None:
        lag = source.lag
        metrics.PARTITIONS.set(len(lag.places))
        metrics.ASSIGNMENTS.inc(lag.assignments - self._assignments)
        metrics.REVOCATIONS.inc(lag.revocations - self._revocations)
        self._assignments, self._revocations = lag.assignments, lag.revocations
        for number in moved:
            metrics.PROGRESS.labels(self._topic, number).set(time.time())
        for number in self._shown - lag.places.keys():
            for gauge in (metrics.LAG_RECORDS, metrics.LAG_SECONDS, metrics.RETENTION_LEFT, metrics.PROGRESS):
                gauge.remove_by_labels({"topic": self._topic, "partition": str(number)})
        self._shown = set(lag.places)

    def _look(self, places: dict[int, Place], at: float) -> Look | None:
        """What Kafka has answered, if it has by now; asks again when it is time."""
        if self._looks is None:
            return None
        try:
            look = self._looks.answer()
        except LookFailed:
            # Kafka is away: nobody can say who stands still.
            self._patience.excuse(places)
            return None
        if places and not self._looks.is_asking and at > self._looked_at + LOOK_EVERY:
            self._looks.ask(places)
            self._looked_at = at
        return look

    def _judge(self, places: dict[int, Place], look: Look, at: float) -> None:
        now = time.time()
        metrics.LOOKED.set(now)
        for number, place in places.items():
            if number not in look.end:
                self._patience.excuse([number])
                continue
            labels = (self._topic, number)
            if place.since is None:
                # Until a record tells more.
                place.since = now
            if (lag := find_lag(place=place, end=look.end[number], now=now)) is not None:
                metrics.LAG_RECORDS.labels(*labels).set(lag[0])
                metrics.LAG_SECONDS.labels(*labels).set(lag[1])
                if lag[0] == 0:
                    place.since = now
                    self._patience.excuse([number])
                    metrics.PROGRESS.labels(*labels).set(now)
            left = find_left(number=number, place=place, look=look, rate=self._rate(number, look, at), now=now)
            if left is None:
                continue
            metrics.RETENTION_LEFT.labels(*labels).set(left.seconds)
            self._warn(number, left.seconds, little=left.is_little(budget=settings.OUTAGE_BUDGET.total_seconds()))

    def _rate(self, number: int, look: Look, at: float) -> float:
        """Records per second that came to a partition since the bridge joined."""
        began, first = self._first_ends.setdefault(number, (at, look.end[number]))
        return (look.end[number] - first) / (at - began) if at > began else 0.0

    def _warn(self, number: int, seconds: float, *, little: bool) -> None:
        if little and number not in self._warned:
            log.warning(
                "unread records are about to be deleted", topic=self._topic, partition=number, seconds=round(seconds),
                fix="let the bridge catch up, or raise retention.ms or retention.bytes of the topic until it has",
            )  # fmt: skip
            self._warned.add(number)
        elif not little:
            self._warned.discard(number)

    def _insist_on_progress(self, places: dict[int, Place], look: Look, at: float) -> None:
        after = settings.BRIDGE_STALLED_AFTER
        ended = self._patience.ended(after=after)
        # Of one whose place isn't known yet nothing can be said.
        stalled = [number for number in ended if places[number].next is not None]
        if not stalled:
            return
        metrics.STALLS.inc(len(stalled))
        where = f"partition {stalled[0]} of {self._topic}"
        if self._rejoined_at is not None and at < self._rejoined_at + CURED_AFTER * after:
            raise KafkaRefuses(
                f"{where} has records and brings none, and joining again did not help: Kafka's client stands still, "
                "start the bridge again"
            )
        self._rejoined_at = at
        raise KafkaAway(f"{where} has records and has brought none for {after} s: joining again")
