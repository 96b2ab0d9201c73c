"""How long an event takes from its producer to its notification: `make bench-way`, RATE=500 SIZE=600 for ten minutes.

Events come one by one at a fixed rate, whatever becomes of those before them; a reader of committed records notes when
each is told. Stripe's own time is taken off: two calls of ours, one of the peer, each of which takes exactly as long.
"""

import argparse
import json
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

from confluent_kafka import Consumer, TopicPartition

from benchmarks.deployed import PARTITIONS, TOLD, System, deployed, started
from benchmarks.figures import Contender, Figures, keep, measure, show
from benchmarks.stand_in import Latency, stand_in
from billing_project.dev.services import Services

# Of a call, in seconds. The whole payment takes what Stripe takes for one, or a little less.
CALL = 0.15
POLL = ("-m", "benchmarks.peers.poll")
PEER: Mapping[str, Sequence[str]] = {name: (*POLL, name) for name in ("consume", "charge", "tell")}
CALLS = {"ours": 2, "poll and sleep": 1}
# Those of the first seconds don't count: connections are made, and code is read.
WARM = 3.0
WITHIN = 120.0


class Reader:
    """Notes when a reader of committed records gets to see a subscription's notification."""

    def __init__(self, broker: str) -> None:
        self.seen: dict[str, float] = {}
        self._stop = threading.Event()
        self._consumer = Consumer(
            {"bootstrap.servers": broker, "group.id": "reader", "isolation.level": "read_committed",
             "enable.auto.commit": False, "log_level": 0}
        )  # fmt: skip
        places = [TopicPartition(TOLD, number) for number in range(PARTITIONS)]
        # From now on: what was told to others doesn't matter.
        ends = [self._consumer.get_watermark_offsets(place, timeout=10)[1] for place in places]
        self._consumer.assign(
            [TopicPartition(TOLD, place.partition, end) for place, end in zip(places, ends, strict=True)]
        )
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End it."""
        self._stop.set()
        self._thread.join()
        self._consumer.close()

    def _read(self) -> None:
        while not self._stop.is_set():
            message = self._consumer.poll(0.2)
            if message is None or message.error():
                continue
            at = time.monotonic()
            subscription = json.loads(message.value() or b"")["payment"]["subscriptionId"]
            self.seen.setdefault(subscription, at)


def main() -> int:
    """Start everything, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", default="25,200", help="events a second; several with commas")
    parser.add_argument("--size", type=float, default=30.0, help="for how many seconds")
    parser.add_argument("--rounds", type=int, default=1, help="how often each contender's turn comes")
    parser.add_argument("--only", default="", help=f"one of: {', '.join(CALLS)}")
    parser.add_argument("--json", type=Path, help="writes the figures there")
    asked = parser.parse_args()
    stages = []
    with (
        tempfile.TemporaryDirectory(prefix="bench-way-") as folder,
        stand_in(Latency(seconds=CALL)) as stripe,
        started(Path(folder)) as services,
    ):
        bench = Bench(services, Path(folder), stripe.url)
        for rate in map(int, asked.rate.split(",")):
            contenders = [
                Contender(name=name, run=partial(bench.run, name, rate, asked.size))
                for name in CALLS
                if asked.only in ("", name)
            ]
            name = f"the whole way at {rate}/s, less Stripe's time"
            stages.append(measure(name, contenders, rounds=asked.rounds, better="less"))
            show(stages[-1])
    if asked.json:
        keep(stages, asked.json)
    return 0


class Bench:
    """The services, and one contender at a time."""

    def __init__(self, services: Services, folder: Path, stripe_url: str) -> None:
        self._services, self._folder, self._stripe_url = services, folder, stripe_url
        self._runs = 0

    def run(self, name: str, rate: int, seconds: float) -> Figures:
        """Start it, send, wait, end it."""
        self._runs += 1
        with self._started(name) as system:
            reader = Reader(self._services.kafka_broker)
            try:
                prefix = f"run{self._runs}_"
                _send(system, reader, f"{prefix}first_", rate=5, seconds=1)  # until it is up
                _send(system, reader, f"{prefix}warm_", rate=rate, seconds=min(WARM, seconds))
                memory = _memory(system)
                times = _send(system, reader, prefix, rate=rate, seconds=seconds)
                grown = _memory(system) - memory
            finally:
                reader.close()
        cuts = statistics.quantiles(((one - CALLS[name] * CALL) * 1000 for one in times), n=100)
        return {"median, ms": cuts[49], "p99, ms": cuts[98], "memory, MB": memory, "MB more at the end": grown}

    def _started(self, name: str) -> AbstractContextManager[System]:
        """Each with a topic of its own, in which it goes on where it was."""
        topic = f"payment.createInitial.{name.replace(' ', '-')}"
        if name == "ours":
            return deployed(
                self._services, self._folder, stripe_url=self._stripe_url, STRIPE_RATE_LIMIT="1000",
                KAFKA_TOPIC_PAYMENTS=topic,
            )  # fmt: skip
        return deployed(
            self._services, self._folder, stripe_url=self._stripe_url, commands=PEER, first=(*POLL, "make_tables"),
            django="benchmarks.peers.settings", KAFKA_TOPIC_PAYMENTS=topic,
        )  # fmt: skip


def _send(system: System, reader: Reader, prefix: str, *, rate: int, seconds: float) -> list[float]:
    """Send at that rate, and wait until all are told. Returns how long each took, in seconds."""
    sent: dict[str, float] = {}
    began = time.monotonic()
    for number in range(max(2, int(rate * seconds))):
        time.sleep(max(0.0, began + number / rate - time.monotonic()))
        name = f"{prefix}{number}"
        sent[name] = time.monotonic()
        system.send(name)
    system.wait_until(lambda: sent.keys() <= reader.seen.keys(), what=f"{len(sent)} are told", within=WITHIN)
    return [reader.seen[name] - at for name, at in sent.items()]


def _memory(system: System) -> float:
    """Of all processes, each page that several have counted once, in MB."""
    trees = [one for process in system.processes.values() for one in [process, *process.children(recursive=True)]]
    return float(sum(one.memory_full_info().pss for one in trees) / 1024**2)


if __name__ == "__main__":
    sys.exit(main())
