"""The machinery in words, as the dashboard shows it: what is busy, what waits, and what is gone since when."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from payments.admin.machinery_words import describe
from payments.limits import BACKLOG_QUEUE, CHARGE_QUEUE, Gauges, Pace
from payments.metrics import Machinery, Running
from payments.models import Heartbeat

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)


def told(*, paces: tuple[Pace, ...] = (), running: tuple[Running, ...] = ()) -> dict[str, Any]:
    """What is shown of a machinery that is well but for that."""
    redis = Gauges(queued={CHARGE_QUEUE: 0, BACKLOG_QUEUE: 0}, paces=list(paces))
    state = Machinery(redis=redis, outbox=0, outbox_age=timedelta(), set_aside=0, pauses=[], running=list(running))
    return describe(state, now=NOW)


def pace(endpoint: str, used: float, *, slowed: bool = False) -> Pace:
    """One of Stripe's endpoints."""
    return Pace(endpoint=endpoint, rate=20.0, used=used, slowed=slowed)


@pytest.mark.parametrize(
    ("paces", "note", "tone"),
    [
        ((), "nothing was asked during the last two minutes", ""),
        ((pace("confirm", 0.42), pace("create", 0.1)), "42 % in use just now (confirm)", ""),
        ((pace("create", 0.1), pace("confirm", 0.9)), "used up just now (confirm): what can wait, waits", "wait"),
        ((pace("confirm", 1.0, slowed=True),), "slowed down by Stripe (429): confirm to 20.0 a second", "wait"),
    ],
)
def test_the_rate_limit_is_told_by_its_busiest_endpoint(paces: tuple[Pace, ...], note: str, tone: str) -> None:
    """Of which the backlog waits; a 429 of Stripe's comes first."""
    [line] = [line for line in told(paces=paces)["machinery"] if line["label"] == "Rate limit"]
    assert (line["note"], line["tone"]) == (note, tone)


def beat(**facts: str) -> Heartbeat:
    """One process that is there."""
    return Heartbeat(
        process="relay", host="host-1", pid=1, started_at=NOW - timedelta(hours=2), beat_at=NOW, facts=facts
    )


@pytest.mark.parametrize(
    ("one", "line"),
    [
        (
            Running(process="relay", there=[beat()], seen_at=NOW, seen_on="host-1"),
            {"tone": "good", "value": "host-1", "note": "1 running, the oldest for 2\N{NO-BREAK SPACE}hours"},
        ),
        (
            Running(
                process="relay",
                there=[beat(waits_for="Kafka at k:9092 does not answer")],
                seen_at=NOW,
                seen_on="host-1",
            ),
            {"tone": "wait", "value": "host-1", "note": "Kafka at k:9092 does not answer"},
        ),
        (
            Running(process="relay", there=[], seen_at=NOW - timedelta(minutes=5), seen_on="host-2"),
            {"tone": "bad", "value": "not running", "note": "last seen on host-2", "since": "2026-01-31 11:55:00 UTC"},
        ),
        (
            Running(process="relay", there=[], seen_at=None, seen_on=""),
            {"tone": "bad", "value": "not running", "note": "not seen during the last day"},
        ),
    ],
    ids=["there", "waits", "gone", "never"],
)
def test_a_process_is_there_or_waits_or_is_gone(one: Running, line: dict[str, str]) -> None:
    """With where and since when, for whoever goes to look."""
    [shown] = told(running=(one,))["processes"]
    assert {name: str(value) for name, value in shown.items() if name != "label"} == line
