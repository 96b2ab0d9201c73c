"""The plan of docs/scaling.md: it foretells what was measured, and the page says what it says."""

from itertools import pairwise
from typing import Any

import pytest

from benchmarks import capacity
from benchmarks.capacity import Station, throughput

COSTS = capacity.read()
PEERS: dict[str, dict[str, Any]] = COSTS["peers"]["found"]

# Whose processor isn't used up does what the model says. One that wants a whole core doesn't get it while others are on
# the same two, as they were when this was measured: the model says what it does with a core of its own, and no more.
WAITS, SHARES = 0.1, 0.35
OURS = 0.2


def test_a_worker_charges_as_many_as_was_measured() -> None:
    """From what a payment costs it, and how many it has under way."""
    measured = COSTS["stages"]["charge"]["a_second"]
    assert capacity.worker_rate(COSTS) == pytest.approx(measured, rel=OURS)


@pytest.mark.parametrize("name", PEERS)
def test_other_shapes_charge_as_many_as_was_measured(name: str) -> None:
    """Those that only wait for Stripe, and those that their processor limits."""
    peer = PEERS[name]
    work = Station(seconds=peer["process_ms"] / 1000, servers=min(peer["processes"], COSTS["cores"]))
    rows = Station(seconds=peer["postgres_ms"] / 1000, servers=COSTS["cores"])
    foretold = throughput(under_way=peer["under_way"], wait=peer["stripe_seconds"], stations=[work, rows])
    least = WAITS if peer["under_way"] < 10 else SHARES
    assert 1 - least < peer["a_second"] / foretold < 1 + WAITS


def test_with_few_under_way_it_is_stripe_that_limits() -> None:
    """Little's law: eight, each of which takes half a second."""
    assert throughput(under_way=8, wait=0.5, stations=[Station(seconds=0.0001)]) == pytest.approx(16, rel=0.01)


def test_with_many_under_way_it_is_the_processor() -> None:
    """A hundredth of a second each: a hundred a second, and three times as many with three cores."""
    one = throughput(under_way=1000, wait=0.5, stations=[Station(seconds=0.01)])
    three = throughput(under_way=1000, wait=0.5, stations=[Station(seconds=0.01, servers=3)])
    assert [one, three] == pytest.approx([100, 300], rel=0.01)


def test_more_under_way_never_bring_fewer_and_more_work_never_more() -> None:
    """Up to the limit, which is never passed."""
    rates = [throughput(under_way=n, wait=0.5, stations=[Station(seconds=0.01)]) for n in range(1, 100)]
    assert all(fewer < more < 100 for fewer, more in pairwise(rates))
    slower = [throughput(under_way=50, wait=0.5, stations=[Station(seconds=ms / 1000)]) for ms in range(1, 50)]
    assert all(quick > slow for quick, slow in pairwise(slower))


def test_a_higher_rate_needs_no_less_of_anything() -> None:
    """And each of its limits is kept to."""
    plans = [capacity.plan(COSTS, rate) for rate in range(10, 3_000, 90)]
    for lower, higher in pairwise(plans):
        assert all(higher[name] >= lower[name] for name in lower)
    assert all(plan["bridges"] <= plan["partitions of `payment.createInitial`"] for plan in plans)
    room = COSTS["worker_under_way"]
    assert all(plan["workers"] * room >= plan["payments at Stripe at once (Little)"] for plan in plans)


def test_the_page_has_the_numbers_that_the_costs_give() -> None:
    """After `make costs`, or a change of the model: `make capacity`."""
    assert capacity.tables(COSTS) in capacity.PAGE.read_text(), "run `make capacity`"
