"""A storm: bridges are stopped and killed all the time, and every offset has exactly one verdict in the end.

`make storm` runs all of it and prints its figures; `make test` a small one.
"""

import random
import signal
import time
from collections import Counter

import pytest

from tests.e2e.deployment import Deployment
from tests.storm.sea import Sea
from tests.storm.sizes import FULL, SIZE

# A storm has ten minutes; on two cores it needs seven.
pytestmark = pytest.mark.timeout(600)

# A bridge that was killed is missed by its group only after this long: Kafka's own default is 45 s.
SESSION_MS = "6000"

# Between two strikes, on the average: each bridge gets to work in between, on two cores.
PAUSE = 2.1 if FULL else 0.8

PROTOCOLS = ["classic"] if FULL else ["classic", "consumer"]


def strike_all(deployment: Deployment, chance: random.Random) -> Counter[str]:
    """Each bridge in turn, in a drawn order: half of the strikes are SIGTERM, whose exit code is 0."""
    strikes = [f"bridge {number}" for number in range(SIZE.bridges)] * SIZE.strikes
    chance.shuffle(strikes)
    counts: Counter[str] = Counter()
    for name in strikes:
        time.sleep(chance.uniform(0, 2 * PAUSE))
        if chance.random() < 0.5:
            deployment.kill(name)
            counts["killed"] += 1
        else:
            code = deployment.stop(name)
            # Before it listens to signals, and so before it has taken anything, one ends as any program does.
            assert code in (0, -signal.SIGTERM), deployment.tail(name)
            counts["stopped" if code == 0 else "stopped while starting"] += 1
        deployment.start(name)
    assert counts["stopped"] > 0, "none had begun to listen"
    return counts


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_every_offset_gets_exactly_one_verdict_while_bridges_are_stopped_and_killed(
    deployment: Deployment, capsys: pytest.CaptureFixture[str], protocol: str
) -> None:
    """P2, and P1 at the front door: nothing is skipped, nothing is judged twice, whoever is struck when."""
    deployment.env["KAFKA_GROUP_PROTOCOL"] = protocol
    if protocol == "classic":  # with the newer one it is a setting of the brokers
        deployment.env["KAFKA_SESSION_TIMEOUT_MS"] = SESSION_MS
    made = deployment.command("topics", "--partitions", str(SIZE.partitions))
    assert made.returncode == 0, made.stderr
    sea = Sea(records=SIZE.records, seed=1)
    # The first alone: it sets the group's start.
    deployment.start("bridge 0")
    deployment.wait_until(lambda: "partitions assigned" in deployment.log("bridge 0").read_text(), what="a group")
    deployment.start(*(f"bridge {number}" for number in range(1, SIZE.bridges)))
    began_at = time.monotonic()
    pouring = sea.pour(deployment, over=SIZE.bridges * SIZE.strikes * PAUSE)
    counts = strike_all(deployment, random.Random(1))
    pouring.join()
    assert len(sea.sent) == len(sea.values)
    judged = "SELECT count(*) FROM payments_inboxmessage"
    deployment.wait_until(
        lambda: deployment.count(judged) >= SIZE.records,
        what="every record has its verdict", moves=lambda: deployment.count(judged),
    )  # fmt: skip
    took = time.monotonic() - began_at
    sea.audit(deployment)
    with capsys.disabled():
        print(
            f"\nstorm ({protocol}): {SIZE.records:,} records on {SIZE.partitions} partitions, {SIZE.bridges} bridges, "
            f"{dict(counts)}, at rest after {took:.0f} s; {sea.expected}, every offset one verdict"
        )
