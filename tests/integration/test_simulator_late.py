"""What only the simulator can do: be behind. Charges that follow their 500, and a search that lags."""

from __future__ import annotations

from typing import Any

import pytest
import stripe

from billing_project.dev.simulator import Simulator
from tests.integration.simulated import client_of, confirm, make, wait_until


def test_a_500_can_be_rolled_forward_later(simulator: Simulator) -> None:
    """Answered and stored as a 500 that took nothing; by the clock the charge is made after all, once."""
    client = client_of(simulator)
    intent = make(client)
    simulator.control.add_fault(kind="roll_forward", endpoint="confirm", seconds=600)
    for _ in range(2):
        with pytest.raises(stripe.APIError):
            confirm(client, intent, "key")
    assert client.v1.payment_intents.retrieve(intent).status == "requires_payment_method"
    simulator.control.advance_clock(seconds=598)
    assert not simulator.ledger.successes("sub_1")
    simulator.control.advance_clock(seconds=3)
    assert len(simulator.ledger.successes("sub_1")) == 1
    assert client.v1.payment_intents.retrieve(intent).status == "succeeded"
    with pytest.raises(stripe.APIError) as again:
        confirm(client, intent, "key")
    assert again.value.headers and again.value.headers["Idempotent-Replayed"] == "true"
    assert simulator.control.roll_forward() == []


def test_the_clock_also_goes_by_itself(simulator: Simulator) -> None:
    """Nobody needs to move it, nor to ask, for the effect to come; and who asks finds what is due."""
    client = client_of(simulator)
    intent = make(client)
    simulator.control.add_fault(kind="roll_forward", endpoint="confirm", seconds=0.2)
    with pytest.raises(stripe.APIError):
        confirm(client, intent)
    wait_until(lambda: len(simulator.ledger.successes("sub_1")) == 1)
    moved = make(client, "sub_2")
    simulator.control.add_fault(kind="roll_forward", endpoint="confirm", seconds=60)
    with pytest.raises(stripe.APIError):
        confirm(client, moved)
    simulator.control.advance_clock(seconds=59.8)
    wait_until(lambda: client.v1.payment_intents.retrieve(moved).status == "succeeded")


@pytest.mark.parametrize(
    ("meanwhile", "status"), [("nothing", 200), ("cancel", 400), ("confirm", 400), ("decline", 402)]
)
def test_what_is_rolled_forward_meets_the_object_as_it_is_then(
    simulator: Simulator, meanwhile: str, status: int
) -> None:
    """What was canceled or paid meanwhile isn't charged (again): a PaymentIntent's rules hold for late effects."""
    client = client_of(simulator)
    simulator.control.add_payment_method(
        id="pm_1", behaviour="pm_card_chargeDeclined" if meanwhile == "decline" else "success"
    )
    intent = make(client)
    simulator.control.add_fault(kind="roll_forward", endpoint="confirm")
    with pytest.raises(stripe.APIError):
        confirm(client, intent, "key")
    if meanwhile == "cancel":
        client.v1.payment_intents.cancel(intent)
    elif meanwhile == "confirm":
        confirm(client, intent, "another key")
    told = {"endpoint": "payment_intents.confirm", "payment_intent": intent, "status": status}
    assert simulator.control.roll_forward() == [told]
    assert len(simulator.ledger.successes("sub_1")) == (meanwhile in {"nothing", "confirm"})


def test_an_invalid_request_is_not_rolled_forward(simulator: Simulator) -> None:
    """Parameters are checked first; and a reset forgets what was put off."""
    client = client_of(simulator)
    intent = make(client)
    simulator.control.add_fault(kind="roll_forward", endpoint="confirm", count=None)
    with pytest.raises(stripe.InvalidRequestError):
        confirm(client, intent, foo="bar")
    assert simulator.control.roll_forward() == []
    with pytest.raises(stripe.APIError):
        confirm(client, intent)
    simulator.control.reset()
    assert simulator.control.roll_forward() == []


def test_search_lags_and_never_proves_absence(simulator: Simulator) -> None:
    """What was made is found after a minute of the clock, what was changed still looks as it did before."""
    client = client_of(simulator)
    intent = make(client, metadata={"payment_id": "p_1", "subscription_id": "sub_1"})
    query: Any = {"query": "metadata['payment_id']:'p_1'"}

    def found() -> list[tuple[str, str]]:
        return [(i.id, i.status) for i in client.v1.payment_intents.search(query).data]

    assert found() == []
    assert [i.id for i in client.v1.payment_intents.list().data] == [intent]
    simulator.control.advance_clock(seconds=61)
    assert found() == [(intent, "requires_payment_method")]
    confirm(client, intent)
    assert found() == [(intent, "requires_payment_method")]
    simulator.control.set_search_lag(seconds=0)
    assert found() == [(intent, "succeeded")]
    simulator.control.set_search_lag(seconds=3600)
    other = make(client, metadata={"payment_id": "p_1"})
    simulator.control.advance_clock(seconds=3500)
    assert [i for i, _ in found()] == [intent]
    simulator.control.advance_clock(seconds=101)
    simulator.control.set_search_lag(seconds=7200)
    assert [i for i, _ in found()] == [other, intent]


def test_search_takes_clauses_and_pages(simulator: Simulator) -> None:
    """Metadata and status, joined by AND; a page has a token for the next; what it can't read it refuses."""
    client = client_of(simulator)
    simulator.control.set_search_lag(seconds=0)
    made = [make(client) for _ in range(5)]
    confirm(client, make(client))
    query = "metadata['subscription_id']:'sub_1' AND status:'requires_payment_method'"
    listed = client.v1.payment_intents.search({"query": query, "limit": 2})
    assert (listed.has_more, len(listed.data)) == (True, 2)
    assert [i.id for i in listed.auto_paging_iter()] == made[::-1]
    for bad in ("status:'a' OR status:'b'", "nonsense:'1'", "metadata['a']"):
        with pytest.raises(stripe.InvalidRequestError):
            client.v1.payment_intents.search({"query": bad})
