"""How many of everything, for so many payments a second: `make capacity`, from the costs in `costs.json`.

Nothing is measured here. A process is a closed queueing network: so many payments under way, each of which waits for
Stripe (beside all others) and is worked on (by one core for each process, in turn); mean value analysis says how many
come out a second. The rest is Little's law and multiplication. `make costs` measures anew; this then writes
docs/scaling.md anew.
"""

import argparse
import json
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

COSTS = Path(__file__).with_name("costs.json")
PAGE = Path(__file__).parents[1] / "docs" / "scaling.md"
BEGIN, END = "<!-- made by `make capacity` -->\n", "<!-- end of it -->"

RATES = (25, 250, 2_500)
# Of what a thing can do, so much is planned for: the rest is for a failed neighbour, a deploy, and a bad minute.
PLANNED = 0.7
# A day's mean, of the peak that is planned for.
MEAN = 0.3
# Stripe's default for each endpoint, in calls a second, and how much of it is asked for at most (docs/operations.md).
STRIPE_DEFAULT, STRIPE_SHARE = 25, 0.8
# As README and docs/operations.md suggest: of what is kept, for how many days; Kafka's own, and its copies.
KEPT_DAYS = {"payments_inboxmessage": 180, "payments_outboxmessage": 180, "payments_webhook": 90}
KAFKA_DAYS, KAFKA_COPIES = 7, 3
# Connections to PostgreSQL, in each process one of the heartbeat's: of a worker also the charging thread's and those of
# tasks that run beside each other, of a web process one for each thread, of a bridge its own; of two relays, beat, and
# some for people.
WORKER_CONNECTIONS, WEB_CONNECTIONS, BRIDGE_CONNECTIONS, OTHER_CONNECTIONS = 1 + 1 + 3, 1 + 8, 2, 2 * 2 + 1 + 5
DEFAULT_CONNECTIONS = 100
FEWEST_PARTITIONS = 8
# A group that grows by so much needs no new topic; partitions can't be added without moving keys.
GROWTH = 4

Costs = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Station:
    """Where payments are worked on: seconds of work for each, and by how many at a time."""

    seconds: float
    servers: int = 1


def throughput(*, under_way: int, wait: float, stations: Sequence[Station]) -> float:
    """Payments a second of a closed network, by exact mean value analysis. Several servers are one that is as quick as
    all of them, and a wait for what that leaves out (Seidmann). `wait`: seconds in which nobody is in another's way.
    """
    alone = wait + sum(one.seconds * (one.servers - 1) / one.servers for one in stations)
    demands = [one.seconds / one.servers for one in stations]
    queues, rate = [0.0] * len(demands), 0.0
    for payments in range(1, under_way + 1):
        times = [demand * (1 + queue) for demand, queue in zip(demands, queues, strict=True)]
        rate = payments / (alone + sum(times))
        queues = [rate * time for time in times]
    return rate


def worker_rate(costs: Costs) -> float:
    """Payments a second of one worker process whose messages are full: the thread that charges waits for PostgreSQL."""
    charge = costs["stages"]["charge"]
    stations = [Station(seconds=(charge["process_ms"] + charge["postgres_ms"]) / 1000)]
    return throughput(under_way=costs["worker_under_way"], wait=costs["stripe_seconds"], stations=stations)


def plan(costs: Costs, rate: int) -> dict[str, float]:
    """How many of each, for so many payments a second at the peak."""
    stages, stripe_seconds = costs["stages"], costs["stripe_seconds"]
    workers = max(2, math.ceil(rate / (worker_rate(costs) * PLANNED)))
    bridges = max(2, math.ceil(rate / (stages["bridge"]["a_second"] * PLANNED)))
    webs = max(2, math.ceil(rate / (1000 / stages["web"]["process_ms"] * PLANNED)))
    in_postgres = sum(one["postgres_ms"] for one in stages.values())
    rows, in_kafka = costs["bytes_of_rows"], sum(costs["bytes_in_kafka"].values())
    for_ever = sum(each for name, each in rows.items() if name not in KEPT_DAYS)
    pruned = sum(rows.get(name, 0) * days for name, days in KEPT_DAYS.items())
    a_day = rate * MEAN * 86_400
    return {
        "calls to each endpoint of Stripe that the account must allow, a second": math.ceil(rate / STRIPE_SHARE),
        "accounts, where each has Stripe's default": math.ceil(rate / (STRIPE_DEFAULT * STRIPE_SHARE)),
        "payments at Stripe at once (Little)": math.ceil(rate * stripe_seconds),
        "workers": workers,
        "slots of all workers": workers * costs["worker_slots"],
        "memory of all workers, GB": workers * costs["worker_memory_mb"] / 1024,
        "bridges": bridges,
        "partitions of `payment.createInitial`": max(FEWEST_PARTITIONS, 2 ** math.ceil(math.log2(bridges * GROWTH))),
        "of what the active relay can do, %": rate / stages["relay"]["a_second"] * 100,
        "web processes, for webhooks": webs,
        "connections to PostgreSQL": workers * WORKER_CONNECTIONS
        + webs * WEB_CONNECTIONS
        + bridges * BRIDGE_CONNECTIONS
        + OTHER_CONNECTIONS,
        "cores of PostgreSQL": math.ceil(rate * in_postgres / 1000 / PLANNED),
        "PostgreSQL's log (WAL), MB a second": rate * sum(one["wal_bytes"] for one in stages.values()) / 1e6,
        "rows that stay, GB more a month": a_day * 30 * for_ever / 1e9,
        "rows that are pruned, GB in all": a_day * pruned / 1e9,
        "Kafka, GB in all": a_day * KAFKA_DAYS * KAFKA_COPIES * in_kafka / 1e9,
    }


def limits(costs: Costs) -> dict[str, float]:
    """Up to how many payments a second each thing goes, with nothing left to spare."""
    stages = costs["stages"]
    of_others = 2 * BRIDGE_CONNECTIONS + 2 * WEB_CONNECTIONS + OTHER_CONNECTIONS
    workers_in_default = (DEFAULT_CONNECTIONS - of_others) // WORKER_CONNECTIONS
    return {
        "an account with Stripe's default limit": STRIPE_DEFAULT * STRIPE_SHARE,
        "a worker": worker_rate(costs),
        "a worker, if it took no time of the processor: Stripe's alone": costs["worker_under_way"]
        / costs["stripe_seconds"],
        "all workers that PostgreSQL's default of 100 connections has room for": workers_in_default
        * worker_rate(costs),
        "a bridge": stages["bridge"]["a_second"],
        "a core of PostgreSQL": 1000 / sum(one["postgres_ms"] for one in stages.values()),
        "the active relay, of which there is one": stages["relay"]["a_second"],
        "a web process, in webhooks": 1000 / stages["web"]["process_ms"],
    }


def tables(costs: Costs) -> str:
    """The plan, the limits and the costs as Markdown."""
    plans = [plan(costs, rate) for rate in RATES]
    lines = ["| payments a second at the peak | " + " | ".join(f"{rate:,}" for rate in RATES) + " |"]
    lines += ["| --- |" + " ---: |" * len(RATES)]
    lines += [f"| {name} | " + " | ".join(_shown(one[name]) for one in plans) + " |" for name in plans[0]]
    lines += ["", "| limit | payments a second |", "| --- | ---: |"]
    lines += [f"| {name} | {_shown(value)} |" for name, value in limits(costs).items()]
    lines += ["", "| a payment costs | its process, ms | PostgreSQL, ms | WAL, bytes |", "| --- | ---: | ---: | ---: |"]
    lines += [
        f"| {name} | {one['process_ms']:.2f} | {one['postgres_ms']:.2f} | {one['wal_bytes']:,} |"
        for name, one in costs["stages"].items()
    ]
    lines += ["", "| a payment leaves behind, with indexes | bytes |", "| --- | ---: |"]
    lines += [f"| `{name}` | {each:,} |" for name, each in costs["bytes_of_rows"].items()]
    lines += [f"| `{name}`, in Kafka, a copy | {each:,.0f} |" for name, each in costs["bytes_in_kafka"].items()]
    return "\n".join(lines) + "\n"


def read() -> Costs:
    """As they were measured last."""
    found: Costs = json.loads(COSTS.read_text())
    return found


def main() -> int:
    """Print the tables; write them into docs/scaling.md where that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="also into docs/scaling.md")
    made = tables(read())
    if parser.parse_args().write:
        before, _, rest = PAGE.read_text().partition(BEGIN)
        PAGE.write_text(f"{before}{BEGIN}\n{made}\n{END}{rest.partition(END)[2]}")
    print(made, end="")
    return 0


def _shown(value: float) -> str:
    digits = 0 if value >= 10 or value == int(value) else 1 if value >= 1 else 2
    return f"{value:,.{digits}f}"


if __name__ == "__main__":
    sys.exit(main())
