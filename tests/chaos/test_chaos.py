"""The whole system under load, broken all the time, and audited when it has come to rest: `make chaos`.

A red run prints its seed and keeps its evidence in a folder; the same seed draws the same load and the same faults.
"""

import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.audit import Seen, audit, looking_at
from tests.chaos.big_days import previous_version
from tests.chaos.desk import Desk
from tests.chaos.faults import all_faults
from tests.chaos.load import make_load
from tests.chaos.plan import make_plan, strike
from tests.chaos.report import Report, keep_evidence
from tests.chaos.sizes import NAME, SEED, SIZE
from tests.chaos.staff import Staff
from tests.chaos.system import SOON, System
from tests.chaos.whole_system import whole_system
from tests.e2e.deployment import ROOT

pytestmark = pytest.mark.timeout(6 * 3600)

# At rest is later than settled or shown: what Stripe has left open is asked about again after ten minutes, too.
REST_WITHIN = 900.0

SETTLED = "SELECT count(*) FROM payments_payment WHERE status = 'pending' AND attention = ''"
UNTOLD = "SELECT count(*) FROM payments_outboxmessage WHERE published_at IS NULL"
UNDER_WAY = """
    SELECT (SELECT count(*) FROM payments_payment WHERE status = 'pending'),
        (SELECT count(*) FROM payments_refund WHERE state NOT IN ('succeeded', 'failed', 'canceled', 'rejected')),
        (SELECT count(*) FROM payments_job WHERE state = 'running'),
        (SELECT count(*) FROM payments_webhook WHERE handled_at IS NULL), (SELECT count(*) FROM payments_inboxmessage)
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
    load = make_load(payments=SIZE.payments, seed=SEED)
    previous = previous_version(folder / "previous") if SIZE.faults.get("deploy") else None
    with whole_system(folder=folder, size=SIZE, seed=SEED, previous=previous) as system:
        staff, desk = Staff(system=system, seed=SEED), Desk(system=system, seed=SEED)
        try:
            live(system, staff, desk, report, load)
            with django_db_blocker.unblock(), looking_at(system.database):
                seen = Seen(system, has_forgotten=system.has_forgotten)
                found = audit(seen, system=system, load=load, staff=staff, desk=desk)
                report.note(system=system, seen=seen, audit=found, staff=staff, desk=desk)
            report.broken += [f"staff: {one}" for one in (*staff.failed, *desk.failed) if one.counts]
            report.broken += [f"processes: {one}" for one in system.unmeant if not one.is_previous]
        except BaseException as trouble:
            report.broken.append(f"harness: {trouble!r}")
            with capsys.disabled():
                print(f"\nCHAOS_SEED={SEED}; the evidence is in {folder}")
            keep_evidence(system, folder, ended=system.unmeant, failed=[*staff.failed, *desk.failed])
            raise
        finally:
            report.seconds = time.monotonic() - began_at
            report.write()
        if report.broken:
            keep_evidence(system, folder, ended=system.unmeant, failed=[*staff.failed, *desk.failed])
    for name in ("services", "small_disk", "previous"):
        shutil.rmtree(folder / name, ignore_errors=True)
    with capsys.disabled():
        print(f"\n{report.as_markdown()}\n{folder.relative_to(ROOT)}/report.md")
    assert not report.broken, f"seed {SEED}: CHAOS_SEED={SEED}; the evidence is in {folder}"
    shutil.rmtree(folder / "logs")


def live(system: System, staff: Staff, desk: Desk, report: Report, load: Any) -> None:
    """Load, staff and faults, until the last one is over and all is at rest."""
    load.save_cards(system.stripe)
    first = system.wait_for_probe()
    assert first is not None, "the system didn't come up"
    faults = all_faults(with_small_disk=system.small_disk is not None)
    plan = make_plan(faults=faults, wanted=SIZE.faults, together=SIZE.together, seed=SEED)
    system.sender.allow(0 if plan else len(load.events))
    pouring = system.sender.pour(load.events, rate=SIZE.rate)
    staff.begin()
    desk.begin()
    began_at = time.monotonic()
    for number, round_ in enumerate(plan, start=1):
        system.sender.allow(len(load.events) * number // len(plan))
        struck = strike(system, round_, began_at=began_at)
        report.add(struck)
        if struck.recovered is None:
            report.broken.append(f"P5: after {struck.names} an event was not told within {SOON:.0f} s")
    last_fault_at = time.monotonic()
    pouring.join()
    desk.end()
    staff.end()
    system.sender.flush()
    quiet_at = time.monotonic()
    records = system.sender.sent
    deadline = quiet_at + SOON
    while not (settled := _is_settled(system, records)) and time.monotonic() < deadline:
        system.let_banks_decide()
        time.sleep(0.25)
    report.settled = time.monotonic() - last_fault_at
    report.figures["the last event, command or click after the last fault"] = f"{quiet_at - last_fault_at:.0f} s"
    if not settled:
        report.broken.append(f"P5: neither settled nor shown within {SOON:.0f} s")
    deadline = quiet_at + REST_WITHIN
    while system.rows(UNDER_WAY)[0][:4] != (0, 0, 0, 0) and time.monotonic() < deadline:
        system.let_banks_decide()
        time.sleep(0.5)
    report.at_rest = time.monotonic() - last_fault_at


def _is_settled(system: System, records: int) -> bool:
    taken = system.count("SELECT count(*) FROM payments_inboxmessage")
    return taken >= records and not system.count(SETTLED) and not system.count(UNTOLD)
