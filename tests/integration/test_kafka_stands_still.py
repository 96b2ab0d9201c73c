"""A Kafka that stands still while a process looks at it: it takes questions, and says nothing."""

import os
import signal
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from billing_project.dev.services import Kafka
from bridge.kafka import KafkaAway, check
from tests.integration.kafka_client import make_all_topics, name_topics

CACHE = Path(__file__).parents[2] / ".data" / "cache"


@pytest.fixture
def kafka(tmp_path: Path) -> Iterator[Kafka]:
    """One of its own, with our topics."""
    server = Kafka(folder=tmp_path, cache=CACHE)
    server.start()
    yield server
    server.kill()


def test_a_look_at_a_kafka_that_stands_still_says_that_it_is_away(
    settings: Any, monkeypatch: pytest.MonkeyPatch, kafka: Kafka
) -> None:
    """Whoever starts just then waits for it, as for any other that is away; any other error would end the process."""
    make_all_topics(name_topics(settings, broker=kafka.broker), partitions=1)
    looks = import_module("bridge.kafka.check")
    really = looks.connect

    def connect_and_see_it_stop(**how: Any) -> Any:
        found = really(**how)
        os.kill(kafka.pid or 0, signal.SIGSTOP)
        return found

    monkeypatch.setattr(looks, "connect", connect_and_see_it_stop)
    monkeypatch.setattr(looks, "ANSWER_WITHIN", 0.5)
    with pytest.raises(KafkaAway, match="does not answer"):
        check(processes=frozenset({"bridge", "relay"}), now=datetime.now(UTC))
