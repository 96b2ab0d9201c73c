"""A partition that stands still without an error: the bridge notices, joins again, and in the end gives up.

The consumer is paused behind the loop's back, which looks to the loop exactly like librdkafka's issue 4492.
"""

from typing import Any

import pytest
from confluent_kafka import TopicPartition

from bridge import consumer
from bridge.kafka import Delivered, KafkaRefuses, Source
from bridge.kafka.membership import Membership
from bridge.watch import member
from tests.integration.bridge_member import events
from tests.integration.kafka_client import Neighbour, lines, running, wait_until
from tests.integration.watching import AFTER, bridge, number, rows, soon_impatient

pytestmark = pytest.mark.django_db(transaction=True)

STALLS = "billing_bridge_stalls_total"


@pytest.fixture
def neighbour(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Neighbour:
    """Topics of two partitions, and a bridge that loses its patience soon."""
    return soon_impatient(settings, monkeypatch)


class _Deaf(Membership):
    """Takes partition 0 for another's, so that nothing of it is brought."""

    def epoch_of(self, partition: int) -> int | None:
        return None if partition == 0 else super().epoch_of(partition)


def stalling(*, sessions: int) -> type[Source]:
    """A bridge's way to Kafka that brings nothing of partition 0, in its first so many sessions."""
    made: list[Source] = []

    class Stalls(Source):
        def __init__(self, **how: Any) -> None:
            super().__init__(**how)
            made.append(self)
            self._stands_still = len(made) <= sessions
            if self._stands_still:
                # A record that Kafka was asked for before the pause may still come.
                self._members = _Deaf()

        def take(self, *, limit: int, seconds: float) -> list[Delivered]:
            """The others are brought as ever."""
            if self._stands_still:
                while not self.lag.places:
                    self._consumer.poll(0)
                self._consumer.pause([TopicPartition(self._topic, 0)])
            return super().take(limit=limit, seconds=seconds)

    return Stalls


def test_a_partition_that_stands_still_is_joined_anew(
    neighbour: Neighbour, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """P5: nobody has to come. Its neighbour brings records all the time."""
    monkeypatch.setattr(consumer, "Source", stalling(sessions=1))
    before = number(STALLS) or 0
    neighbour.send(events("sub_1", "sub_2"), partition=0)
    with running(process="bridge", session=bridge().session):
        neighbour.send(events("sub_3"), partition=1)
        wait_until(lambda: rows() == 1, what="the other partition is read")
        wait_until(lambda: rows() == 3, what="the records of the partition that stood still have rows")
    [line] = lines(caplog, "waiting")
    assert line["why"] == (
        f"partition 0 of {neighbour.payments} has records and has brought none for {AFTER} s: joining again"
    )
    assert (number(STALLS) or 0) == before + 1


def test_one_that_stands_still_again_ends_the_process(
    neighbour: Neighbour, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What a new membership doesn't cure, a new process may: whoever supervises it makes one."""
    monkeypatch.setattr(consumer, "Source", stalling(sessions=2))
    before = number(STALLS) or 0
    neighbour.send(events("sub_1"), partition=0)
    with pytest.raises(KafkaRefuses) as refusal, running(process="bridge", session=bridge().session):
        wait_until(lambda: (number(STALLS) or 0) == before + 2, what="it has given up")
    assert len(lines(caplog, "bridge started")) == 2
    assert str(refusal.value) == (
        f"partition 0 of {neighbour.payments} has records and brings none, and joining again did not help: "
        "Kafka's client stands still, start the bridge again"
    )
    assert rows() == 0


def test_a_stall_long_after_another_is_a_new_one(
    neighbour: Neighbour, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The process isn't ended for what a new membership has cured once."""
    monkeypatch.setattr(consumer, "Source", stalling(sessions=2))
    monkeypatch.setattr(member, "CURED_AFTER", 0)
    neighbour.send(events("sub_1"), partition=0)
    with running(process="bridge", session=bridge().session):
        wait_until(lambda: rows() == 1, what="it was read in the third session")
    assert len(lines(caplog, "waiting")) == 2
