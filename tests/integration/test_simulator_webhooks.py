"""The simulator's webhooks: signed as Stripe signs them, and as late, doubled, mixed up and lost as was asked."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
import requests
import stripe
from stripe import StripeClient

from billing_project.dev.simulator import Simulator
from tests.integration.simulated import wait_until
from tests.integration.webhook_receiver import SECRET, Receiver

NO_REDIRECT = {"enabled": True, "allow_redirects": "never"}
CARD: Any = {"amount": 100, "currency": "usd", "confirm": True, "automatic_payment_methods": NO_REDIRECT}


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    running = Receiver()
    thread = threading.Thread(target=running.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield running
    running.server.shutdown()
    thread.join()
    running.server.server_close()


def pay(simulator: Simulator, count: int = 1) -> list[str]:
    """So many successful PaymentIntents: three events each."""
    client = StripeClient("sk_test_1", base_addresses={"api": simulator.url}, max_network_retries=0)
    body: Any = CARD | {"payment_method": "pm_1", "off_session": True}
    return [client.v1.payment_intents.create(body).id for _ in range(count)]


def settled(simulator: Simulator) -> list[dict[str, Any]]:
    """Every try, once nothing is under way any more."""
    wait_until(lambda: not simulator.control.webhooks()["under_way"])
    tries: list[dict[str, Any]] = simulator.control.webhooks()["tries"]
    return tries


THREE = ["payment_intent.created", "charge.succeeded", "payment_intent.succeeded"]


def test_the_sdk_believes_what_is_sent(simulator: Simulator, receiver: Receiver) -> None:
    """Stripe's own code verifies the signature over the raw body; another secret's it refuses."""
    simulator.control.set_webhooks(url=receiver.url, secret=SECRET)
    [intent] = pay(simulator)
    settled(simulator)
    assert sorted(receiver.types()) == sorted(THREE)
    for _, body, header in receiver.came:
        event = stripe.Webhook.construct_event(body, header, SECRET)
        assert event.id in simulator.ledger.events
        with pytest.raises(stripe.SignatureVerificationError):
            stripe.Webhook.construct_event(body, header, "whsec_another")
    assert intent in {json.loads(body)["data"]["object"]["id"] for _, body, _ in receiver.came}


def test_two_secrets_sign_both(simulator: Simulator, receiver: Receiver) -> None:
    """While one is replaced, either verifies."""
    simulator.control.set_webhooks(url=receiver.url, secret="whsec_old,whsec_new")
    pay(simulator)
    settled(simulator)
    for _, body, header in receiver.came:
        for secret in ("whsec_old", "whsec_new"):
            assert stripe.Webhook.construct_event(body, header, secret)


def test_late(simulator: Simulator, receiver: Receiver) -> None:
    """Not before the time; the caller's answer doesn't wait for it."""
    simulator.control.set_webhooks(url=receiver.url, secret=SECRET, late=0.4)
    began = time.monotonic()
    pay(simulator)
    assert not receiver.came
    settled(simulator)
    assert min(at for at, _, _ in receiver.came) - began >= 0.4


def test_twice(simulator: Simulator, receiver: Receiver) -> None:
    """The same event under the same id."""
    simulator.control.set_webhooks(url=receiver.url, secret=SECRET, twice=True)
    pay(simulator)
    settled(simulator)
    ids = [json.loads(body)["id"] for _, body, _ in receiver.came]
    assert len(ids) == 6
    assert len(set(ids)) == 3


def test_out_of_order(simulator: Simulator, receiver: Receiver) -> None:
    """A window of events is gathered and mixed up; a window that never fills is sent nevertheless."""
    simulator.control.set_webhooks(url=receiver.url, secret=SECRET, shuffle=12)
    pay(simulator, 5)
    settled(simulator)
    assert sorted(receiver.types()) == sorted(THREE * 5)
    assert receiver.types() != THREE * 5


@pytest.mark.parametrize(("lost", "come"), [(1.0, 0), (0.5, None), (0.0, 30)])
def test_lost(simulator: Simulator, receiver: Receiver, lost: float, come: int | None) -> None:
    """All, some or none; the ledger has them all the same."""
    simulator.control.set_webhooks(url=receiver.url, secret=SECRET, lost=lost)
    pay(simulator, 10)
    settled(simulator)
    assert len(receiver.came) == come if come is not None else 0 < len(receiver.came) < 30
    assert len(simulator.ledger.events) == 30


def test_only_some_types(simulator: Simulator, receiver: Receiver) -> None:
    """As an endpoint at Stripe is configured."""
    simulator.control.set_webhooks(url=receiver.url, secret=SECRET, types=["charge.succeeded"])
    pay(simulator)
    settled(simulator)
    assert receiver.types() == ["charge.succeeded"]


def test_what_is_not_taken_is_sent_again(simulator: Simulator, receiver: Receiver) -> None:
    """After 4xx and 5xx alike; a redirect isn't followed; each try is signed anew."""
    receiver.answers = [500, 400, 302]
    simulator.control.set_webhooks(url=receiver.url, secret=SECRET, types=["charge.succeeded"])
    pay(simulator)
    assert [one["status"] for one in settled(simulator)] == [500, 400, 302, 200]
    assert len({body for _, body, _ in receiver.came}) == 1


def test_an_endpoint_that_is_away_is_given_up_in_the_end(simulator: Simulator, receiver: Receiver) -> None:
    """A few tries, and nobody else waits meanwhile."""
    gone = receiver.url.replace("/hook", "").rsplit(":", 1)[0] + ":9"
    simulator.control.set_webhooks(url=gone, secret=SECRET, types=["charge.succeeded"])
    pay(simulator)
    simulator.control.set_webhooks(url=receiver.url, secret=SECRET, types=["charge.succeeded"])
    pay(simulator)
    assert [one["status"] for one in settled(simulator)].count(0) == 6
    assert receiver.types() == ["charge.succeeded"]


def test_a_foreign_event_and_one_sent_before(simulator: Simulator, receiver: Receiver) -> None:
    """About anything, of any account and mode, under any id; over HTTP as well."""
    simulator.control.set_webhooks(url=receiver.url, secret=SECRET)
    about = {"id": "pi_foreign", "object": "payment_intent", "status": "succeeded"}
    sent = simulator.control.send_event(
        type="payment_intent.succeeded", object=about, livemode=True, account="acct_other"
    )
    again = {"type": "payment_intent.succeeded", "object": about, "id": sent["id"]}
    assert requests.post(f"{simulator.url}/_control/events", json=again, timeout=5).status_code == 200
    settled(simulator)
    first, second = (json.loads(body) for _, body, _ in receiver.came)
    assert first["id"] == second["id"] == sent["id"]
    assert (first["account"], first["livemode"], first["data"]["object"]) == ("acct_other", True, about)
    assert stripe.Webhook.construct_event(receiver.came[0][1], receiver.came[0][2], SECRET)


def test_what_waits_is_told_too(simulator: Simulator, receiver: Receiver) -> None:
    """The customer acts by control, and the event of that is sent from there."""
    simulator.control.add_payment_method(id="pm_slow", behaviour="processing")
    client = StripeClient("sk_test_1", base_addresses={"api": simulator.url}, max_network_retries=0)
    body: Any = CARD | {"payment_method": "pm_slow"}
    intent = client.v1.payment_intents.create(body).id
    simulator.control.set_webhooks(url=receiver.url, secret=SECRET)
    simulator.control.resolve(payment_intent=intent)
    settled(simulator)
    assert "payment_intent.succeeded" in receiver.types()


def test_refunds_and_disputes_are_sent_late_twice_and_out_of_order(simulator: Simulator, receiver: Receiver) -> None:
    """What nobody here asked for is told like the rest, signed, with Stripe's objects."""
    [intent] = pay(simulator)
    simulator.control.set_webhooks(url=receiver.url, secret=SECRET, late=0.1, twice=True, shuffle=12)
    refund = simulator.control.refund(payment_intent=intent, amount=40)
    simulator.control.resolve_refund(refund=refund["id"], outcome="failed")
    dispute = simulator.control.dispute(payment_intent=intent)
    settled(simulator)
    told = {(e.type, e.data.object.to_dict()["id"]) for e in map(receiver.verify, receiver.came)}
    charge = dispute["charge"]
    about_refund = ("refund.created", "refund.updated", "refund.failed", "charge.refund.updated")
    about_dispute = ("charge.dispute.created", "charge.dispute.funds_withdrawn")
    expected = [*((kind, refund["id"]) for kind in about_refund), *((kind, dispute["id"]) for kind in about_dispute)]
    assert told == {*expected, ("charge.refunded", charge)}
    assert len(receiver.came) == 14
    in_order = [
        event.id for event in simulator.ledger.events if event.type not in THREE and event.type in receiver.types()
    ]
    assert [json.loads(body)["id"] for _, body, _ in receiver.came] != [one for one in in_order for _ in range(2)]


def test_reset_and_no_url_end_it(simulator: Simulator, receiver: Receiver) -> None:
    """What is on its way is forgotten, and nothing more is sent."""
    simulator.control.set_webhooks(url=receiver.url, secret=SECRET, late=0.2)
    pay(simulator)
    simulator.control.reset()
    assert simulator.control.webhooks() == {"under_way": 0, "tries": []}
    pay(simulator)
    simulator.control.set_webhooks(url=receiver.url, secret=SECRET)
    simulator.control.set_webhooks()
    pay(simulator)
    simulator.control.set_webhooks(url=receiver.url, secret=SECRET, late=0.3)
    pay(simulator)
    settled(simulator)
    assert sorted(receiver.types()) == sorted(THREE)


@pytest.mark.parametrize(
    "fields",
    [
        {"url": "ftp://x", "secret": SECRET},
        {"url": "http://x"},
        {"url": "http://x", "secret": " , "},
        {"url": "http://x", "secret": SECRET, "late": -1},
        {"url": "http://x", "secret": SECRET, "lost": 2},
        {"url": "http://x", "secret": SECRET, "shuffle": 0},
        {"url": "http://x", "secret": SECRET, "early": 1},
    ],
)
def test_a_misspelt_destination_is_refused(simulator: Simulator, fields: dict[str, Any]) -> None:
    """A script that can't work must not look like one that does."""
    assert requests.post(f"{simulator.url}/_control/webhooks", json=fields, timeout=5).status_code == 400


def test_as_a_process_it_takes_the_destination_from_the_command_line(receiver: Receiver) -> None:
    """And keeps it over a reset."""
    command = [sys.executable, "-m", "billing_project.dev.simulator", "--port", "0"]
    command += ["--webhook-url", receiver.url, "--webhook-secret", SECRET]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().split()[-1]
        requests.post(f"{url}/_control/reset", timeout=5).raise_for_status()
        client = StripeClient("sk_test_1", base_addresses={"api": url}, max_network_retries=0)
        client.v1.customers.create({})
        wait_until(lambda: receiver.types() == ["customer.created"])
        process.terminate()
        assert process.wait(timeout=10) == 0
    assert stripe.Webhook.construct_event(receiver.came[0][1], receiver.came[0][2], SECRET)
