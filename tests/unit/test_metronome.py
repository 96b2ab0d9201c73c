"""A job's rate is kept over all its slices: what passes between two of them is made up for, up to a second."""

import importlib

import pytest

from payments import jobs

# The package exports the function under the module's name.
working = importlib.import_module("payments.jobs.work")


class _Time:
    """Passes when somebody sleeps or works."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> _Time:
    """Of the job, as the test lets it pass."""
    passing = _Time()
    monkeypatch.setattr(working, "time", passing)
    return passing


def test_items_that_take_time_don_t_make_it_slower(time: _Time) -> None:
    """Ten items at ten a second, each with 30 ms of work: a second, not 1.3."""
    metronome = jobs.Metronome()
    for _ in range(10):
        time.now += 0.03
        metronome.wait(10)
    assert time.now == pytest.approx(101.0)


def test_what_passes_between_two_slices_is_made_up_for(time: _Time) -> None:
    """Half a second of counting, then as many items at once as it has cost."""
    metronome = jobs.Metronome()
    for _ in range(5):
        metronome.wait(10)
    time.now += 0.5
    for _ in range(5):
        metronome.wait(10)
    assert time.now == pytest.approx(101.0)


def test_more_than_a_second_is_not_made_up_for(time: _Time) -> None:
    """After a minute's stand it doesn't pounce on Stripe with a minute's payments: a second's are what it has lost."""
    metronome = jobs.Metronome()
    time.now += 60
    for _ in range(20):
        metronome.wait(10)
    assert time.now == pytest.approx(161.0, abs=0.11)


def test_without_a_rate_nobody_waits(time: _Time) -> None:
    """As fast as it goes."""
    metronome = jobs.Metronome()
    metronome.wait(None)
    assert time.now == 100.0
