"""A rolling restart of every process under load: the new one is there before the old one is told to end.

What a deploy does, `maxSurge: 1` and `maxUnavailable: 0`. Nothing is lost, and no payment is delayed by more than 5 s.
`make rolling` replaces two of each and judges the delay. `make test` replaces one of each and prints it: beside other
tests a new process takes its time from the old ones, and a delay says more about the machine.
"""

import json
import re
import statistics
import sys
import threading
import time
from dataclasses import dataclass, field
from urllib.request import urlopen

import pytest

from tests.e2e.deployment import Deployment
from tests.storm.sizes import FULL, SIZE

pytestmark = pytest.mark.timeout(600)

KINDS = ("bridge", "worker", "relay", "beat", "web")
WEB = [sys.executable, "-m", "gunicorn", "billing_project.wsgi", "--bind", "127.0.0.1:0"]
RATE = 10.0 if FULL else 3.0
# Before the first one is replaced: what a payment takes when nothing happens, Stripe's own time included.
UNDISTURBED = 4.0
STRIPE_MS = 100
# The promise, in seconds.
DELAY = 5.0

# Of each payment: when its record was made, and after how many seconds it was taken in, settled and told.
TIMES = """
SELECT extract(epoch FROM p.created_at)::float, extract(epoch FROM p.accepted_at - p.created_at)::float,
       extract(epoch FROM p.settled_at - p.created_at)::float, extract(epoch FROM o.published_at - p.created_at)::float
FROM payments_payment p JOIN payments_outboxmessage o ON o.payment_id = p.id ORDER BY p.created_at
"""


@dataclass
class Load:
    """Events at an even rate, from a thread, until it is told to stop."""

    deployment: Deployment
    sent: int = 0
    _stop: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """One event after another."""
        began_at = time.monotonic()
        while not self._stop.wait(max(0.0, began_at + self.sent / RATE - time.monotonic())):
            self.deployment.send([_event(self.sent)])
            self.sent += 1

    def __enter__(self) -> "Load":
        self._thread = threading.Thread(target=self.run, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()


def start(deployment: Deployment, name: str) -> None:
    """Start one, and wait until an orchestrator would call it ready."""
    deployment.start(name)
    if name.startswith("web"):
        listening = re.compile(r"Listening at: (http://\S+)")
        deployment.wait_until(lambda: bool(listening.search(deployment.log(name).read_text())), what=name)
        address = listening.findall(deployment.log(name).read_text())[-1]
        with urlopen(f"{address}/readyz", timeout=30) as answer:  # noqa: S310 - our own, on the loopback
            assert answer.status == 200
    else:
        there = "SELECT count(*) FROM payments_heartbeat WHERE pid = %s"
        deployment.wait_until(lambda: deployment.count(there, deployment.pid(name)) == 1, what=name)


def test_a_rolling_restart_of_all_processes_loses_nothing(
    deployment: Deployment, capsys: pytest.CaptureFixture[str]
) -> None:
    """P1 to P4 over a deploy. The delay is over what a payment took before it."""
    deployment.commands["web"] = WEB
    deployment.stripe.control.set_latency(ms=STRIPE_MS)
    for kind in KINDS:
        for number in range(SIZE.replicas):
            start(deployment, f"{kind} old{number}")
    begun_at: dict[str, float] = {}
    with Load(deployment) as load:
        time.sleep(UNDISTURBED)
        for kind in KINDS:
            begun_at[kind] = time.time()
            for number in range(SIZE.replicas):
                start(deployment, f"{kind} new{number}")
                assert deployment.stop(f"{kind} old{number}") == 0, deployment.tail(f"{kind} old{number}")
        took = time.time() - begun_at[KINDS[0]]
    deployment.wait_until_at_rest(records=load.sent)
    audit(deployment, sent=load.sent)
    times = deployment.rows(TIMES)
    usual = statistics.median(settled for at, _, settled, _ in times if at < begun_at[KINDS[0]])
    taken_in, settled, told = (max(one[place] for one in times) for place in (1, 2, 3))
    with capsys.disabled():
        print(
            f"\nrolling restart: {len(begun_at) * SIZE.replicas} processes replaced in {took:.0f} s, "
            f"{load.sent} payments, {RATE:.0f} a second; usually settled after {usual:.2f} s; at most taken in after "
            f"{taken_in:.2f} s, settled after {settled:.2f} s, told after {told:.2f} s"
        )
    late = [one for one in times if one[2] - usual > DELAY]
    if FULL:
        assert late == [], begun_at


def audit(deployment: Deployment, *, sent: int) -> None:
    """Every record accepted, every payment charged once and told once."""
    assert dict(deployment.rows("SELECT verdict, count(*) FROM payments_inboxmessage GROUP BY verdict")) == {
        "accepted": sent
    }
    assert dict(deployment.rows("SELECT status, count(*) FROM payments_payment GROUP BY status")) == {"success": sent}
    assert deployment.stripe.ledger.twice_charged() == {}
    assert len([1 for charges in deployment.stripe.ledger.successes_by().values() if charges]) == sent
    told = [json.loads(record.value)["payment"] for record in deployment.records("KAFKA_TOPIC_NOTIFICATIONS")]
    assert {one["subscriptionId"] for one in told if one["status"] == "success"} == {f"sub_{n}" for n in range(sent)}
    assert len(told) == sent


def _event(number: int) -> bytes:
    user = {"id": f"u_{number}", "email": f"{number}@example.kz", "paymentMethod": "pm_card_visa"}
    event = {"subId": f"sub_{number}", "user": user, "product": {"price": 100, "currency": "KZT"}}
    return json.dumps(event, separators=(",", ":")).encode()
