"""The state of the machinery: doorbells in the queues, records to publish, limits, pauses, processes."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from payments import limits
from payments.heartbeats import PROCESSES, Process, is_there
from payments.metrics.standing import count
from payments.models import Heartbeat, OutboxMessage, Pause

WAITING = {"published_at__isnull": True, "refused_at__isnull": True}


@dataclass(frozen=True, kw_only=True)
class Running:
    """One kind of process: those that are there now, and when the last of those that aren't was seen."""

    process: Process
    there: list[Heartbeat]
    seen_at: datetime | None
    seen_on: str


@dataclass(frozen=True, kw_only=True)
class Machinery:
    """`redis` is None while Redis doesn't answer."""

    redis: limits.Gauges | None
    outbox: int
    outbox_age: timedelta
    set_aside: int
    pauses: list[Pause]
    running: list[Running]


def look_at_machinery(*, now: datetime) -> Machinery:
    """All of it; a few short questions to PostgreSQL, and one to Redis."""
    oldest = oldest_waiting()
    return Machinery(
        redis=limits.read_gauges(),
        outbox=count(OutboxMessage.objects.filter(**WAITING)) if oldest else 0,
        outbox_age=max(now - (oldest or now), timedelta()),
        set_aside=count(OutboxMessage.objects.filter(refused_at__isnull=False)),
        pauses=list(Pause.objects.filter(ended_at__isnull=True).order_by("began_at")),
        running=who_runs(now=now),
    )


def oldest_waiting() -> datetime | None:
    """When the oldest record that waits for the relay was written."""
    waiting = OutboxMessage.objects.filter(**WAITING)
    return waiting.order_by("id").values_list("created_at", flat=True).first()


def who_runs(*, now: datetime) -> list[Running]:
    """Each kind of process, whether one is there or not."""
    beats = list(Heartbeat.objects.order_by("-beat_at"))
    found = []
    for process in PROCESSES:
        own = [beat for beat in beats if beat.process == process]
        last = own[0] if own else None
        found.append(
            Running(
                process=process, there=[beat for beat in own if is_there(beat, now=now)],
                seen_at=last.beat_at if last else None, seen_on=last.host if last else "",
            )
        )  # fmt: skip
    return found
