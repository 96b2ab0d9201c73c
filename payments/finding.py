"""What `manage.py doctor` says of one thing: whether it is well, and if not, what to do. Pure, for all rooms."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

Level = Literal["OK", "WARN", "FAIL"]
LEVELS: tuple[Level, ...] = ("OK", "WARN", "FAIL")

# Webhooks' signatures and leases bear minutes; who is a second factor or a newer record is decided by seconds.
CLOCKS_DRIFT = timedelta(seconds=5)
# A lease lasts two minutes by the clock of whoever looks at it.
CLOCKS_APART = timedelta(seconds=60)


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One line. `name` is stable, for scripts; `fix` is empty where nothing is to be done."""

    name: str
    level: Level
    says: str
    fix: str = ""

    @property
    def line(self) -> str:
        """For a person."""
        return f"{self.level:<4}  {self.name}: {self.says}" + (f". Fix: {self.fix}" if self.fix else "")


def ok(name: str, says: str) -> Finding:
    """It is well."""
    return Finding(name=name, level="OK", says=says)


def warn(name: str, says: str, fix: str) -> Finding:
    """It works, and somebody should look at it."""
    return Finding(name=name, level="WARN", says=says, fix=fix)


def fail(name: str, says: str, fix: str) -> Finding:
    """It doesn't work, or a promise is at stake."""
    return Finding(name=name, level="FAIL", says=says, fix=fix)


def judge_clock(name: str, ahead: timedelta) -> Finding:
    """How far another clock is ahead of ours; behind it where negative."""
    apart = abs(ahead)
    way = "ahead of" if ahead > timedelta() else "behind"
    says = f"its clock is {apart.total_seconds():.1f} s {way} this machine's"
    fix = "let NTP (chrony, systemd-timesyncd) set the clocks of both machines"
    if apart > CLOCKS_APART:
        return fail(name, says, fix)
    return warn(name, says, fix) if apart > CLOCKS_DRIFT else ok(name, says)
