"""What only the simulator can do: cards that change their mind, audits, memory, a process of its own."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import requests
import stripe

from billing_project.dev.simulator import Latency, Simulator
from tests.integration.simulated import READ_TIMEOUT, client_of, confirm, make


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


def test_whoever_shares_its_network_cannot_rewrite_history() -> None:
    """As the simulator of a first run in compose: Stripe's part is there, the control endpoint is not."""
    command = [sys.executable, "-m", "billing_project.dev.simulator", "--share-network", "--port", "0"]
    with subprocess.Popen(command, cwd=Path(__file__).parents[2], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            url = f"http://127.0.0.1:{process.stdout.readline().strip().rsplit(':', 1)[1]}"
            headers = {"Authorization": "Bearer sk_test_1"}
            assert requests.get(f"{url}/v1/payment_intents", headers=headers, timeout=5).status_code == 200
            assert requests.get(f"{url}/_control/ledger", headers=headers, timeout=5).status_code == 404
            assert requests.post(f"{url}/_control/reset", headers=headers, json={}, timeout=5).status_code == 404
        finally:
            process.terminate()


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
