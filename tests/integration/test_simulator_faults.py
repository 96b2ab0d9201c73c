"""What only the simulator can do: fail in every way, before and after the effect, at will."""

from __future__ import annotations

import threading
from typing import Any

import pytest
import stripe

from billing_project.dev.simulator import Simulator
from tests.integration.simulated import READ_TIMEOUT, client_of, confirm, make, wait_until


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


def test_latency_lies_around_the_effect(simulator: Simulator) -> None:
    """A caller that gives up early leaves the effect behind it."""
    client = client_of(simulator)
    intent = make(client)
    simulator.control.set_latency(slow_share=1.0, slow_ms=READ_TIMEOUT * 1500)
    with pytest.raises(stripe.APIConnectionError):
        confirm(client, intent)
    assert len(simulator.ledger.successes("sub_1")) == 1


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


@pytest.mark.parametrize(
    ("kind", "raised", "status", "code"),
    [
        ("rate_limit", stripe.RateLimitError, 429, "rate_limit"),
        ("lock_timeout", stripe.RateLimitError, 429, "lock_timeout"),
        ("conflict", stripe.APIError, 409, "idempotency_key_in_use"),
    ],
)
def test_what_was_turned_away_was_not_executed_and_is_not_stored(
    simulator: Simulator, kind: str, raised: type[stripe.StripeError], status: int, code: str
) -> None:
    """429 and 409 leave no trace: the same request under the same key runs afterwards."""
    client = client_of(simulator)
    intent = make(client)
    simulator.control.add_fault(kind=kind, endpoint="confirm")
    with pytest.raises(raised) as turned_away:
        confirm(client, intent, "key")
    error = turned_away.value.error
    assert (turned_away.value.http_status, error and error.code) == (status, code)
    assert not simulator.ledger.charges_of("subscription_id", "sub_1")
    paid = confirm(client, intent, "key")
    assert paid.status == "succeeded"
    assert paid.last_response and "Idempotent-Replayed" not in paid.last_response.headers


@pytest.mark.parametrize(("kind", "struck"), [("rate_limit", 1), ("lock_timeout", 0), ("conflict", 0)])
def test_a_stored_answer_needs_no_lock(simulator: Simulator, kind: str, struck: int) -> None:
    """Only the limit of requests stands before a replay; a lock or a key in use can't be in its way."""
    client = client_of(simulator)
    intent = make(client)
    confirm(client, intent, "key")
    simulator.control.add_fault(kind=kind, endpoint="confirm")
    try:
        assert confirm(client, intent, "key").status == "succeeded"
    except stripe.RateLimitError:
        assert struck
    assert simulator.control.faults()[0]["struck"] == struck
