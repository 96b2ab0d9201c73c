"""What tests of watching and of measures share: numbers as Prometheus would read them, and watches that look often."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from bridge import consumer, metrics
from bridge.consumer import Bridge
from bridge.kafka import Source
from bridge.watch import Health, MemberWatch, member, publisher
from payments.models import InboxMessage
from tests.integration.kafka_client import Neighbour, make_all_topics, name_topics, wait_until

# Seconds.
AFTER = 1


def look_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test doesn't wait five seconds for an answer."""
    monkeypatch.setattr(member, "LOOK_EVERY", 0.05)
    monkeypatch.setattr(publisher, "LOOK_EVERY", 0.05)


def soon_impatient(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Neighbour:
    """Topics of two partitions, and a bridge that loses its patience after `AFTER`."""
    look_often(monkeypatch)
    monkeypatch.setattr(consumer, "PATIENCE", 0.1)
    settings.BRIDGE_STALLED_AFTER = AFTER
    # A partition that goes on after a pause waits for the end of the question that was asked without it: by default
    # half a second, half of that patience.
    settings.KAFKA_PROPERTIES = settings.KAFKA_PROPERTIES | {"fetch.wait.max.ms": "50"}
    return make_all_topics(name_topics(settings), partitions=2)


def rows() -> int:
    """Records that were judged."""
    return InboxMessage.objects.count()


def number(name: str, *, of: CollectorRegistry = metrics.BRIDGE, **labels: str) -> float | None:
    """The value of one series now; None where there is none."""
    return of.get_sample_value(name, labels)


def numbers(text: bytes) -> dict[str, float]:
    """Every series on a page of Prometheus' numbers: its value by its name, without `billing_`, and its labels."""
    found = {}
    for family in text_string_to_metric_families(text.decode()):
        for sample in family.samples:
            labels = ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))
            found[sample.name.removeprefix("billing_") + (f"[{labels}]" if labels else "")] = sample.value
    return found


def names(registry: CollectorRegistry) -> dict[str, str]:
    """Each metric's name, as it stands in the documents, and its help."""
    return {
        family.name + ("_total" if family.type == "counter" else ""): family.documentation
        for family in registry.collect()
    }


def by_partition(neighbour: Neighbour, name: str) -> dict[int, float]:
    """The values of a gauge on our topic, for the partitions that have one."""
    found = [sample for family in metrics.BRIDGE.collect() for sample in family.samples if sample.name == name]
    return {
        int(sample.labels["partition"]): sample.value
        for sample in found
        if sample.labels["topic"] == neighbour.payments
    }


def bridge(*, health: Health | None = None) -> Bridge:
    """One that reads from the beginning."""
    return Bridge(start_from="earliest", watch=MemberWatch(health=health))


@contextmanager
def watched_member() -> Iterator[Source]:
    """A member of the group that is watched, and knows where it begins."""
    source = Source(each_round=MemberWatch().round)
    try:
        source.open(start_from="earliest")
        wait_until(lambda: source.take(limit=0, seconds=0) == [] and receive(source), what="it has its partitions")
        source.take_assigned()
        yield source
    finally:
        source.close()


def receive(source: Source) -> bool:
    """Whether partitions are ours; lets the client hear of them."""
    source.wait_paused(seconds=0.05)
    source.resume()
    return bool(source.lag.places)


def free_port() -> int:
    """Nobody listens on it."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port
