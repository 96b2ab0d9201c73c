"""Every pair of states that isn't an allowed arrow is refused by the database itself, whatever the code does.

The tables in the migration and in the code are walked pair by pair on real PostgreSQL, so that they can't drift apart.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, models, transaction

from payments.charging.arrows import ARROWS, BEGINNINGS, STATUS_ARROWS
from payments.models import Attempt, Payment, Refund
from payments.refunds.arrows import REFUND_ARROWS
from tests.integration.ledger_rows import FAILED, NOW, PAID, attempt, payment, refund, restoring

pytestmark = pytest.mark.django_db
LATER = NOW + timedelta(hours=1)

PENDING = {"status": "pending", "settled_at": None, "due_at": NOW}
STATUSES: dict[str, dict[str, Any]] = {"pending": PENDING, "success": PAID, "failed": FAILED}


def takes(rows: "models.QuerySet[Any]", **changes: Any) -> bool:
    """Whether the database lets these rows be changed; undone either way."""
    try:
        with transaction.atomic():
            rows.update(**changes)
            transaction.set_rollback(True)
    except IntegrityError as error:
        assert "no arrow leads from" in str(error), "no CHECK stands in its way"
        return False
    return True


def with_same(arrows: Mapping[str, frozenset[str]], states: list[str]) -> set[tuple[str, str]]:
    """The pairs that the code knows; a row may also be written without being moved."""
    return {(source, target) for source in states for target in arrows.get(source, frozenset()) | {source}}


def test_payments_move_along_the_arrows_and_no_others() -> None:
    """Every pair of statuses, for an open payment."""
    taken = set()
    row = payment(intent_id="pi_1")
    for source, before in STATUSES.items():
        with restoring():
            Payment.objects.filter(id=row.id).update(**before)
        taken |= {(source, to) for to, after in STATUSES.items() if takes(Payment.objects.filter(id=row.id), **after)}
    assert taken == with_same(STATUS_ARROWS, list(STATUSES))


def test_no_arrow_leaves_a_closed_payment() -> None:
    """P1: the proof's ground. Nor does it get a PaymentIntent, another end, or an opening."""
    row = payment(**FAILED | {"closed_at": NOW})
    closed = Payment.objects.filter(id=row.id)
    assert [to for to, fields in STATUSES.items() if takes(closed, **fields)] == ["failed"]
    for changes in ({"closed_at": None}, {"closed_at": LATER}, {"intent_id": "pi_late"}):
        with pytest.raises(IntegrityError, match="a closed payment is closed for good"), transaction.atomic():
            closed.update(**changes)
    with pytest.raises(IntegrityError, match="payment_closed_rests"), transaction.atomic():
        closed.update(due_at=LATER)
    assert closed.update(attention="look", lease_until=None) == 1, "what is no state may be written"


def test_closing_and_failing_is_one_step() -> None:
    """A `canceled` found by a look closes and fails at once."""
    row = payment(intent_id="pi_1")
    assert Payment.objects.filter(id=row.id).update(**FAILED | {"closed_at": NOW}) == 1


def state_fields(state: str, still_open: tuple[str, ...]) -> dict[str, Any]:
    """A state with the timestamp that it needs."""
    return {"state": state, "ended_at": None if state in still_open else NOW}


def test_attempts_move_along_the_arrows_and_no_others() -> None:
    """Every pair of states."""
    states = [state.value for state in Attempt.State]
    taken = set()
    row = attempt(payment())
    mine = Attempt.objects.filter(id=row.id)
    for source in states:
        with restoring():
            mine.update(**state_fields(source, Attempt.OPEN))
        taken |= {(source, target) for target in states if takes(mine, **state_fields(target, Attempt.OPEN))}
    assert taken == with_same(ARROWS, states)


def test_an_attempt_begins_before_stripe_or_is_refused() -> None:
    """Nothing can be proven of what was never sent."""
    of, begun = payment(), set()
    for state in Attempt.State:
        try:
            with transaction.atomic():
                attempt(of, **state_fields(state, Attempt.OPEN))
                begun.add(state.value)
                transaction.set_rollback(True)
        except IntegrityError as error:
            assert f"no arrow leads from nothing to {state}" in str(error)
    assert begun == BEGINNINGS


def test_refunds_move_along_the_arrows_and_no_others() -> None:
    """Every pair of states."""
    states = [state.value for state in Refund.State]
    taken = set()
    row = refund(refund_id="re_1")
    mine = Refund.objects.filter(id=row.id)
    for source in states:
        with restoring():
            mine.update(**state_fields(source, Refund.OPEN))
        taken |= {(source, target) for target in states if takes(mine, **state_fields(target, Refund.OPEN))}
    assert taken == with_same(REFUND_ARROWS, states)


def test_a_refusal_names_where_from_and_where_to() -> None:
    """Whoever reads the log can tell what was tried, and finds no customer's data there."""
    row = payment(**PAID)
    with pytest.raises(IntegrityError) as refused:
        Payment.objects.filter(id=row.id).update(**FAILED | {"email": "a@b.kz"})
    [sentence, *_] = str(refused.value).splitlines()
    assert sentence == (
        f"payments_payment of {row.id}: no arrow leads from success to failed: "
        "success never changes, and nothing comes from nowhere"
    )
    assert "a@b.kz" not in str(refused.value)
