"""What only the simulator can do: faults, cards that change their mind, clocks, audits, memory."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import stripe
from stripe import StripeClient

from billing_project.dev.simulator import Latency, Simulator

OFF_SESSION: Any = {"payment_method": "pm_1", "off_session": True}
READ_TIMEOUT = 0.3


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator(seed=1) as running:
        yield running


def client_of(simulator: Simulator, key: str = "sk_test_1") -> StripeClient:
    http = stripe.RequestsClient(timeout=(2, READ_TIMEOUT))
    return StripeClient(key, base_addresses={"api": simulator.url}, http_client=http, max_network_retries=0)


def make(client: StripeClient, subscription: str = "sub_1", **params: Any) -> str:
    body: Any = {
        "amount": 10000,
        "currency": "KZT",
        "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
        "metadata": {"subscription_id": subscription},
    }
    return client.v1.payment_intents.create(body | params).id


def confirm(client: StripeClient, intent: str, key: str | None = None, **params: Any) -> stripe.PaymentIntent:
    options: Any = {"idempotency_key": key} if key else {}
    return client.v1.payment_intents.confirm(intent, OFF_SESSION | params, options)


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("effect", ["before", "after", "none"])
@pytest.mark.parametrize(
    ("kind", "raised"),
    [
        ("status", stripe.APIError),
        ("timeout", stripe.APIConnectionError),
        ("reset", stripe.APIConnectionError),
        ("cut", stripe.APIConnectionError),
        ("garble", stripe.APIError),
    ],
)
def test_a_fault_strikes_before_or_after_the_effect(
    simulator: Simulator, kind: str, raised: type[Exception], effect: str
) -> None:
    """The caller sees the same; only `after` has moved money. It strikes once, and only where it is meant to."""
    client = client_of(simulator)
    intent, other = make(client), make(client, "sub_2")
    simulator.control.add_fault(kind=kind, effect=effect, endpoint="confirm", metadata={"subscription_id": "sub_1"})
    assert confirm(client, other).status == "succeeded"
    with pytest.raises(raised):
        confirm(client, intent)
    assert len(simulator.ledger.successes("sub_1")) == (1 if effect == "after" else 0)
    assert simulator.control.faults()[0]["struck"] == 1
    if effect != "after":
        assert confirm(client, intent).status == "succeeded"


@pytest.mark.parametrize(("effect", "replayed"), [("before", 500), ("after", 500), ("none", 200)])
def test_a_500_is_stored_once_the_endpoint_has_begun(simulator: Simulator, effect: str, replayed: int) -> None:
    """Its key answers 500 for ever after, whether or not the charge was made."""
    client = client_of(simulator)
    intent = make(client)
    simulator.control.add_fault(kind="status", status=500, effect=effect, endpoint="payment_intents.confirm")
    with pytest.raises(stripe.APIError):
        confirm(client, intent, "key")
    if replayed == 200:
        assert confirm(client, intent, "key").status == "succeeded"
        return
    with pytest.raises(stripe.APIError) as again:
        confirm(client, intent, "key")
    assert again.value.headers and again.value.headers["Idempotent-Replayed"] == "true"
    assert len(simulator.ledger.successes("sub_1")) == (1 if effect == "after" else 0)


def test_an_effect_can_come_long_after_the_caller_has_gone(simulator: Simulator) -> None:
    """A time-out `before` with `seconds` goes on when they are over."""
    client = client_of(simulator)
    intent = make(client)
    simulator.control.add_fault(kind="timeout", effect="before", endpoint="confirm", seconds=READ_TIMEOUT + 0.2)
    with pytest.raises(stripe.APIConnectionError):
        confirm(client, intent)
    assert client.v1.payment_intents.retrieve(intent).status == "requires_payment_method"
    wait_until(lambda: len(simulator.ledger.successes("sub_1")) == 1)


def test_a_fault_can_wait_its_turn_and_match_a_payment_method(simulator: Simulator) -> None:
    """`skip` lets requests pass, `count` limits the strikes, `payment_method` says whose."""
    client = client_of(simulator)
    simulator.control.add_fault(
        kind="status", endpoint="confirm", payment_method="pm_1", skip=1, count=2, effect="none"
    )
    statuses = []
    for number in range(4):
        intent = make(client, f"sub_{number}")
        try:
            statuses.append(confirm(client, intent).status)
        except stripe.APIError:
            statuses.append("500")
    assert statuses == ["succeeded", "500", "500", "succeeded"]


def test_a_key_in_use_is_409(simulator: Simulator) -> None:
    """The second of two requests at once with one key is turned away, and the first goes on."""
    client, answers = client_of(simulator), []
    intent = make(client)
    simulator.control.set_latency(ms=READ_TIMEOUT * 500)
    barrier = threading.Barrier(2)

    def send() -> None:
        barrier.wait()
        try:
            answers.append(confirm(client_of(simulator), intent, "key").status)
        except stripe.APIError as error:
            answers.append(f"{error.http_status} {error.error.code if error.error else None}")

    threads = [threading.Thread(target=send) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == ["409 idempotency_key_in_use", "succeeded"]


def test_a_key_is_forgotten_after_a_day(simulator: Simulator) -> None:
    """One second before, the request is replayed; then it is a new one, and makes a second object."""
    client = client_of(simulator)

    def create() -> str:
        body: Any = {"amount": 10000, "currency": "kzt"}
        return client.v1.payment_intents.create(body, {"idempotency_key": "key"}).id

    first = create()
    simulator.control.advance_clock(seconds=24 * 3600 - 60)
    assert create() == first
    simulator.control.advance_clock(seconds=61)
    assert create() != first


def test_a_card_can_change_its_mind(simulator: Simulator) -> None:
    """Declined twice, then it succeeds, and goes on so."""
    client = client_of(simulator)
    declined = {"decline_code": "do_not_honor", "network_advice_code": "02"}
    simulator.control.add_payment_method(
        id="pm_moody", behaviour=[declined, "pm_card_chargeDeclinedInsufficientFunds", "success"], customer="cus_1"
    )
    intent = make(client, customer="cus_1")
    seen = []
    for _ in range(2):
        with pytest.raises(stripe.CardError) as refused:
            confirm(client, intent, payment_method="pm_moody")
        assert refused.value.error
        seen.append((refused.value.error.decline_code, refused.value.error.network_advice_code))
    assert seen == [("do_not_honor", "02"), ("insufficient_funds", None)]
    assert confirm(client, intent, payment_method="pm_moody").status == "succeeded"
    assert [c.status for c in simulator.ledger.charges_of("subscription_id", "sub_1")] == [
        "failed",
        "failed",
        "succeeded",
    ]


@pytest.mark.parametrize("behaviour", ["processing", "authentication"])
@pytest.mark.parametrize(
    ("outcome", "status"), [(None, "succeeded"), ("pm_card_chargeDeclined", "requires_payment_method")]
)
def test_what_waits_can_be_brought_to_an_end(
    simulator: Simulator, behaviour: str, outcome: str | None, status: str
) -> None:
    """The bank decides or the customer acts, by the control endpoint."""
    client = client_of(simulator)
    simulator.control.add_payment_method(id="pm_slow", behaviour=behaviour)
    intent = make(client)
    waiting = client.v1.payment_intents.confirm(intent, {"payment_method": "pm_slow"}).status
    assert waiting == {"processing": "processing", "authentication": "requires_action"}[behaviour]
    assert simulator.control.resolve(payment_intent=intent, outcome=outcome)["status"] == status
    assert client.v1.payment_intents.retrieve(intent).status == status


def test_a_key_can_be_restricted_or_revoked(simulator: Simulator) -> None:
    """403 and 401, until it is accepted again; the account is what it was said to be."""
    client = client_of(simulator, "sk_test_2")
    simulator.control.set_api_key(key="sk_test_2", state="restricted")
    with pytest.raises(stripe.PermissionError):
        make(client)
    simulator.control.set_api_key(key="sk_test_2", state="revoked")
    with pytest.raises(stripe.AuthenticationError):
        make(client)
    simulator.control.set_api_key(key="sk_test_2", state="accepted", account="acct_other")
    assert client.v1.accounts.retrieve_current().id == "acct_other"


def test_the_ledger_knows_who_was_charged_twice(simulator: Simulator) -> None:
    """Two PaymentIntents of one subscription that both succeeded are found, in Python and over HTTP."""
    client = client_of(simulator)
    for subscription in ("sub_1", "sub_2", "sub_1"):
        confirm(client, make(client, subscription))
    assert list(simulator.ledger.twice_charged()) == ["sub_1"]
    assert len(simulator.ledger.successes("sub_2")) == 1
    report = requests.get(f"{simulator.url}/_control/ledger", timeout=5).json()
    assert report["totals"] == {
        "payment_intents": 3,
        "charges": 3,
        "successful_charges": 3,
        "refunds": 0,
        "twice_charged": ["sub_1"],
    }
    assert report["requests"]["payment_intents.confirm"] == {"200": 3}
    one = requests.get(f"{simulator.url}/_control/ledger", params={"subscription_id": "sub_2"}, timeout=5).json()
    assert [i["successful_charges"] for i in one["payment_intents"]] == [1]


def test_what_was_received_can_be_audited(simulator: Simulator) -> None:
    """Every request about a PaymentIntent, with its parameters, key, status, and what befell it."""
    client = client_of(simulator)
    intent = make(client)
    simulator.control.add_fault(kind="reset", endpoint="confirm")
    for _ in range(2):
        try:
            confirm(client, intent, "key")
        except stripe.APIConnectionError:
            continue
    url = f"{simulator.url}/_control/requests"
    seen = requests.get(url, params={"payment_intent": intent}, timeout=5).json()
    told = [(r["endpoint"], r["status"], r["idempotency_key"], r["replayed"], r["fault"]) for r in seen[1:]]
    assert told == [
        ("payment_intents.confirm", 0, "key", False, "reset"),
        ("payment_intents.confirm", 200, "key", True, None),
    ]
    assert seen[1]["params"] == {"payment_method": "pm_1", "off_session": "true"}


def test_control_refuses_what_it_does_not_know(simulator: Simulator) -> None:
    """A misspelt script must not look like one that works."""
    for path, body in {
        "faults": {"kind": "earthquake"},
        "latency": {"milliseconds": 3},
        "payment_methods": {"behavior": "success"},
        "clock": {"seconds": -1},
    }.items():
        assert requests.post(f"{simulator.url}/_control/{path}", json=body, timeout=5).status_code == 400
    assert requests.get(f"{simulator.url}/_control/nothing", timeout=5).status_code == 404
    with pytest.raises(ValueError, match="loopback"):
        Simulator(host="0.0.0.0").start()  # noqa: S104 - it must refuse


def test_latency_lies_around_the_effect(simulator: Simulator) -> None:
    """A caller that gives up early leaves the effect behind it."""
    client = client_of(simulator)
    intent = make(client)
    simulator.control.set_latency(slow_share=1.0, slow_ms=READ_TIMEOUT * 1500)
    with pytest.raises(stripe.APIConnectionError):
        confirm(client, intent)
    assert len(simulator.ledger.successes("sub_1")) == 1


def test_a_journal_survives_a_restart_and_a_torn_line(tmp_path: Path) -> None:
    """Charges, keys and cards are there again; reset empties the journal."""
    journal = tmp_path / "journal.jsonl"
    with Simulator(journal=journal) as before:
        client = client_of(before)
        before.control.add_payment_method(id="pm_moody", behaviour=[{"decline_code": "do_not_honor"}, "success"])
        intent = make(client)
        with pytest.raises(stripe.CardError):
            confirm(client, intent, "declined", payment_method="pm_moody")
        paid = confirm(client, intent, "paid", payment_method="pm_moody")
    with journal.open("a") as file:
        file.write('{"$": "Charge", "id": "ch_torn')
    with Simulator(journal=journal) as after:
        client = client_of(after)
        assert client.v1.payment_intents.retrieve(intent).to_dict() == paid.to_dict()
        assert confirm(client, intent, "paid", payment_method="pm_moody").status == "succeeded"
        with pytest.raises(stripe.CardError):
            confirm(client, intent, "declined", payment_method="pm_moody")
        assert len(after.ledger.successes("sub_1")) == 1
        after.control.reset()
        assert not after.ledger.payment_intents_of("subscription_id", "sub_1")
    assert journal.read_text() == ""


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_as_a_process_it_says_when_it_is_ready_and_ends_with_0(how: signal.Signals) -> None:
    """One line with the URL; then a signal, even while a request is held."""
    command = [sys.executable, "-m", "billing_project.dev.simulator", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        ready = re.fullmatch(r"simulator ready at (http://127\.0\.0\.1:\d+)\n", process.stdout.readline())
        assert ready is not None
        fault = {"kind": "timeout", "endpoint": "account.retrieve", "count": None}
        requests.post(f"{ready[1]}/_control/faults", json=fault, timeout=5).raise_for_status()
        with pytest.raises(requests.ReadTimeout):
            requests.get(f"{ready[1]}/v1/account", auth=("sk_test_1", ""), timeout=READ_TIMEOUT)
        process.send_signal(how)
        assert process.wait(timeout=10) == 0


def test_latency_can_be_given_from_the_start() -> None:
    """The same settings as by control, which reset brings back."""
    with Simulator(latency=Latency(ms=1)) as simulator:
        simulator.control.set_latency(ms=5000)
        simulator.control.reset()
        assert make(client_of(simulator))
