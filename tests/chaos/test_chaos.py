"""The whole system under load, broken all the time, and audited when it has come to rest: `make chaos`.

A red run prints its seed and keeps its evidence in a folder; the same seed draws the same load and the same faults.
"""

import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.audit import audit
from tests.chaos.big_days import previous_version
from tests.chaos.desk import Desk
from tests.chaos.fault import Fault
from tests.chaos.faults import all_faults
from tests.chaos.load import Load, make_load
from tests.chaos.plan import Round, make_plan, strike, strike_again
from tests.chaos.report import Report, keep_evidence
from tests.chaos.seen import Seen, looking_at
from tests.chaos.sizes import NAME, SEED, SIZE
from tests.chaos.staff import Staff
from tests.chaos.system import SOON, System
from tests.chaos.whole_system import whole_system
from tests.e2e.deployment import ROOT

pytestmark = pytest.mark.timeout(6 * 3600)

# At rest is later than settled or shown: what Stripe has left open is asked about again after ten minutes, too.
REST_WITHIN = 900.0
# What met nobody strikes so many times more.
AGAIN = 5
# Of the rate that a run without faults was to have.
KEPT = 0.99

SETTLED = "SELECT count(*) FROM payments_payment WHERE status = 'pending' AND attention = ''"
UNTOLD = "SELECT count(*) FROM payments_outboxmessage WHERE published_at IS NULL"
UNDER_WAY = """
    SELECT (SELECT count(*) FROM payments_payment WHERE status = 'pending' AND attention = ''),
        (SELECT count(*) FROM payments_refund WHERE state NOT IN ('succeeded', 'failed', 'canceled', 'rejected')),
        (SELECT count(*) FROM payments_job WHERE state = 'running'),
        (SELECT count(*) FROM payments_webhook WHERE handled_at IS NULL)
"""


@pytest.fixture
def folder() -> Path:
    """Of this run: what it says, and while it is red what it leaves behind."""
    path = ROOT / ".data" / "chaos" / f"{NAME}-seed{SEED}-{time.strftime('%Y%m%dT%H%M%S')}"
    path.mkdir(parents=True)
    return path


def test_nothing_is_lost_whatever_breaks(
    folder: Path, django_db_blocker: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """P1 to P5 under load and faults."""
    report = Report(size=NAME, seed=SEED, folder=folder)
    began_at = time.monotonic()
    try:
        _run(folder, report, django_db_blocker)
    except BaseException as trouble:
        report.broken.append(f"harness: {trouble!r}")
        raise
    finally:
        report.seconds = time.monotonic() - began_at
        report.write()
        with capsys.disabled():
            print(f"\n{report.as_markdown()}\n{folder.relative_to(ROOT)}/report.md")
            if report.broken:
                print(f"SEED={SEED}; the evidence is in {folder}")
        for name in ("services", "small_disk", "previous"):
            shutil.rmtree(folder / name, ignore_errors=True)
    assert not report.broken, f"SEED={SEED}; the evidence is in {folder}"
    shutil.rmtree(folder / "logs")


def _run(folder: Path, report: Report, blocker: Any) -> None:
    load = make_load(payments=SIZE.payments, seed=SEED)
    previous = previous_version(folder / "previous") if SIZE.faults.get("deploy") else None
    with whole_system(folder=folder, size=SIZE, seed=SEED, previous=previous) as system:
        staff, desk = Staff(system=system, seed=SEED), Desk(system=system, seed=SEED)
        try:
            live(system, staff, desk, report, load)
            with blocker.unblock(), looking_at(system.database):
                seen = Seen(system, has_forgotten=system.has_forgotten)
                found = audit(seen, system=system, load=load, staff=staff, desk=desk)
                report.note(system=system, seen=seen, audit=found, staff=staff, desk=desk)
            report.broken += [f"staff: {one}" for one in (*staff.failed, *desk.failed) if one.counts]
            report.broken += [f"processes: {one}" for one in system.unmeant if not one.is_previous]
            report.broken += _find_missing(system, report)
        except BaseException:
            keep_evidence(system, folder, ended=system.unmeant, failed=[*staff.failed, *desk.failed])
            raise
        if report.broken:
            keep_evidence(system, folder, ended=system.unmeant, failed=[*staff.failed, *desk.failed])


def _find_missing(system: System, report: Report) -> list[str]:
    """What was to be broken, and wasn't; and whether what was audited is this version."""
    struck = report.faults
    missing = [
        f"harness: {struck[kind]} of {wanted} faults of kind {kind}"
        for kind, wanted in SIZE.faults.items()
        if struck[kind] < wanted
    ]
    return missing + (["harness: the version before was audited"] if system.is_previous else [])


def live(system: System, staff: Staff, desk: Desk, report: Report, load: Load) -> None:
    """Load, staff and faults, until the last one is over and all is at rest."""
    load.save_cards(system.stripe)
    first = system.wait_for_probe()
    assert first is not None, "the system didn't come up"
    rate = SIZE.rate * len(load.events) / SIZE.payments
    began_at = time.monotonic()
    system.sender.allow(0 if SIZE.faults else len(load.events))
    pouring = system.sender.pour(load.events, rate=rate)
    staff.begin()
    desk.begin()
    if SIZE.faults:
        _break(system, staff, desk, report, load)
    else:
        pouring.join()
        _audit_rate(report, SIZE.payments / (time.monotonic() - began_at))
        staff.end()
        desk.end()
    last_fault_at = time.monotonic()
    pouring.join()
    system.sender.flush()
    deadline = last_fault_at + SOON
    while not (settled := _is_settled(system)) and time.monotonic() < deadline:
        system.let_banks_decide()
        time.sleep(0.25)
    report.settled = time.monotonic() - last_fault_at
    if not settled:
        report.broken.append(f"P5: neither settled nor shown within {SOON:.0f} s of the last fault")
    deadline = last_fault_at + REST_WITHIN
    while any(left := system.rows(UNDER_WAY)[0]) and time.monotonic() < deadline:
        system.let_banks_decide()
        time.sleep(0.5)
    report.at_rest = time.monotonic() - last_fault_at
    if any(left):
        report.broken.append(f"P5: not at rest within {REST_WITHIN:.0f} s: payments, refunds, jobs, webhooks {left}")


def _break(system: System, staff: Staff, desk: Desk, report: Report, load: Load) -> None:
    """All that is planned, and once more what met nobody. Before the last round the staff goes home: what it asks for
    is no fault, and may wait for a person."""
    faults = all_faults(with_small_disk=system.small_disk is not None)
    *plan, last = make_plan(faults=faults, wanted=SIZE.faults, together=SIZE.together, seed=SEED)
    weight, gone = sum(one.weight for one in (*plan, last)), 0
    began_at = time.monotonic()

    def strike_all(rounds: Sequence[Round]) -> list[Fault]:
        in_vain: list[Fault] = []
        for one in rounds:
            struck = strike(system, one, began_at=began_at)
            report.add(struck)
            in_vain += struck.in_vain
            if struck.recovered is None:
                report.broken.append(f"P5: after {struck.names} an event was not told within {SOON:.0f} s")
        return in_vain

    in_vain: list[Fault] = []
    for one in plan:
        gone += one.weight
        system.sender.allow(len(load.events) * gone // weight)
        in_vain += strike_all([one])
    for again in range(AGAIN):
        in_vain = strike_all(strike_again(in_vain, seed=SEED + again))
    staff.end()
    desk.end()
    system.sender.allow(len(load.events))
    strike_all([last])


def _audit_rate(report: Report, rate: float) -> None:
    report.figures["payments a second"] = f"{rate:.2f}"
    if rate < SIZE.rate * KEPT:
        report.broken.append(f"harness: {rate:.2f} payments a second of {SIZE.rate}")


def _is_settled(system: System) -> bool:
    taken = system.count("SELECT count(*) FROM payments_inboxmessage")
    return taken >= system.sender.sent and not system.count(SETTLED) and not system.count(UNTOLD)
