"""Redis is full, which with `noeviction` is an error for whoever writes: nobody may end on it."""

import json

import redis

from tests.e2e.deployment import Deployment

USER = {"id": "u_1", "email": "a@b.kz", "paymentMethod": "pm_1"}


def test_a_redis_that_is_full_ends_no_process(deployment: Deployment) -> None:
    """P5: a worker that ended would be started again and again, and all in its hands would wait for their leases."""
    deployment.start("bridge", "beat", "relay")
    deployment.wait_until(lambda: "partitions assigned" in deployment.log("bridge").read_text(), what="it reads")
    event = {"subId": "sub_1", "user": USER, "product": {"price": 100, "currency": "KZT"}}
    deployment.send([json.dumps(event).encode()])
    deployment.wait_until(lambda: '"rung": 1' in deployment.log("bridge").read_text(), what="there is a doorbell")
    with redis.Redis.from_url(deployment.redis.url) as server:
        server.config_set("maxmemory", "1")
        # To take up a doorbell is a write, too.
        deployment.start("worker")
        deployment.wait_until(
            lambda: "when used memory" in deployment.log("worker").read_text(), what="the worker is told"
        )
        server.config_set("maxmemory", "0")
    deployment.wait_until_at_rest(records=1)
    assert len(deployment.stripe.ledger.successes("sub_1")) == 1
    for name in ("bridge", "worker", "beat", "relay"):
        assert deployment.stop(name) == 0, deployment.tail(name)
