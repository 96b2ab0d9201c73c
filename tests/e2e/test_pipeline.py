"""The whole system, as its neighbours see it: Kafka in, Stripe, Kafka out."""

import json
import re
from datetime import datetime
from typing import Any

import jsonschema
import pytest

from tests.e2e.deployment import ROOT, Deployment
from tests.e2e.load import audit, make_load

README_EXAMPLE = (
    b'{"subId":"sub_1","user":{"id":"u_1","email":"a@b.kz","paymentMethod":"pm_1"},'
    b'"product":{"price":100,"currency":"KZT"}}'
)
TRACE = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def schema(name: str) -> Any:
    return json.loads((ROOT / "docs" / "events" / f"{name}.schema.json").read_text())


def test_the_example_of_the_readme_becomes_a_charge_and_a_notification(deployment: Deployment) -> None:
    """The contract, byte for byte: value, key and headers, in and out through a client that isn't ours."""
    jsonschema.validate(json.loads(README_EXAMPLE), schema("payment.createInitial"))
    deployment.start()
    deployment.send([README_EXAMPLE], headers=[("traceparent", TRACE)])
    deployment.wait_until_at_rest(records=1)

    [charge] = deployment.stripe.ledger.successes("sub_1")
    [intent_made] = deployment.stripe.control.ledger()["payment_intents"]
    assert intent_made["metadata"]["traceparent"] == TRACE.decode()
    assert (charge.amount, charge.currency, charge.payment_method) == (10_000, "kzt", "pm_1")
    [(payment, intent)] = deployment.rows("SELECT id::text, intent_id FROM payments_payment")
    [record] = deployment.records("KAFKA_TOPIC_NOTIFICATIONS")
    assert re.fullmatch(
        rb'{"payment":{"id":"%s","subscriptionId":"sub_1","amount":100,"currency":"KZT","status":"success",'
        rb'"transactionId":"%s","metadata":{"attempt":1},"createdAt":"[0-9T:.-]+Z"},'
        rb'"user":{"id":"u_1","email":"a@b.kz"}}' % (payment.encode(), intent.encode()),
        record.value,
    )
    jsonschema.validate(json.loads(record.value), schema("notification.paying"))
    assert record.key == payment.encode()
    headers = {name: value.decode() for name, value in record.headers}
    assert datetime.fromisoformat(headers.pop("ce_time"))
    assert re.fullmatch(r"[0-9a-f-]{36}", headers.pop("ce_id"))
    assert headers == {
        "ce_type": "payment.settled",
        "ce_source": "/billing/payments",
        "ce_specversion": "1.0",
        "content-type": "application/json",
        "traceparent": TRACE.decode(),
    }


def test_a_declined_card_becomes_failed_with_a_reason_for_the_customer(deployment: Deployment) -> None:
    """P3 and P4: no money, and a text that says so without giving anything away."""
    deployment.start()
    deployment.send([README_EXAMPLE.replace(b"pm_1", b"pm_card_chargeDeclinedStolenCard")])
    deployment.wait_until_at_rest(records=1)
    assert deployment.stripe.ledger.successes("sub_1") == []
    [record] = deployment.records("KAFKA_TOPIC_NOTIFICATIONS")
    told = json.loads(record.value)
    jsonschema.validate(told, schema("notification.paying"))
    assert told["payment"]["status"] == "failed"
    assert told["payment"]["metadata"]["reason"] == (
        "Your card was declined. Please use another card or contact your bank."
    )


def test_a_record_that_makes_no_sense_goes_to_the_dead_letters_with_its_reason(deployment: Deployment) -> None:
    """P2: nothing is dropped, and whoever sent it can read what is wrong with it."""
    deployment.start("bridge", "relay")
    poison = README_EXAMPLE.replace(b"100", b"0")
    deployment.send([poison])
    deployment.wait_until_at_rest(records=1)
    assert deployment.rows("SELECT verdict, reason FROM payments_inboxmessage") == [
        ("invalid", "product.price: must be greater than 0")
    ]
    [letter] = deployment.records("KAFKA_TOPIC_DEAD_LETTERS")
    assert letter.value == poison
    headers = dict(letter.headers)
    assert headers["kafka_dlt-exception-message"] == b"product.price: must be greater than 0"
    assert headers["kafka_dlt-original-topic"].decode() == deployment.topics["KAFKA_TOPIC_PAYMENTS"]
    assert int.from_bytes(headers["kafka_dlt-original-offset"], "big", signed=True) == 0
    assert len(headers["kafka_dlt-original-partition"]) == 4


@pytest.mark.timeout(300)
def test_a_thousand_events_end_as_they_should(deployment: Deployment) -> None:
    """P1 to P4 under load: 10 % duplicates, 5 % malformed, 10 % declines."""
    load = make_load(seed=1)
    deployment.stripe.control.set_latency(ms=20)
    deployment.start()
    deployment.send(load.records)
    deployment.wait_until_at_rest(records=len(load.records))
    audit(deployment, load)


@pytest.mark.timeout(300)
def test_a_thousand_events_end_the_same_when_every_process_is_killed_in_the_middle(deployment: Deployment) -> None:
    """P1 to P5: `kill -9` of bridge, worker and relay costs time, and nothing else."""
    load = make_load(seed=2)
    deployment.stripe.control.set_latency(ms=100)
    deployment.start()
    deployment.send(load.records[:400])
    deployment.wait_until(
        lambda: deployment.count("SELECT count(*) FROM payments_payment WHERE status <> 'pending'") > 50,
        what="50 payments settled",
    )
    deployment.send(load.records[400:])
    for name in ("bridge", "worker", "relay"):
        deployment.kill(name)
    pending = deployment.count("SELECT count(*) FROM payments_payment WHERE status = 'pending'")
    assert pending > 0, "the kill came too late to prove anything"
    # The storms and chaos wait for its end.
    deployment.cut_leases(to=0)
    deployment.start("bridge", "worker", "relay")
    deployment.wait_until_at_rest(records=len(load.records), within=180)
    audit(deployment, load)
