"""What the system costs while nothing happens: `make bench-idle`, SIZE=10 for ten seconds.

The product's five processes, after payments that went the whole way. From then on nothing is asked of them. Processor
time is a share of one core; a page of memory that several processes have is counted once.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import psutil

from benchmarks.deployed import System, deployed, started
from benchmarks.figures import Stage, keep, show
from benchmarks.stand_in import Latency, cpu_of, stand_in

# Until imports and first looks are over, and caches are warm.
SETTLES = 10.0
WITHIN = 60.0


def main() -> int:
    """Start everything, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=float, default=60.0, help="how many seconds are measured")
    parser.add_argument("--rounds", type=int, default=1, help="how often")
    parser.add_argument("--json", type=Path, help="writes the figures there")
    asked = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="bench-idle-") as folder,
        stand_in(Latency(seconds=0.1)) as stripe,
        started(Path(folder)) as services,
        deployed(services, Path(folder), stripe_url=stripe.url) as system,
    ):
        for number in range(10):
            system.send(f"first_{number}")
        system.wait_until_told("first", 10, within=WITHIN)
        time.sleep(min(SETTLES, asked.size))
        rounds = [_measure(system, asked.size) for _ in range(asked.rounds)]
    parts = {name: [one[name] for one in rounds] for name in rounds[0]}
    stage = Stage(name=f"idle for {asked.size:.0f} s", rounds=parts, better=None)
    show(stage)
    if asked.json:
        keep([stage], asked.json)
    return 0


def _measure(system: System, seconds: float) -> Mapping[str, Mapping[str, float]]:
    """Of all five, of each, and of each service beside them."""
    services = system.services
    servers = {"PostgreSQL": services.postgres.pid, "Redis": services.redis.pid, "Kafka": services.kafka.pid}
    ours = {name: _tree(process.pid) for name, process in system.processes.items()}
    trees = {"all five": [one for tree in ours.values() for one in tree], **ours} | {
        name: _tree(pid or 0) for name, pid in servers.items()
    }
    before = _cpu(trees), time.monotonic()
    time.sleep(seconds)
    after, lasted = _cpu(trees), time.monotonic() - before[1]
    return {
        name: {
            "of a core, %": (after[name] - before[0][name]) / lasted * 100,
            "memory (PSS), MB": sum(one.memory_full_info().pss for one in tree) / 1024**2,
            "memory (RSS), MB": sum(one.memory_info().rss for one in tree) / 1024**2,
        }
        for name, tree in trees.items()
    }


def _tree(pid: int) -> list[psutil.Process]:
    """A process and all that it has started, as they are now: those of a server at rest stay."""
    process = psutil.Process(pid)
    return [process, *process.children(recursive=True)]


def _cpu(trees: Mapping[str, list[psutil.Process]]) -> dict[str, float]:
    return {name: sum(cpu_of(one.pid) for one in tree if one.is_running()) for name, tree in trees.items()}


if __name__ == "__main__":
    sys.exit(main())
