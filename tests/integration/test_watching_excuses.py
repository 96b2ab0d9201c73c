"""Who brings nothing and doesn't stand still: nothing is there, nobody asks, or Kafka or the database is away."""

import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer

from billing_project.dev.services import Kafka
from bridge import consumer
from bridge.kafka import Delivered, Look, Looks, Source
from bridge.watch import MemberWatch, judge, member
from payments import intake
from tests.integration.bridge_member import database_away, events
from tests.integration.kafka_client import Neighbour, lines, make_all_topics, name_topics, running, wait_until
from tests.integration.watching import AFTER, bridge, by_partition, number, rows, soon_impatient, watched_member

pytestmark = pytest.mark.django_db(transaction=True)

CACHE = Path(__file__).parents[2] / ".data" / "cache"
LAG = "billing_bridge_lag_records"
LOOKED = "billing_bridge_look_timestamp_seconds"


@pytest.fixture
def neighbour(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Neighbour:
    """Topics of two partitions, and a bridge that loses its patience soon."""
    return soon_impatient(settings, monkeypatch)


def wait_for_looks(*, seconds: float) -> None:
    """The bridge has looked on for so long."""
    until = time.time() + seconds
    wait_until(lambda: (number(LOOKED) or 0) > until, what="it looks on")


def test_who_has_nothing_to_bring_is_not_suspected(neighbour: Neighbour, caplog: pytest.LogCaptureFixture) -> None:
    """An empty partition, and one that ends in a mark and an open transaction."""
    producer = Producer({"bootstrap.servers": neighbour.broker, "transactional.id": neighbour.group})
    producer.init_transactions(10)
    with running(process="bridge", session=bridge().session):
        producer.begin_transaction()
        producer.produce(neighbour.payments, *events("sub_1"), partition=0)
        producer.commit_transaction(10)
        wait_until(lambda: rows() == 1, what="the record is read")
        producer.begin_transaction()
        producer.produce(neighbour.payments, *events("sub_2"), partition=0)
        producer.flush(10)
        wait_for_looks(seconds=2 * AFTER)
        producer.abort_transaction(10)
    assert not lines(caplog, "waiting")


def test_a_slow_database_is_not_taken_for_a_stall(
    neighbour: Neighbour, settings: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """One batch takes longer than the patience with Kafka, and the other partition has records meanwhile."""
    settings.BRIDGE_STALLED_AFTER = AFTER / 2
    monkeypatch.setattr(judge, "LONGEST_TURN", AFTER / 20)
    monkeypatch.setattr(consumer, "BATCH", 1)
    accept = intake.accept

    def slowly(**batch: Any) -> intake.Accepted:
        time.sleep(AFTER * 0.6)
        return accept(**batch)

    monkeypatch.setattr(intake, "accept", slowly)
    for partition in (0, 1):
        neighbour.send(events(f"sub_{partition}_1", f"sub_{partition}_2"), partition=partition)
    with running(process="bridge", session=bridge().session):
        wait_until(lambda: rows() == 4, what="all are read")
    assert not lines(caplog, "waiting")


def test_a_database_that_is_away_is_not_taken_for_a_stall(
    neighbour: Neighbour, caplog: pytest.LogCaptureFixture
) -> None:
    """The partitions are paused then. The same membership goes on when it is back."""
    with running(process="bridge", session=bridge().session):
        neighbour.send(events("sub_1"), partition=0)
        wait_until(lambda: rows() == 1, what="the first record has its row")
        with database_away():
            neighbour.send(events("sub_2"), partition=0)
            wait_until(lambda: bool(lines(caplog, "waiting")), what="it waits")
            neighbour.send(events("sub_3"), partition=1)
            wait_for_looks(seconds=2 * AFTER)
        wait_until(lambda: rows() == 3, what="all are read")
    assert {line["why"] for line in lines(caplog, "waiting")} == {"the database does not answer (DATABASE_URL)"}
    assert len(lines(caplog, "partitions assigned")) == 1


def test_the_time_of_a_pause_does_not_count(neighbour: Neighbour, settings: Any) -> None:
    """Also that of the step which went well in the end, and took its time while no partition was asked."""
    settings.BRIDGE_STALLED_AFTER = AFTER / 10
    neighbour.send(events("sub_1"), partition=0)
    with watched_member() as source:
        looked_at = number(LOOKED)

        def pauses_and_goes_on() -> bool:
            source.wait_paused(seconds=0.05)
            time.sleep(AFTER / 5)
            source.resume()
            source.take(limit=2, seconds=0.0)
            return number(LOOKED) != looked_at

        for _ in range(5):
            wait_until(pauses_and_goes_on, what="the bridge has looked since")
            looked_at = number(LOOKED)


def test_a_late_answer_of_kafka_is_not_taken_for_a_stall(
    neighbour: Neighbour, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was away meanwhile, and a record has come by the time of its answer: nobody has waited for that."""
    settings.BRIDGE_STALLED_AFTER = 2 * AFTER
    late = 3 * AFTER
    asked_at: list[float] = []

    class Late(Looks):
        def ask(self, partitions: Iterable[int]) -> None:
            super().ask(partitions)
            asked_at.append(time.monotonic())

        def answer(self) -> Look | None:
            """What it says now, only later."""
            return super().answer() if asked_at and time.monotonic() > asked_at[-1] + late else None

    with watched_member() as source:
        source._consumer.pause(source._consumer.assignment())
        neighbour.send(events("sub_1"), partition=0)
        monkeypatch.setattr(member, "Looks", Late)
        watch = MemberWatch()
        looked_at = number(LOOKED)

        def stands_still() -> bool:
            assert source.take(limit=1, seconds=0.0) == []
            watch.round(source)
            return number(LOOKED) != looked_at

        monkeypatch.setattr(source, "_each_round", lambda _: None)
        wait_until(stands_still, what="the answer has come")
        assert by_partition(neighbour, LAG)[0] == 1


def test_a_kafka_that_is_away_is_not_taken_for_a_stall(
    neighbour: Neighbour, settings: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
) -> None:  # fmt: skip
    """Also where it tells of a record before it brings it. The same membership goes on when it is back."""
    settings.BRIDGE_STALLED_AFTER = 2 * AFTER
    holds = threading.Event()

    class Holds(Source):
        is_held = False

        def take(self, *, limit: int, seconds: float) -> list[Delivered]:
            """Nothing, while the test says so."""
            if holds.is_set() != self.is_held:
                self.is_held = not self.is_held
                handle = self._consumer.pause if self.is_held else self._consumer.resume
                handle(self._consumer.assignment())
            return super().take(limit=limit, seconds=seconds)

    monkeypatch.setattr(consumer, "Source", Holds)
    kafka = Kafka(folder=tmp_path, cache=CACHE)
    try:
        kafka.start()
        theirs = make_all_topics(name_topics(settings, broker=kafka.broker), partitions=1)
        with running(process="bridge", session=bridge().session):
            theirs.send(events("sub_1"), partition=0)
            wait_until(lambda: rows() == 1, what="the first record has its row")
            kafka.stop()
            stopped = time.time()
            holds.set()
            wait_until(lambda: time.time() > stopped + 3 * AFTER, what="longer than its patience")
            assert (number(LOOKED) or 0) < stopped + AFTER
            kafka.start()
            theirs.send(events("sub_2"), partition=0)
            wait_until(lambda: by_partition(theirs, LAG) == {0: 1}, what="it knows of the second record")
            holds.clear()
            wait_until(lambda: rows() == 2, what="the second record has its row")
    finally:
        kafka.stop()
    assert not lines(caplog, "waiting")
