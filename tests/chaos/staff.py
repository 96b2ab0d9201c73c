"""What people do meanwhile: commands that act, and commands that look. Under faults they may fail, in one line."""

import random
import subprocess
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tests.chaos.system import System

REASON = ("--reason", "a day like any other", "--yes")
# Between two commands; each takes two seconds of a core.
PAUSE = 4.0
# Done, refused or failed, a part: what docs/operations.md names.
CODES = (0, 1, 3)
# What the version before may not say of tables that were migrated under it. All else that it says was known then, or
# was mended since.
OF_TABLES = ("ProgrammingError", "IntegrityError", "DataError")


@dataclass(frozen=True, kw_only=True)
class Failed:
    """A command that said something that no person should have to read, or ended with a code that nobody knows."""

    arguments: Sequence[str]
    code: int
    said: str
    is_previous: bool = False
    """Whether it was of the version before."""

    @property
    def counts(self) -> bool:
        """Whether it must not be."""
        return not self.is_previous or self.code < 0 or any(name in self.said for name in OF_TABLES)


class Staff:
    """One person at a terminal, from `begin` to `end`."""

    def __init__(self, *, system: System, seed: int) -> None:
        self._system, self._chance = system, random.Random(f"staff {seed}")
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="staff", daemon=True)
        self.done: Counter[str] = Counter()
        self.failed: list[Failed] = []
        self.meddled: set[str] = set()
        """Subscriptions that were closed or issued again."""
        self.asked_back: Counter[str] = Counter()
        """How often a refund was asked for, by subscription."""

    def begin(self) -> None:
        """Start typing."""
        self._thread.start()

    def end(self) -> None:
        """What was paused goes on; nobody leaves before."""
        self._stop.set()
        self._thread.join(120)
        while self._run("resume") not in (0, 1):
            pass

    def _work(self) -> None:
        deeds: list[Callable[[], object]] = [
            self._try_again, self._tell_again, self._give_back, self._close, self._issue_again, self._dismiss,
            self._pause, lambda: self._run("audit"), lambda: self._run("audit_offsets"), lambda: self._run("doctor"),
            lambda: self._run("reconcile", "--from", "1m"), self._explain, lambda: self._run("parked", "list"),
        ]  # fmt: skip
        while not self._stop.wait(self._chance.uniform(0, 2 * PAUSE)):
            deed = self._chance.choice(deeds)
            try:
                deed()
            except Exception as trouble:  # noqa: BLE001 - whatever it is, it is told, and the day goes on
                self.failed.append(Failed(arguments=[deed.__name__], code=-1, said=f"{trouble!r}"))

    def _try_again(self) -> None:
        self._run("replay_failed", "--since", "10m", "--limit", "5", *REASON)

    def _tell_again(self) -> None:
        if name := self._one("status = 'failed'"):
            self._run("notify", name, *REASON)

    def _give_back(self) -> None:
        if name := self._one("status = 'success' AND subscription_id LIKE 'good%%' AND refunded = 0"):
            self.asked_back[name] += 1
            part = ("--amount", "100") if self._chance.random() < 0.3 else ()
            self._run("refund", name, *part, *REASON)

    def _close(self) -> None:
        if name := self._one("status = 'failed' AND closed_at IS NULL AND subscription_id LIKE 'for_staff%%'"):
            self.meddled.add(name)
            self._run("close", name, *REASON)

    def _issue_again(self) -> None:
        if name := self._one("closed_at IS NOT NULL AND subscription_id LIKE 'for_staff%%'"):
            self.meddled.add(name)
            self._run("reissue", name, *REASON)

    def _dismiss(self) -> None:
        found = self._system.ask("SELECT id FROM payments_inboxmessage WHERE verdict = 'invalid' ORDER BY id LIMIT 1")
        if found:
            self._run("parked", "dismiss", str(found[0][0]), *REASON)

    def _pause(self) -> None:
        self._run("pause", "--reason", "to see what happens")
        self._stop.wait(self._chance.uniform(0, 3))
        self._run("resume")

    def _explain(self) -> None:
        if name := self._one("true"):
            self._run("explain", name)

    def _one(self, where: str) -> str | None:
        sql = "SELECT subscription_id FROM payments_payment WHERE {} ORDER BY random() LIMIT 1"
        found = self._system.ask(sql.format(where))
        return str(found[0][0]) if found else None

    def _run(self, *arguments: str) -> int:
        self.done[arguments[0]] += 1
        try:
            with self._system.terminal:
                is_previous = self._system.is_previous
                done = self._system.command(*arguments, **self._system.own_env["staff"])
            code, said = done.returncode, done.stderr
        except subprocess.TimeoutExpired as late:
            code, said = -1, f"took {late.timeout:.0f} s, and hadn't ended"
        if code not in CODES or "Traceback" in said:
            self.failed.append(Failed(arguments=arguments, code=code, said=said[-3000:], is_previous=is_previous))
        return code
