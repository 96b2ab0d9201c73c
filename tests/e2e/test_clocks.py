"""Processes whose clocks differ."""

import json
from pathlib import Path

import redis

from tests.e2e.deployment import PYTHON, ROOT, Deployment

SHIFTED = ROOT / "tests" / "chaos" / "shifted.py"
USER = {"id": "u_1", "email": "a@b.kz", "paymentMethod": "pm_1"}


def test_a_worker_whose_clock_is_ahead_of_beats_heeds_its_sweeps(deployment: Deployment, tmp_path: Path) -> None:
    """P5: without a sweep a payment whose doorbell was lost would wait for ever."""
    clock = tmp_path / "clock"
    clock.write_text("60")
    deployment.commands["worker"] = [PYTHON, str(SHIFTED), str(clock), *deployment.commands["worker"][1:]]
    deployment.start("bridge", "relay")
    deployment.wait_until(lambda: "partitions assigned" in deployment.log("bridge").read_text(), what="it reads")
    event = {"subId": "sub_1", "user": USER, "product": {"price": 100, "currency": "KZT"}}
    with redis.Redis.from_url(deployment.redis.url) as server:
        deployment.send([json.dumps(event).encode()])
        deployment.wait_until(lambda: server.delete("billing:charge") == 1, what="nobody hears the doorbell")
    deployment.start("worker", "beat")
    deployment.wait_until_at_rest(records=1)
    assert len(deployment.stripe.ledger.successes("sub_1")) == 1
    [(settled_ahead,)] = deployment.rows("SELECT settled_at > now() + interval '30 seconds' FROM payments_payment")
    assert settled_ahead, "its clock isn't ahead"
