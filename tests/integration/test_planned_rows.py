"""What one look at the rows plans for each payment: the calls, and who goes first."""

from datetime import timedelta
from typing import Any

import pytest

from payments.charging.turns import plan
from payments.limits import Endpoint, Priority, Wish
from tests.integration.ledger_rows import FAILED, NOW, attempt, payment, restoring

pytestmark = pytest.mark.django_db
SECOND = timedelta(seconds=1)
BOUND: dict[str, Any] = {"intent_id": "pi_1", "intent_customer": "cus_1", "account_id": "acct_1", "livemode": False}


def planned(of_payment: dict[str, Any], of_attempt: dict[str, Any] | None = None) -> Wish | None:
    """Of the only payment there is; None: it has no turn."""
    with restoring():
        row = payment(**of_payment)
        if of_attempt:
            attempt(row, **of_attempt)
    return plan(payment_ids=[row.id], live=True, knows_account=True, now=NOW).get(row.id)


@pytest.mark.parametrize(
    "of_payment",
    [{"due_at": NOW + SECOND}, {"lease_until": NOW + SECOND}, FAILED | {"closed_at": NOW}],
)
def test_what_no_claim_would_take_has_no_turn(of_payment: dict[str, Any]) -> None:
    """Tokens for it would be missing elsewhere."""
    assert planned(of_payment) is None


@pytest.mark.parametrize(
    ("after", "calls"),
    [
        (-SECOND, {Endpoint.CONFIRM}), (timedelta(), {Endpoint.CONFIRM}),
        (SECOND, {Endpoint.RETRIEVE}), (None, {Endpoint.RETRIEVE}),
    ],
)  # fmt: skip
def test_a_failed_payment_is_tried_when_its_retry_has_come_and_looked_at_before(
    after: timedelta | None, calls: set[Endpoint]
) -> None:
    """A retry that is due now has come."""
    retry_at = None if after is None else NOW + after
    found = planned(BOUND | FAILED | {"due_at": NOW, "retry_at": retry_at, "customer": "cus_1"})
    priority = Priority.LOOK if Endpoint.RETRIEVE in calls else Priority.LIVE
    assert found == Wish(calls=frozenset(calls), priority=priority)


@pytest.mark.parametrize(
    ("of_attempt", "priority"),
    [
        ({"state": "sending"}, Priority.LIVE),
        ({"state": "sending", "sent_at": NOW}, Priority.UNKNOWN),
        ({"state": "sending", "in_doubt": True}, Priority.UNKNOWN),
        ({"state": "unknown"}, Priority.UNKNOWN),
        ({"state": "processing"}, Priority.UNKNOWN),
        ({"state": "declined", "ended_at": NOW}, Priority.LIVE),
    ],
)
def test_what_may_have_been_sent_is_asked_about(of_attempt: dict[str, Any], priority: Priority) -> None:
    """Only an open attempt can be in doubt."""
    found = planned(BOUND | {"customer": "cus_1"}, of_attempt)
    assert found is not None
    assert (found.priority, Endpoint.RETRIEVE in found.calls) == (priority, priority is Priority.UNKNOWN)


@pytest.mark.parametrize(("customer", "is_moved"), [("cus_1", False), ("cus_2", True), ("", False), (None, True)])
def test_a_method_of_another_customer_takes_a_token_for_moving_the_intent(customer: str | None, is_moved: bool) -> None:
    """Whose it is may have to be asked first."""
    found = planned(BOUND | {"customer": customer})
    assert found is not None
    assert (Endpoint.UPDATE in found.calls, Endpoint.PAYMENT_METHOD in found.calls) == (is_moved, customer is None)
