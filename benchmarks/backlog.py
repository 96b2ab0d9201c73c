"""What a fresh event waits for while a backlog drains: `make bench-backlog`, SIZE=100000 for the whole of it.

So many events, an hour old, come in at once, as after an outage; Stripe is asked at the configured rate. Fresh events
come beside them, one a second. Prints how long those took before the backlog and beside it, how fast it drained, and
how long whoever came behind all of it would have waited, first in, first out.
"""

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.deployed import System, deployed, started
from benchmarks.figures import Figures, Stage, keep, show
from benchmarks.stand_in import Latency, stand_in

# Of a call; a payment takes two.
CALL = 0.15
FRESH_EVERY = 1.0
AGE = 50 * 60
WITHIN = 120.0


def main() -> int:
    """Start everything, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=1_000, help="how many events had to wait")
    parser.add_argument("--limit", type=int, default=20, help="STRIPE_RATE_LIMIT")
    parser.add_argument("--idle", type=int, default=10, help="fresh events before it")
    parser.add_argument("--json", type=Path, help="writes the figures there")
    asked = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="bench-backlog-") as folder,
        stand_in(Latency(seconds=CALL)) as stripe,
        started(Path(folder)) as services,
        deployed(services, Path(folder), stripe_url=stripe.url, STRIPE_RATE_LIMIT=str(asked.limit)) as system,
    ):
        stage = _measure(system, asked.size, asked.limit, asked.idle)
    show(stage)
    if asked.json:
        keep([stage], asked.json)
    return 0


def _measure(system: System, size: int, limit: int, idle: int) -> Stage:
    _fresh(system, "first", 1)
    _fresh(system, "idle", idle)
    began = time.monotonic()
    for number in range(size):
        system.send(f"old_{number}", at=time.time() - AGE)
    # Fresh ones as long as a good part of it waits.
    seconds = max(FRESH_EVERY * 2, size / limit * 0.8 - (time.monotonic() - began))
    _fresh(system, "beside", int(seconds / FRESH_EVERY))
    system.wait_until_told("old_", size, within=WITHIN + size / limit)
    [(first, last)] = system.rows(
        "SELECT min(settled_at), max(settled_at) FROM payments_payment WHERE starts_with(subscription_id, 'old_')"
    )
    lasted = (last - first).total_seconds()
    return Stage(
        better=None,
        name=f"fresh events beside a backlog of {size:,}, Stripe's time included",
        rounds={
            "before it": [_latency(system, "idle")], "beside it": [_latency(system, "beside")],
            "behind it, first in first out": [{"wait, ms": lasted * 1000}],
            "the backlog": [{"a second": (size - 1) / lasted, "of a limit of": float(limit)}],
        },
    )  # fmt: skip


def _fresh(system: System, name: str, count: int) -> None:
    """So many, one after another at their pace, until all are told."""
    for number in range(count):
        system.send(f"{name}_{number}")
        time.sleep(FRESH_EVERY)
    system.wait_until_told(f"{name}_", count, within=WITHIN)


def _latency(system: System, name: str) -> Figures:
    """From an event's time to its notification's acknowledgement, in milliseconds."""
    found = [
        float(seconds) * 1000
        for (seconds,) in system.rows(
            "SELECT extract(epoch FROM published_at - payment.created_at) FROM payments_outboxmessage "
            "JOIN payments_payment AS payment ON payment.id = payment_id WHERE starts_with(subscription_id, %s)",
            f"{name}_",
        )
    ]
    return {"median, ms": statistics.median(found), "worst, ms": max(found)}


if __name__ == "__main__":
    sys.exit(main())
