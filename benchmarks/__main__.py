"""All benchmarks one after another: `make bench`, hours; SIZE=short only shows that they work.

Each measures itself beside its peers, in turn; at the end stand one table of medians and ratios, the machine, and how
busy others kept it.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

# By module: for figures, and to see that it works.
STAGES: Mapping[str, tuple[Sequence[str], Sequence[str]]] = {
    "intake": (("--size=200000",), ("--size=3000", "--rounds=1", "--only=ours,auto-commit")),
    "charge_peers": (("--size=2000",), ("--size=50", "--rounds=1", "--only=threads, 50;one at a time")),
    "relay": (("--size=200000",), ("--size=10000", "--rounds=1")),
    "way": (("--rate=25,200", "--size=60", "--rounds=3"), ("--rate=10", "--size=2")),
    "backlog": (("--size=100000",), ("--size=40", "--idle=2")),
    "growth": ((), ("--size=2000", "--rounds=1")),
    "idle": (("--size=60", "--rounds=3"), ("--size=3",)),
    "notifications": (("--size=300",), ("--size=20",)),
    "admin": (("--size=1000000",), ("--size=2000", "--repeats=1")),
}
# They have tables of their own, and no peers.
ALONE = ("notifications", "admin")


def main() -> int:
    """Run them, show, keep. Returns 1 where one fails."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", action="store_true", help="only to see that they work")
    parser.add_argument("--only", default="", help=f"some, with commas: {', '.join(STAGES)}")
    parser.add_argument("--json", type=Path, help="writes the figures there")
    asked = parser.parse_args()
    wanted = [one for one in STAGES if not asked.only or one in asked.only.split(",")]
    found: dict[str, Any] = {}
    failed = []
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        for name in wanted:
            kept, began = Path(folder) / f"{name}.json", time.monotonic()
            command = [sys.executable, "-m", f"benchmarks.{name}", *STAGES[name][asked.short]]
            command += [] if name in ALONE else [f"--json={kept}"]
            print(f"--- {name}, load {os.getloadavg()[0]:.1f}", flush=True)
            if subprocess.run(command, check=False).returncode:  # noqa: S603 - ours
                failed.append(name)
            elif kept.exists():
                found |= json.loads(kept.read_text())
            print(f"    {time.monotonic() - began:.0f} s", flush=True)
    machine = {"processor": _processor(), "cores": os.cpu_count(), "python": platform.python_version(),
               "load": os.getloadavg()[0]}  # fmt: skip
    _show(found, machine)
    if asked.json:
        asked.json.write_text(json.dumps({"machine": machine, "stages": found}, indent=1) + "\n")
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def _show(found: Mapping[str, Any], machine: Mapping[str, object]) -> None:
    """Markdown: of each contender the first figures, and the first one's ratio to ours."""
    print("\n| stage | who | medians | to ours |\n| --- | --- | --- | ---: |")
    for stage, figures in found.items():
        ours = next(iter(figures["medians"].values()))
        for name, medians in figures["medians"].items():
            told = ", ".join(f"{what} {value:,.4g}" for what, value in list(medians.items())[:3])
            first = next(iter(medians))
            ratio = f"{medians[first] / ours[first]:.2f}" if figures["better"] and medians is not ours else ""
            print(f"| {stage} | {name} | {told} | {ratio} |")
    print(f"\n{machine['processor']}, {machine['cores']} cores, Python {machine['python']}, load {machine['load']:.1f}")


def _processor() -> str:
    """As Linux names it."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")


if __name__ == "__main__":
    sys.exit(main())
