"""The file of what the replaced service has charged: each line is understood, or is told by what is wrong with it."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from payments.intake.paid_before import read_paid

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
GOOD = {
    "subId": "sub_1", "price": 100, "currency": "KZT", "transactionId": "pi_1", "paidAt": "2026-01-30T12:00:00Z",
    "userId": "u_1",
}  # fmt: skip


def problem_of(**changes: Any) -> str:
    """What is said of a line with these changes; nothing of it is imported."""
    paid, problems = read_paid(lines=[json.dumps(GOOD | changes)], price_unit="major", now=NOW)
    assert paid == []
    [problem] = problems
    assert problem.line == 1
    return problem.text


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"subId": ""}, "subId: must be text"),
        ({"subId": "  "}, "subId: must be text"),
        ({"subId": True}, "subId: must be text"),
        ({"userId": 1.5}, "userId: must be text"),
        ({"email": ["a@b.kz"]}, "email: must be text"),
        ({"subId": "s" * 256}, "subId: must have at most 255 characters, and no control characters"),
        ({"userId": "u\u0000"}, "userId: must have at most 255 characters, and no control characters"),
    ],
)
def test_an_id_that_no_event_could_have_is_refused(changes: dict[str, Any], text: str) -> None:
    """It would never be met again, and the customer be charged once more."""
    assert problem_of(**changes) == text


def test_an_id_keeps_its_type() -> None:
    """It goes out again as it is written."""
    paid, problems = read_paid(lines=[json.dumps(GOOD | {"subId": 7, "userId": "7"})], price_unit="major", now=NOW)
    assert problems == []
    assert (paid[0].subscription, paid[0].subscription_as_sent, paid[0].user_as_sent) == ("7", 7, {"id": "7"})
