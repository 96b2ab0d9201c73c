"""What an operator does to the whole system while it runs: a rolling deploy, and a failover that has lost commits."""

import random
import shutil
import signal
import subprocess
import tarfile
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from urllib.request import urlopen

from tests.chaos.fault import EVERYTHING, Fault
from tests.chaos.system import System
from tests.e2e.deployment import ROOT
from tests.e2e.operator import ADOPT, AUDIT, BACKUP, RESTORE, REWIND, Operator

MIGRATIONS = "payments/migrations"
# A new process has to be ready by then, on a machine that has other things to do.
READY_WITHIN = 90.0
# What the database forgets at least, in seconds: `make chaos` has no minute to lose.
FORGETS = {"small": 5.0}
FORGETS_OTHERWISE = 60.0
PATIENCE = 120.0


def previous_version(folder: Path) -> Path | None:
    """The code before the last change of the tables, unpacked; None where its history isn't there."""
    last = _git("log", "-1", "--format=%H", "--", MIGRATIONS).decode().strip()
    packed = _git("archive", f"{last}^") if last else b""
    if not packed:
        return None
    with tarfile.open(fileobj=BytesIO(packed)) as archive:
        archive.extractall(folder, filter="data")
    return folder


def deploy(system: System, _: random.Random) -> None:
    """From the version before to this one. Where this one runs already, it is rolled back first: tables stay as they
    were migrated."""
    if system.previous is not None and not system.is_previous:
        system.root = system.previous
        _replace_all(system)
    system.root = ROOT
    migrated = system.command("migrate", "--verbosity", "0")
    assert migrated.returncode == 0, migrated.stderr
    _replace_all(system)


def _replace_all(system: System) -> None:
    """Process by process: the new one is ready before the old one is told to end."""
    for old in list(system.names):
        new = f"{old.partition(' ')[0]} {uuid.uuid4().hex[:6]}"
        began_at = time.monotonic()
        system.start(new)
        while not _is_ready(system, new):
            assert time.monotonic() - began_at < READY_WITHIN, f"{new} isn't ready: {system.tail(new)}"
            time.sleep(0.2)
        code = system.stop(old)
        system.replace(old, new)
        # Of one that was late `late_to_end` tells.
        assert code in (0, -signal.SIGKILL), f"{old} ended with {code}: {system.tail(old)}"


def lossy_failover(system: System, chance: random.Random) -> None:
    """The database is put back to what it was a while ago; then what docs/operations.md says is done, and nothing else.

    Nobody of the staff acts meanwhile: what they have asked for since is in no topic, and a person has to ask again.
    """
    with system.terminal, system.desk:
        moment = datetime.now(UTC) - timedelta(minutes=2)
        operator = Operator(deployment=system, folder=system.folder / f"shell-{uuid.uuid4().hex[:6]}", moment=moment)
        operator.run(BACKUP)
        time.sleep(chance.uniform(1.0, 1.5) * FORGETS.get(system.size, FORGETS_OTHERWISE))
        for name in system.names:
            system.kill(name)
        known = system.count("SELECT count(*) FROM payments_inboxmessage")
        operator.run(RESTORE)
        system.has_forgotten = True
        assert system.count("SELECT count(*) FROM payments_inboxmessage") < known, "nothing was forgotten"
        bridge = next(name for name in system.names if name.startswith("bridge"))
        system.start(bridge)
        _wait_until_read_again(system, known)
        _insist(operator, ADOPT)
        assert system.stop(bridge) == 0, system.tail(bridge)
        operator.run(REWIND)
        system.start(bridge)
        _insist(operator, AUDIT)
        system.start(*(name for name in system.names if name != bridge))


def big_days() -> Iterator[Fault]:
    """Each of them is about everything."""
    yield Fault(kind="deploy", name="rolling deploy", on=EVERYTHING, strike=deploy)
    yield Fault(kind="failover", name="lossy failover", on=EVERYTHING, strike=lossy_failover)


def _is_ready(system: System, name: str) -> bool:
    """Whether an orchestrator would call it ready."""
    if name.startswith("web"):
        if "Listening at" not in system.log(name).read_text():
            return False
        with urlopen(f"{system.web}/readyz", timeout=30) as answer:  # noqa: S310 - our own, on the loopback
            return bool(answer.status == 200)
    return bool(system.count("SELECT count(*) FROM payments_heartbeat WHERE pid = %s", system.pid(name)))


def _wait_until_read_again(system: System, records: int) -> None:
    deadline = time.monotonic() + PATIENCE
    while (found := system.count("SELECT count(*) FROM payments_inboxmessage")) < records:
        assert time.monotonic() < deadline, f"{found} of {records} records read again within {PATIENCE:.0f} s"
        time.sleep(0.2)


def _insist(operator: Operator, block: str) -> None:
    """Run it again and again until it ends well, as the page says."""
    deadline = time.monotonic() + PATIENCE
    while (done := operator.try_to_run(block)).returncode:
        assert time.monotonic() < deadline, f"{done.stdout[-1000:]}{done.stderr[-1000:]}"
        time.sleep(1)


def _git(*arguments: str) -> bytes:
    """What git says, nothing where it isn't there or doesn't know."""
    git = shutil.which("git")
    return subprocess.run([git, *arguments], cwd=ROOT, capture_output=True, check=False).stdout if git else b""
