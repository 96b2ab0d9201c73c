"""What `make chaos` draws from its seed."""

from collections import Counter

from tests.chaos.faults import all_faults
from tests.chaos.load import make_load
from tests.chaos.plan import SIGNALS, Round, make_plan
from tests.chaos.sizes import SIZES

FAULTS = all_faults(with_small_disk=True)


def drawn(*, size: str, seed: int) -> list[Round]:
    """The plan of one run."""
    return make_plan(faults=FAULTS, wanted=SIZES[size].faults, together=SIZES[size].together, seed=seed)


def test_a_seed_draws_the_same_load_and_the_same_faults() -> None:
    """So that a red run can be had again."""
    for seed in (1, 2):
        assert make_load(payments=200, seed=seed) == make_load(payments=200, seed=seed)
        assert drawn(size="small", seed=seed) == drawn(size="small", seed=seed)
    assert make_load(payments=200, seed=1) != make_load(payments=200, seed=2)
    assert drawn(size="small", seed=1) != drawn(size="small", seed=2)


def test_a_plan_has_as_many_faults_of_each_kind_as_its_size_says() -> None:
    """None is left over when the rounds are made."""
    for size in ("small", "full"):
        counts = Counter(fault.kind for one in drawn(size=size, seed=1) for _, fault, _ in one.faults)
        assert counts == SIZES[size].faults


def test_at_full_size_each_fault_strikes_alone_and_beside_others() -> None:
    """Deploys and failovers, which are about everything, always alone."""
    plan = drawn(size="full", seed=1)
    alone = {one.faults[0][1].name for one in plan if len(one.faults) == 1}
    beside = {fault.name for one in plan if len(one.faults) > 1 for _, fault, _ in one.faults}
    assert alone == {fault.name for fault in FAULTS}
    assert len(beside) > 0.9 * len(FAULTS)


def test_a_failover_meets_this_version_and_signals_come_last() -> None:
    """The run begins with the version before, and its first deploy brings this one, early."""
    for size in ("small", "full"):
        kinds = [fault.kind for one in drawn(size=size, seed=1) for _, fault, _ in one.faults]
        at = [place for place, kind in enumerate(kinds) if kind == "failover"]
        assert at
        assert all("deploy" in kinds[:place] for place in at)
        plan = drawn(size=size, seed=1)
        first = [fault.kind for one in plan[: len(plan) // 10 + 1] for _, fault, _ in one.faults]
        assert "deploy" in first
        assert {fault.kind for _, fault, _ in plan[-1].faults} <= SIGNALS
