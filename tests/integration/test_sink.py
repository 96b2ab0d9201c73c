"""What the relay's producer puts on Kafka, as a neighbour's client finds it."""

from typing import Any

import pytest
from kafka.partitioner.default import murmur2
from kafka.record.default_records import DefaultRecordBatch

from bridge.kafka import Outgoing, Sink
from tests.integration.kafka_client import Neighbour, make_all_topics, name_topics

PARTITIONS = 7


@pytest.fixture
def neighbour(settings: Any) -> Neighbour:
    """Topics without records."""
    return make_all_topics(name_topics(settings), partitions=PARTITIONS)


def publish(neighbour: Neighbour, *keys: bytes) -> None:
    """One record for each key, in one transaction."""
    sink = Sink()
    try:
        sink.open()
        sink.publish(
            [
                Outgoing(topic=neighbour.notifications, key=key, value=b"%d" % n, headers=[])
                for n, key in enumerate(keys)
            ]
        )
    finally:
        sink.close()


def test_a_payments_records_are_where_the_replaced_service_put_them(neighbour: Neighbour) -> None:
    """Neighbours read a payment's records in their order: those of both services are in one partition."""
    keys = [f"sub_{number}".encode() for number in range(50)]
    publish(neighbour, *keys)
    found = {record.key: record.partition for record in neighbour.records(neighbour.notifications)}
    assert found == {key: (murmur2(key) & 0x7FFF_FFFF) % PARTITIONS for key in keys}


def test_nothing_is_compressed(neighbour: Neighbour, monkeypatch: pytest.MonkeyPatch) -> None:
    """The clients of NestJS stop for good at most of what Kafka knows."""
    seen: set[int] = set()
    read = DefaultRecordBatch._maybe_uncompress

    def note(batch: Any) -> None:
        seen.add(batch.compression_type)
        read(batch)

    monkeypatch.setattr(DefaultRecordBatch, "_maybe_uncompress", note)
    publish(neighbour, *[b"a key that is compressible"] * 50)
    assert len(neighbour.records(neighbour.notifications)) == 50
    assert seen == {DefaultRecordBatch.CODEC_NONE}


def test_more_records_than_the_client_holds_at_once_all_go_in_their_order(neighbour: Neighbour, settings: Any) -> None:
    """P4: it refuses those that don't fit, and they are handed to it again."""
    settings.KAFKA_PROPERTIES = {"queue.buffering.max.messages": "10"}
    publish(neighbour, *[b"one payment"] * 100)
    assert [int(record.value) for record in neighbour.records(neighbour.notifications)] == list(range(100))
