"""Who is a duplicate: every cell of the table, and the three rules before it, in their order."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from payments.intake.judge import Action, Judgement, Known, judge
from payments.intake.requests import PaymentRequest

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
LATER = NOON + timedelta(milliseconds=1)

REQUEST = PaymentRequest(
    subscription="sub_1",
    subscription_as_sent="sub_1",
    user_id="u_1",
    user_as_sent={"id": "u_1", "email": "a@b.kz"},
    email="a@b.kz",
    price=Decimal(100),
    amount=10_000,
    currency="KZT",
    payment_method="pm_1",
    customer=None,
)
NOTHING_KNOWN = Known(judged_until=None)
PENDING = Known(
    judged_until=NOON,
    status="pending",
    fingerprint=REQUEST.fingerprint,
    payment_method=REQUEST.payment_method,
)
PAID = replace(PENDING, status="success")
FAILED = replace(PENDING, status="failed", kind="soft")
CLOSED = replace(PENDING, status="failed", kind="hard", closed=True)

# How a second event may differ from the first.
SAME: dict[str, Any] = {}
OTHER_METHOD = {"payment_method": "pm_2"}
OTHER_AMOUNT = {"amount": 10_001}
OTHER_CURRENCY = {"currency": "USD"}
OTHER_USER = {"user_id": "u_2"}
OTHER_AMOUNT_AND_METHOD = OTHER_AMOUNT | OTHER_METHOD

Cell = tuple[str, Action]
DUPLICATE: Cell = ("duplicate", Action.NOTHING)
METHOD_KEPT: Cell = ("duplicate", Action.KEEP_METHOD)
CONFLICT: Cell = ("conflict", Action.NOTHING)
NEW_ATTEMPT: Cell = ("accepted", Action.NEW_ATTEMPT)
REFUSED: Cell = ("accepted", Action.REFUSED_ATTEMPT)
NEW_PAYMENT: Cell = ("accepted", Action.NEW_PAYMENT)

COLUMNS = {
    "same": SAME,
    "other method": OTHER_METHOD,
    "other amount": OTHER_AMOUNT,
    "other currency": OTHER_CURRENCY,
    "other user": OTHER_USER,
    "other amount and method": OTHER_AMOUNT_AND_METHOD,
}
ROWS: dict[str, tuple[Known, tuple[Cell, ...]]] = {
    "none": (NOTHING_KNOWN, (NEW_PAYMENT,) * 6),
    "judged, none": (Known(judged_until=NOON), (NEW_PAYMENT,) * 6),
    "success": (PAID, (DUPLICATE, DUPLICATE, CONFLICT, CONFLICT, CONFLICT, CONFLICT)),
    "pending": (PENDING, (DUPLICATE, METHOD_KEPT, CONFLICT, CONFLICT, CONFLICT, CONFLICT)),
    "failed": (FAILED, (NEW_ATTEMPT, NEW_ATTEMPT, CONFLICT, CONFLICT, CONFLICT, CONFLICT)),
    "failed for good": (replace(FAILED, kind="hard"), (REFUSED, NEW_ATTEMPT, CONFLICT, CONFLICT, CONFLICT, CONFLICT)),
    "action required": (
        replace(FAILED, kind="action"),
        (NEW_ATTEMPT, NEW_ATTEMPT, CONFLICT, CONFLICT, CONFLICT, CONFLICT),
    ),
    "closed": (CLOSED, (NEW_PAYMENT,) * 6),
}
CELLS = [
    pytest.param(known, changes, cell, id=f"{row}, {column}")
    for row, (known, cells) in ROWS.items()
    for (column, changes), cell in zip(COLUMNS.items(), cells, strict=True)
]


def judged(known: Known, *, at: datetime = LATER, event_seen_for: str | None = None, **changes: Any) -> Judgement:
    """What becomes of the request with these changes."""
    return judge(request=replace(REQUEST, **changes), at=at, known=known, event_seen_for=event_seen_for)


@pytest.mark.parametrize(("known", "changes", "cell"), CELLS)
def test_each_cell_of_the_table(known: Known, changes: dict[str, Any], cell: Cell) -> None:
    """A payment that is paid or under way is never charged again, whatever an event says."""
    judgement = judged(known, **changes)
    assert (judgement.verdict, judgement.action) == cell


@pytest.mark.parametrize(("known", "changes", "cell"), CELLS)
def test_a_record_that_is_not_newer_charges_nobody(known: Known, changes: dict[str, Any], cell: Cell) -> None:
    """A rewind to the start: the same time or an earlier one is a duplicate in every cell, and keeps nothing."""
    known = replace(known, judged_until=NOON)
    for at in (NOON, NOON - timedelta(microseconds=1), NOON - timedelta(days=365)):
        judgement = judged(known, at=at, **changes)
        assert (judgement.verdict, judgement.action) == DUPLICATE
        assert judgement.reason == "a record as new as this one has been judged"
    assert judged(known, at=NOON + timedelta(microseconds=1), **changes).verdict == cell[0]


@pytest.mark.parametrize(("known", "changes", "cell"), CELLS)
def test_a_known_event_id_is_a_duplicate_in_every_cell(known: Known, changes: dict[str, Any], cell: Cell) -> None:
    """The producer itself says that this is the same event, at another place and time, a later or an earlier one."""
    for at in (LATER, NOON, NOON - timedelta(days=365)):
        judgement = judged(known, at=at, event_seen_for="sub_1", **changes)
        assert (judgement.verdict, judgement.action) == DUPLICATE
        assert judgement.reason == "its event id is known"


@pytest.mark.parametrize("known", [NOTHING_KNOWN, PENDING, PAID, FAILED, CLOSED])
def test_an_event_id_of_another_subscription_is_shown_to_a_person(known: Known) -> None:
    """A producer that uses ids twice must not make us lose a payment as a duplicate."""
    judgement = judged(known, event_seen_for="sub_2")
    assert (judgement.verdict, judgement.action) == CONFLICT
    assert judgement.reason.startswith("ce_id: is the id of an event of subscription sub_2")


@pytest.mark.parametrize("known", [Known(judged_until=NOON), PENDING, PAID, FAILED, CLOSED])
@pytest.mark.parametrize("at", [NOON, NOON - timedelta(days=365)])
def test_a_rewind_shows_nobody_the_event_ids_that_were_used_twice(known: Known, at: datetime) -> None:
    """What has been judged once is a duplicate: a conflict of last year's must not come up again."""
    judgement = judged(known, at=at, event_seen_for="sub_2")
    assert (judgement.verdict, judgement.action) == DUPLICATE
    assert judgement.reason == "a record as new as this one has been judged"


@pytest.mark.parametrize(
    ("known", "changes", "reason"),
    [
        (PAID, OTHER_AMOUNT, "product.price: differs from the payment of this subscription, which is success"),
        (PENDING, OTHER_CURRENCY, "product.currency: differs from the payment of this subscription, which is pending"),
        (FAILED, OTHER_USER, "user.id: differs from the payment of this subscription, which is failed"),
        (
            PAID,
            OTHER_AMOUNT | OTHER_CURRENCY | OTHER_USER,
            "product.price, product.currency, user.id: differs from the payment of this subscription, which is success",
        ),
    ],
)
def test_a_conflict_names_what_differs_and_what_to_do(known: Known, changes: dict[str, Any], reason: str) -> None:
    """Names and not values: whoever reads it may not be allowed to see personal data."""
    assert judged(known, **changes).reason == f"{reason}: correct the event, or close the payment first"


@pytest.mark.parametrize(
    ("known", "reason"), [(PAID, "the subscription is paid"), (PENDING, "its payment is under way")]
)
def test_a_duplicate_says_of_what(known: Known, reason: str) -> None:
    """Every verdict but `accepted` has a reason."""
    assert judged(known).reason == reason


def test_what_was_declined_for_good_is_refused_with_an_answer() -> None:
    """Somebody asked and waits: the refusal is recorded and told, not dropped as a duplicate."""
    refusal = judged(replace(FAILED, kind="hard")).refusal
    assert refusal is not None
    assert refusal.code == "declined_for_good"


@pytest.mark.parametrize("known", [NOTHING_KNOWN, PENDING, PAID, FAILED, CLOSED])
def test_only_a_refusal_carries_one(known: Known) -> None:
    """All others go ahead or end without one."""
    assert judged(known).refusal is None


@pytest.mark.parametrize("changes", [{"email": "new@b.kz"}, {"customer": "cus_1"}, {"price": Decimal("100.00")}])
def test_what_is_not_in_the_fingerprint_makes_no_conflict(changes: dict[str, Any]) -> None:
    """An e-mail address may change between two events that wish the same."""
    assert judged(PAID, **changes).verdict == "duplicate"
