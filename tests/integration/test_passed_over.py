"""Who asked just now, and was passed over: the sweep rings for them as live while workers are at their limit."""

from datetime import timedelta
from typing import Any

import pytest

from payments import charging
from payments.charging.due import GRACE, WAITED_FOR
from tests.integration.ledger_rows import FAILED, NOW, payment, restoring

pytestmark = pytest.mark.django_db
MOMENT = timedelta(microseconds=1)


@pytest.mark.parametrize(
    ("changes", "is_found"),
    [
        ({}, True),
        ({"due_at": NOW - GRACE}, True),
        ({"due_at": NOW - GRACE + MOMENT}, False),
        ({"due_at": NOW - WAITED_FOR}, False),
        ({"created_at": NOW - WAITED_FOR}, False),
        ({"created_at": NOW - WAITED_FOR + MOMENT, "due_at": NOW - WAITED_FOR + MOMENT}, True),
        ({"lease_until": NOW}, True),
        ({"lease_until": NOW + MOMENT}, False),
        ({"deliveries": 1}, True),
        ({"deliveries": 2}, False),
        ({"intent_id": "pi_1", "livemode": False}, False),
        (FAILED | {"due_at": NOW - GRACE}, False),
    ],
)
def test_who_was_passed_over_asked_just_now_and_was_never_tried(changes: dict[str, Any], is_found: bool) -> None:
    """All others have time, or have killed their worker."""
    asked = {"created_at": NOW - timedelta(seconds=20), "due_at": NOW - timedelta(seconds=20)}
    with restoring():
        row = payment(**asked | changes)
    assert charging.find_passed_over(limit=10, now=NOW) == ([row.id] if is_found else [])


def test_of_those_who_were_passed_over_the_longest_due_come_first() -> None:
    """And no more than asked for."""
    ids = []
    for number in range(3):
        with restoring():
            ids.append(payment(subscription_id=f"sub_{number}", due_at=NOW - timedelta(seconds=10 + number)).id)
    assert charging.find_passed_over(limit=2, now=NOW) == [ids[2], ids[1]]
