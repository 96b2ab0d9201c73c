"""A backlog drains at the rate limit, and nobody who asks just now waits for it; the same after an outage of Stripe."""

import json
from typing import Any

import pytest
import redis

from tests.e2e.deployment import Deployment
from tests.e2e.failed import make_failed

pytestmark = pytest.mark.timeout(300)

# Calls per second to one endpoint; and what a slow machine may add to a window by letting calls wait after their
# token was taken.
RATE = 20
JITTER = 15


def event(name: str, *, method: str = "pm_1") -> bytes:
    """One wish to be charged."""
    user = {"id": "u_1", "email": "a@b.kz", "paymentMethod": method}
    return json.dumps({"subId": name, "user": user, "product": {"price": 100, "currency": "KZT"}}).encode()


def calls(deployment: Deployment, endpoint: str) -> list[dict[str, Any]]:
    """What one endpoint was asked for, in its order."""
    return deployment.stripe.control.requests(endpoint=endpoint)


def paid(deployment: Deployment) -> list[str]:
    """The subscriptions that were charged, in the order of their confirms."""
    intents = deployment.stripe.control.ledger()["payment_intents"]
    names = {intent["id"]: intent["metadata"]["subscription_id"] for intent in intents}
    return [
        names[call["payment_intent"]] for call in calls(deployment, "payment_intents.confirm") if call["status"] == 200
    ]


def assert_rate_was_kept(moments: list[float]) -> None:
    """Over any second, and over all of it."""
    moments = sorted(moments)
    busiest = max(sum(1 for at in moments if first <= at <= first + 1) for first in moments)
    assert busiest <= 1.25 * RATE + JITTER
    assert len(moments) <= RATE * (moments[-1] - moments[0]) + 0.25 * RATE + 1 + JITTER


def charge(deployment: Deployment, name: str) -> None:
    """Send one event now, and wait until it is paid."""
    deployment.send([event(name)])
    deployment.wait_until(
        lambda: bool(
            deployment.count(
                "SELECT count(*) FROM payments_payment WHERE subscription_id = %s AND status = 'success'", name
            )
        ),
        what=f"{name} is paid",
    )


def test_who_asks_just_now_does_not_wait_for_two_thousand_who_had_to(deployment: Deployment) -> None:
    """After an outage of ours the backlog goes at the configured rate, and a fresh event goes ahead of it."""
    deployment.env["STRIPE_RATE_LIMIT"] = str(RATE)
    deployment.start("bridge", "worker", "beat")
    charge(deployment, "first")
    deployment.send((event(f"old {number}") for number in range(2000)), age=60)
    deployment.wait_until(
        lambda: deployment.count("SELECT count(*) FROM payments_payment") == 2001 and len(paid(deployment)) > 40,
        what="the backlog is taken in, and drains",
    )
    for number in range(5):
        before = len(paid(deployment))
        charge(deployment, f"fresh {number}")
        # Of the 2,000 it lets those go ahead that are charged while it comes in.
        assert paid(deployment).index(f"fresh {number}") < before + 100
    deployment.wait_until(lambda: len(paid(deployment)) > 160, what="the backlog goes on")
    assert deployment.count("SELECT count(*) FROM payments_payment WHERE status = 'pending'") > 1500
    for endpoint in ("payment_intents.create", "payment_intents.confirm"):
        assert_rate_was_kept([call["at"] for call in calls(deployment, endpoint)])
    assert not deployment.stripe.ledger.twice_charged()


def test_replays_of_staff_do_not_keep_a_fresh_event_waiting(deployment: Deployment) -> None:
    """Many failed payments are tried again, and one comes in: it is charged before nearly all of them.

    `make bench-replay` is the same with 10,000, and with figures.
    """
    make_failed(deployment, 120)
    deployment.env["STRIPE_RATE_LIMIT"] = str(RATE)
    deployment.start("bridge", "worker", "beat")
    charge(deployment, "first")
    replayed = deployment.command("replay_failed", "--reason", "the bank is back", "--yes")
    assert (replayed.returncode, "120 of 120 are tried again" in replayed.stdout) == (0, True)
    deployment.wait_until(lambda: len(paid(deployment)) > 10, what="the replays begin")
    before = len(paid(deployment))
    charge(deployment, "fresh")
    assert paid(deployment).index("fresh") < before + 50
    deployment.wait_until(lambda: len(paid(deployment)) > 90, what="the replays go on")
    assert_rate_was_kept([call["at"] for call in calls(deployment, "payment_intents.confirm")])
    assert not deployment.stripe.ledger.twice_charged()


def test_during_an_outage_intake_goes_on_and_afterwards_the_unknown_come_first(deployment: Deployment) -> None:
    """Nothing is failed, no doorbells pile up; recovery keeps to the rate, and a fresh event is served meanwhile."""
    deployment.env["STRIPE_RATE_LIMIT"] = str(RATE)
    deployment.start("bridge", "worker", "beat")
    charge(deployment, "first")
    deployment.stripe.control.add_fault(kind="status", status=503, effect="none", count=None)
    for number in range(15):
        deployment.send([event(f"tried {number}")])
    deployment.wait_until(
        lambda: (
            deployment.count("SELECT count(*) FROM payments_pause WHERE ended_at IS NULL AND cause = 'outage'") == 1
        ),
        what="the breaker opens",
    )
    deployment.send(event(f"waits {number}") for number in range(150))
    deployment.wait_until(lambda: deployment.count("SELECT count(*) FROM payments_payment") == 166, what="intake")
    queues = redis.Redis.from_url(deployment.redis.url)
    deployment.wait_until(
        # Nor is one in a worker's hands: it would be served as live, before the unknown.
        lambda: queues.llen("billing:charge") + queues.llen("billing:backlog") + queues.hlen("billing:unacked") == 0,
        what="no doorbell waits",
    )
    assert deployment.count("SELECT count(*) FROM payments_payment WHERE status = 'failed'") == 0
    unknown = {
        name
        for (name,) in deployment.rows(
            "SELECT subscription_id FROM payments_payment p JOIN payments_attempt a ON a.payment_id = p.id"
            " WHERE a.state = 'unknown' AND p.status = 'pending'"
        )
    }
    assert len(unknown) >= 10

    began_at = deployment.stripe.control.advance_clock(seconds=0)["now"]
    deployment.stripe.control.clear_faults()
    deployment.wait_until(lambda: len(paid(deployment)) >= 30, what="recovery begins")
    charge(deployment, "fresh")
    deployment.wait_until(
        lambda: deployment.count("SELECT count(*) FROM payments_payment WHERE status <> 'success'") == 0,
        what="all paid",
    )
    order = paid(deployment)
    assert len(order) == len(set(order)) == 167
    last = max(order.index(name) for name in unknown)
    # A few go ahead of them while the bucket of looks, unused so far, fills.
    assert last <= len(unknown) + 0.25 * RATE + JITTER, "unknown outcomes first"
    assert order.index("fresh") < 100
    moments = [call["at"] for call in calls(deployment, "payment_intents.confirm")]
    assert_rate_was_kept([at for at in moments if at > began_at])
