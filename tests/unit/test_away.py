"""What bridge and relay take for a database that is away: they wait for it. Whatever else it says ends them."""

from typing import Any

import pytest
from django.db import DatabaseError, DataError, IntegrityError, InterfaceError, OperationalError

from bridge import consumer
from bridge.loop import Stop, keep_running

# Bare: a connection was reset in the middle of an answer.
AWAY = (OperationalError("server closed the connection"), InterfaceError("already closed"), DatabaseError("reset"))
NOT_AWAY = (DataError("out of range"), IntegrityError("duplicate key"))


class Source:
    """One that has nothing to say."""

    def resume(self) -> None:
        """Nothing was paused."""

    def wait_paused(self, *, seconds: float) -> None:
        """Takes no time."""


def sessions(trouble: Exception) -> list[str]:
    """What a process goes through whose first session ends by this, and whose second one by its end."""
    begun: list[str] = []
    stop = Stop()

    def session(stop: Stop) -> None:
        begun.append("session")
        if len(begun) == 1:
            raise trouble
        stop.set()

    keep_running(process="relay", session=session, stop=stop)
    return begun


@pytest.mark.parametrize("trouble", AWAY, ids=lambda one: type(one).__name__)
def test_a_database_that_is_away_is_waited_for(trouble: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the process, and by whoever has a batch in hand."""
    monkeypatch.setattr("bridge.loop.FIRST_PAUSE", 0.0)
    assert sessions(trouble) == ["session", "session"]
    tries = iter([trouble, None])

    def step() -> str:
        if error := next(tries):
            raise error
        return "done"

    source: Any = Source()
    assert consumer._insist(source=source, stop=Stop(), step=step) == "done"


@pytest.mark.parametrize("trouble", NOT_AWAY, ids=lambda one: type(one).__name__)
def test_what_was_asked_wrongly_is_not(trouble: Exception) -> None:
    """It would be asked for ever."""
    with pytest.raises(type(trouble)):
        sessions(trouble)

    def step() -> None:
        raise trouble

    source: Any = Source()
    with pytest.raises(type(trouble)):
        consumer._insist(source=source, stop=Stop(), step=step)
