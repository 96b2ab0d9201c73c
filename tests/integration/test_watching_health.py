"""The health file: fresh while the loop makes its rounds, stale when it hangs, gone after a clean stop."""

import os
import threading
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from bridge import relay
from bridge.kafka import source
from bridge.metrics import SettingUnusable
from bridge.watch import Health, RelayWatch, health, watched
from payments import intake
from tests.integration.bridge_member import events
from tests.integration.kafka_client import Neighbour, lines, make_all_topics, name_topics, running, wait_until
from tests.integration.watching import bridge

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def neighbour(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Neighbour:
    """Topics of one partition, and a file that is touched at each round."""
    monkeypatch.setattr(health, "TOUCH_EVERY", 0.0)
    return make_all_topics(name_topics(settings), partitions=1)


def is_fresh(path: Path) -> bool:
    """Touched since now, within a time that a loop with nothing to do has to make its round."""
    since, until = time.time_ns(), time.monotonic() + 3
    while time.monotonic() < until:
        if path.stat().st_mtime_ns > since:
            return True
        time.sleep(0.01)
    return False


def test_the_file_is_fresh_while_the_bridge_makes_its_rounds_and_stale_while_it_hangs(
    neighbour: Neighbour, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A hang is shown by a step that doesn't end."""
    path, hangs, go_on = tmp_path / "alive", threading.Event(), threading.Event()
    accept = intake.accept

    def hang(**batch: Any) -> intake.Accepted:
        hangs.set()
        assert go_on.wait(60)
        return accept(**batch)

    monkeypatch.setattr(intake, "accept", hang)
    with Health.kept(path) as kept:
        with running(process="bridge", session=bridge(health=kept).session):
            assert is_fresh(path)
            neighbour.send(events("sub_1"))
            assert hangs.wait(30)
            assert not is_fresh(path)
            go_on.set()
            wait_until(lambda: is_fresh(path), what="it is fresh again")
        assert path.exists()
    assert not path.exists()


def test_a_bridge_that_waits_for_kafka_is_alive(
    settings: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    """A restart would not bring it back."""
    monkeypatch.setattr(source, "METADATA_TIMEOUT", 0.2)
    name_topics(settings, broker="127.0.0.1:9")
    health_of = Health(tmp_path / "alive")
    session = watched(process="bridge", session=bridge(health=health_of).session, health=health_of)
    with running(process="bridge", session=session):
        wait_until(lambda: bool(lines(caplog, "waiting")), what="it waits")
        os.utime(tmp_path / "alive", (0, 0))
        wait_until(lambda: (tmp_path / "alive").stat().st_mtime > 0, what="it is fresh while it waits")


def test_the_file_of_a_relay_is_fresh_also_while_it_stands_by(
    neighbour: Neighbour, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    """Each has its own."""
    first, second = tmp_path / "first", tmp_path / "second"
    with running(process="relay", session=relaying(first)):
        wait_until(lambda: bool(lines(caplog, "relay active")), what="the first is active")
        with running(process="relay", session=relaying(second)):
            wait_until(lambda: bool(lines(caplog, "standing by, another relay is active")), what="the second waits")
            assert is_fresh(first)
            assert is_fresh(second)


def relaying(path: Path) -> "partial[None]":
    """A relay that keeps this file."""
    return partial(relay.session, each_round=RelayWatch(health=Health(path)).round)


def test_a_file_that_can_not_be_written_is_one_line(tmp_path: Path) -> None:
    """Known at the start, and not when the orchestrator restarts us for ever."""
    with pytest.raises(SettingUnusable) as unusable, Health.kept(tmp_path / "missing" / "alive"):
        pass
    assert str(unusable.value) == (
        "HEALTH_FILE: can't be written (No such file or directory): name a file in a folder that we may write to"
    )


def test_the_file_is_touched_once_a_second_at_most(tmp_path: Path) -> None:
    """A loop makes hundreds of rounds."""
    kept = Health(tmp_path / "alive")
    kept.touch()
    os.utime(tmp_path / "alive", (0, 0))
    kept.touch()
    assert (tmp_path / "alive").stat().st_mtime == 0

    def is_touched() -> bool:
        kept.touch()
        return (tmp_path / "alive").stat().st_mtime > 0

    wait_until(is_touched, what="it is touched again")
