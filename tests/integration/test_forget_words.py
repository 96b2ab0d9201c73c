"""What is blanked where a user is forgotten: pieces of texts and of JSON that came of them, and nothing that didn't."""

from typing import Any

import pytest

from payments import charging, outbox, retention
from payments.gateway import Gateway
from payments.models import Erasure, Payment, Transition
from tests.conftest import Clock
from tests.integration.events import accept, event, record
from tests.integration.forgetting import CANARY, forget

pytestmark = pytest.mark.django_db


@pytest.fixture
def paid(clock: Clock, stripe_gateway: Gateway) -> Payment:
    """Of a user of whom the shop sends more than texts."""
    sent: dict[str, Any] = event("sub_1", user="u_canary")
    sent["user"] |= {"email": CANARY, "marketing": True, "age": 44, "house": 10_001, "middleName": None}
    accept(record(sent, at=clock()), now=clock())
    payment = Payment.objects.get()
    charging.charge(payment_ids=[payment.id], gateway=stripe_gateway, clock=clock)
    outbox.mark_published(ids=[row.id for row in outbox.waiting(limit=100)], now=clock())
    return Payment.objects.get()


def test_json_is_blanked_within_and_keeps_its_form(clock: Clock, paid: Payment) -> None:
    """Lists and objects, at any depth; numbers that are none of the user's stay numbers."""
    Transition.objects.create(
        payment=paid, from_status="success", to_status="success", who="staff: aida", why="wrote", at=clock(),
        evidence={"to": [CANARY, {"also": f"x {CANARY}", "tries": 7}], "sent": True, "none": None},
    )  # fmt: skip
    assert isinstance(forget(clock), retention.Forgotten)
    assert Transition.objects.get(why="wrote").evidence == {
        "to": ["[erased]", {"also": "x [erased]", "tries": 7}], "sent": True, "none": None,
    }  # fmt: skip


def test_what_is_too_short_or_no_word_blanks_nothing_and_a_number_does(clock: Clock, paid: Payment) -> None:
    """Half of any sentence would be gone; a house's number may be all that it takes to find somebody."""
    Transition.objects.create(
        payment=paid, from_status="success", to_status="success", who="staff: aida", at=clock(),
        why="True: None of the 44 tenge went to house 10001",
    )  # fmt: skip
    forget(clock)
    assert Transition.objects.latest("id").why == "True: None of the 44 tenge went to house [erased]"
    assert Payment.objects.get().user_as_sent == {"id": "u_canary"}


@pytest.mark.parametrize(("who", "why"), [("", "asked by letter"), ("staff: aida", " \n")])
def test_nobody_is_forgotten_without_a_name_and_a_reason(clock: Clock, paid: Payment, who: str, why: str) -> None:
    """It can't be undone, and the row that says who did it is all that is left."""
    with pytest.raises(ValueError, match="who erases says why"):
        retention.forget(user_id="u_canary", who=who, why=why, now=clock())
    assert Payment.objects.get().email == CANARY
    assert not Erasure.objects.exists()
