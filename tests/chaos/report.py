"""What a run says of itself, in Markdown and JSON, and the evidence that a red one leaves behind."""

import json
import platform
import shutil
import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import closing, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import psycopg2
from kafka.errors import KafkaError

from tests.chaos.desk import Desk
from tests.chaos.plan import Struck
from tests.chaos.processes import Ended
from tests.chaos.seen import Seen, as_lines, count_repeats
from tests.chaos.staff import Failed, Staff
from tests.chaos.system import System
from tests.e2e.deployment import Deployment
from tests.proof.audit import Audit

PROMISES = {
    "P1": "charged twice", "P2": "lost", "P3": "false words", "P4": "not told",
    "P5": "neither settled nor shown in time",
    "logs": "secrets or personal data in logs", "flat": "growth of memory or open files",
}  # fmt: skip


@dataclass(kw_only=True)
class Report:
    """The figures of one run; `settled`: seconds from the last fault until all was settled or shown to a person."""

    size: str
    seed: int
    folder: Path
    seconds: float = 0.0
    settled: float | None = None
    at_rest: float | None = None
    struck: list[Struck] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)

    def add(self, struck: Struck) -> None:
        """One round more; a line of it goes to `rounds.log` at once."""
        self.struck.append(struck)
        self.broken += [f"harness: {words}" for words in struck.failures]
        with (self.folder / "rounds.log").open("a") as file:
            after = f"{struck.recovered:.1f} s" if struck.recovered is not None else "never"
            names = [*struck.names, *(f"{one.name} (met nobody)" for one in struck.in_vain)]
            file.write(f"{struck.at:7.1f} s  {', '.join(names)}: lasted {struck.lasted:.1f} s, well after {after}\n")

    def note(self, *, system: System, seen: Seen, audit: Audit, staff: Staff, desk: Desk) -> None:
        """Everything that is counted at the end."""
        self.broken += audit.broken
        self.figures |= {
            "faults that met nobody": sum(len(one.in_vain) for one in self.struck),
            "faults while the version before was up": sum(len(one.kinds) for one in self.struck if one.is_previous),
            "records": len(seen.topic),
            "payments": len(audit.payments),
            "statuses": Counter(str(payment.status) for payment in audit.payments),
            "attempts": len(audit.attempts),
            "charges that paid": len(audit.paid),
            "duplicates suppressed": seen.verdicts["duplicate"],
            "parked": seen.verdicts["invalid"] + seen.verdicts["conflict"] + seen.verdicts["dismissed"],
            "notifications": len(seen.told),
            "notifications told more than once, under the same id": count_repeats(seen),
            "left out": ", ".join(_left_out(system)) or "nothing",
            "staff's commands": staff.done,
            "done at the desk": desk.done,
            "commands of the version before that failed": Counter(
                one.arguments[0] for one in staff.failed if one.is_previous
            ),
            "processes of the version before that were told to end and didn't": sum(
                one.is_previous for one in system.late_to_end
            ),
            "processes that ended by themselves": _kinds(system, previous=False),
            "processes of the version before that ended by themselves": _kinds(system, previous=True),
            "comparisons of memory and of open files": audit.checked["flat"],
            "checks that held": {name: audit.checked[name] - self._broken(name) for name in PROMISES},
        }

    def _broken(self, promise: str) -> int:
        return sum(words.startswith(f"{promise}:") for words in self.broken)

    @property
    def faults(self) -> Counter[str]:
        """How many have struck, by kind."""
        return Counter(kind for one in self.struck for kind in one.kinds)

    def _recoveries(self) -> dict[str, list[float]]:
        found: dict[str, list[float]] = {}
        for one in self.struck:
            for kind in {*one.kinds, "all"}:
                found.setdefault(kind, []).append(one.recovered if one.recovered is not None else float("inf"))
        return found

    def as_json(self) -> dict[str, Any]:
        """All of it."""
        return {
            "size": self.size, "seed": self.seed, "seconds": round(self.seconds, 1),
            "python": platform.python_version(),
            "faults": self.faults,
            "faults by name": Counter(name for one in self.struck for name in one.names),
            "recovered after": {
                kind: {"median": round(statistics.median(each), 2), "worst": round(max(each), 2)}
                for kind, each in sorted(self._recoveries().items())
            },
            "settled after the last fault": self.settled, "at rest after the last fault": self.at_rest,
            "losses": {words: self._broken(promise) for promise, words in PROMISES.items()},
            **self.figures, "broken": self.broken, "struck": [one.as_json() for one in self.struck],
        }  # fmt: skip

    def as_markdown(self) -> str:
        """For people."""
        found = self.as_json()
        lines = [
            f"# Chaos: size {self.size}, seed {self.seed}, {'RED' if self.broken else 'green'}", "",
            *_table("what", "figure", self._figures(found)), "",
            *_table("kind of fault", "how many, and after how many seconds an event was told again: median, worst", (
                (kind, f"{count}; {_pair(found['recovered after'][kind])}")
                for kind, count in sorted(found["faults"].items())
            )), "",
            *_table("kind of loss", "how many", found["losses"].items()),
        ]  # fmt: skip
        if self.broken:
            lines += ["", "## Broken", "", *(f"- {words[:500]}" for words in self.broken[:50])]
        return "\n".join(lines) + "\n"

    def _figures(self, found: dict[str, Any]) -> Iterable[tuple[str, object]]:
        yield "took", f"{self.seconds:.0f} s"
        for name, value in self.figures.items():
            yield name, _words(value)
        yield "faults", sum(found["faults"].values())
        if "all" in found["recovered after"]:
            yield "an event was told again after a fault: median, worst", _pair(found["recovered after"]["all"])
        if self.settled is not None:
            yield "settled or shown to a person after the last fault", f"{self.settled:.0f} s"
        if self.at_rest is not None:
            yield "at rest after the last fault", f"{self.at_rest:.0f} s"

    def write(self) -> None:
        """report.md and report.json."""
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "report.md").write_text(self.as_markdown())
        (self.folder / "report.json").write_text(json.dumps(self.as_json(), indent=1, default=str) + "\n")


def keep_evidence(system: Deployment, folder: Path, *, ended: Sequence[Ended], failed: Sequence[Failed]) -> None:
    """The ledger, all rows and records that can still be read, who ended by itself, and what the services have said;
    the processes' logs are there already."""
    for log in (folder / "services").rglob("log"):
        shutil.copy(log, folder / f"{log.parent.name}.log")
    (folder / "ledger.json").write_text(json.dumps(system.stripe.control.ledger(), indent=1))
    (folder / "requests.json").write_text(json.dumps(system.stripe.control.requests(), default=str))
    trouble = {
        "ended by themselves": [asdict(one) for one in ended],
        "what staff met": [asdict(one) for one in failed],
    }
    (folder / "processes.json").write_text(json.dumps(trouble, indent=1))
    with suppress(KafkaError, AssertionError):
        for name in system.topics:
            with (folder / f"{name.lower()}.jsonl").open("w") as file:
                file.writelines(f"{line}\n" for line in as_lines(system.records(name)))
    with suppress(psycopg2.Error), closing(psycopg2.connect(system.database)) as connection:
        for (table,) in system.rows("SELECT tablename FROM pg_tables WHERE tablename LIKE 'payments_%%' ORDER BY 1"):
            with connection.cursor() as cursor, (folder / f"{table}.csv").open("w") as file:
                cursor.copy_expert(f"COPY {table} TO STDOUT WITH CSV HEADER", file)


def _table(left: str, right: str, rows: Iterable[tuple[str, object]]) -> Sequence[str]:
    return [f"| {left} | {right} |", "| --- | --- |", *(f"| {name} | {value} |" for name, value in rows)]


def _left_out(system: System) -> Iterable[str]:
    """What this machine doesn't let us try."""
    if system.small_disk is None:
        yield "a full disk (only root may mount one)"
    if system.previous is None:
        yield "the version before (git doesn't have its history here: deploys are of this version)"


def _kinds(system: System, *, previous: bool) -> Counter[str]:
    return Counter(one.name.partition(" ")[0] for one in system.ended_by_itself if one.is_previous == previous)


def _pair(found: dict[str, float]) -> str:
    return f"{found['median']:.1f} s, {found['worst']:.1f} s"


def _words(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {count:,}" for name, count in sorted(value.items())) or "none"
    return f"{value:,}" if isinstance(value, int) else str(value)
