"""Faults of `make chaos` on a link count only where they have met somebody."""

import random
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import pytest

from tests.chaos import faults_of_network
from tests.chaos.fault import InVain
from tests.chaos.faults_of_network import cut, on_link, resetting, slow, truncating
from tests.chaos.network import Network

MADE = (cut, slow, resetting, truncating)


@pytest.fixture
def system(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A network of one link, to somebody who says again what he hears."""
    for span in ("CUT", "SLOW"):
        monkeypatch.setattr(faults_of_network, span, (0.01, 0.01))
    with socket.create_server(("127.0.0.1", 0)) as server, Network("here-there") as network:
        network["here-there"].aim(f"127.0.0.1:{server.getsockname()[1]}")
        threading.Thread(target=_echo, args=[server], daemon=True).start()
        yield SimpleNamespace(network=network)


def _echo(server: socket.socket) -> None:
    while True:
        try:
            there, _ = server.accept()
        except OSError:
            return
        with there, suppress(OSError):  # it may be reset
            while heard := there.recv(100):
                there.sendall(heard)


@pytest.mark.parametrize("made", MADE)
def test_a_fault_on_a_link_that_nobody_uses_is_in_vain(system: Any, made: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would be counted, and has shown nothing."""
    monkeypatch.setattr(faults_of_network, "MET_WITHIN", 0.1)
    with pytest.raises(InVain):
        on_link("here-there", made)(system, random.Random(1))


@pytest.mark.parametrize("made", MADE)
def test_a_fault_on_a_link_lasts_until_somebody_is_met(system: Any, made: Any) -> None:
    """However late that is."""
    link = system.network["here-there"]
    striking = threading.Thread(target=on_link("here-there", made), args=[system, random.Random(1)])
    with socket.create_connection(("127.0.0.1", link.port)) as here:
        if made is not resetting:
            here.sendall(b"before")
            assert here.recv(100) == b"before"
        striking.start()
        with suppress(OSError):  # it may be reset
            while striking.is_alive():
                here.sendall(b"somebody is here")
                if not here.recv(100):
                    break
        striking.join(10)
    assert not striking.is_alive()
    assert link.times_met
    assert (link.is_cut, link.resets, link.truncates, link.delay) == (False, False, False, 0.0)
