"""Every pair of states that isn't an allowed arrow is refused by the database itself, whatever the code does.

The tables in the migration and in the code are walked pair by pair on real PostgreSQL, so that they can't drift apart.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection, models, transaction

from payments.charging.arrows import ARROWS, BEGINNINGS, STATUS_ARROWS
from payments.models import Attempt, Payment, Refund, Subscription
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


@pytest.mark.parametrize(
    "changes", [{"intent_id": "pi_2"}, {"intent_id": None}, {"account_id": "acct_2"}, {"livemode": True}], ids=str
)
def test_what_is_bound_is_bound_for_good(changes: dict[str, Any]) -> None:
    """P1: one payment, one PaymentIntent, in one account."""
    row = payment()
    mine = Payment.objects.filter(id=row.id)
    assert mine.update(intent_id="pi_1") == 1
    assert mine.update(account_id="acct_1", livemode=False) == 1, "may become known later"
    with pytest.raises(IntegrityError, match="what is bound is bound for good"):
        mine.update(**changes)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("id", "00000000-0000-0000-0000-000000000001"),
        ("subscription_id", "sub_2"),
        ("number", 2),
        ("price", 1),
        ("amount", 1),
        ("currency", "USD"),
        ("user_id", "another"),
        ("created_at", LATER),
    ],
)
def test_what_a_payment_is_for_never_changes(column: str, value: object) -> None:
    """P1, P3: what is charged is what was asked for."""
    row = payment()
    Subscription.objects.create(id="sub_2")
    with pytest.raises(IntegrityError, match=f": {column}: never changes"):
        Payment.objects.filter(id=row.id).update(**{column: value})


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


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("id", 999_999),
        ("number", 2),
        ("request", {"payment_method": "pm_2"}),
        ("created_at", LATER),
    ],
)
def test_what_an_attempt_sends_never_changes(column: str, value: object) -> None:
    """P3: what is in doubt is sent again byte for byte, so its decline can be believed."""
    row = attempt(payment(), request={"payment_method": "pm_1"})
    with pytest.raises(IntegrityError, match=f": {column}: never changes"):
        Attempt.objects.filter(id=row.id).update(**{column: value})


def test_an_attempt_never_goes_over_to_another_payment() -> None:
    """Its answer would settle what it isn't about."""
    row = attempt(payment(number=1, closed_at=NOW, **FAILED))
    other = payment(number=2)
    with pytest.raises(IntegrityError, match="payment_id: never changes"):
        Attempt.objects.filter(id=row.id).update(payment=other)


def test_a_key_is_replaced_only_while_nobody_knows_the_end() -> None:
    """Afterwards it says which answer was believed."""
    of = payment()
    mine = Attempt.objects.filter(id=attempt(of, idempotency_key="a").id)
    for state in Attempt.OPEN:
        mine.update(state=state)
        assert mine.update(idempotency_key=f"b-{state}") == 1
    mine.update(state="declined", ended_at=NOW)
    with pytest.raises(IntegrityError, match="idempotency_key: changes only while it is open"):
        mine.update(idempotency_key="c")


@pytest.mark.parametrize("changes", [{"sent_at": None}, {"sent_at": LATER}, {"in_doubt": False}], ids=str)
def test_a_doubt_is_never_forgotten(changes: dict[str, Any]) -> None:
    """P3: a refusal proves nothing while an earlier confirm may still be on its way."""
    mine = Attempt.objects.filter(id=attempt(payment()).id)
    assert mine.update(sent_at=NOW) == 1
    assert mine.update(in_doubt=True) == 1
    with pytest.raises(IntegrityError, match="what may have left can't be taken back"):
        mine.update(**changes)


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


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("id", "00000000-0000-0000-0000-000000000001"),
        ("amount", 1),
        ("asked_by", "stripe"),
        ("created_at", LATER),
        ("refund_id", "re_2"),
    ],
)
def test_what_a_refund_gives_back_never_changes(column: str, value: object) -> None:
    """Its id is in what Stripe was sent, and its amount in the sum that is held."""
    row = refund(refund_id="re_1")
    with pytest.raises(IntegrityError, match=f": {column}: .*never changes"):
        Refund.objects.filter(id=row.id).update(**{column: value})


def test_a_refund_never_goes_over_to_another_payment() -> None:
    """It would be given back twice, or by the wrong customer's charge."""
    closed = payment(number=1, closed_at=NOW, **FAILED)
    row = refund(payment=payment(number=2, **PAID))
    with pytest.raises(IntegrityError, match="payment_id: never changes"):
        Refund.objects.filter(id=row.id).update(payment=closed)


def test_a_refunds_key_is_replaced_only_while_nobody_knows_the_end() -> None:
    """As that of an attempt."""
    mine = Refund.objects.filter(id=refund(refund_id="re_1", idempotency_key="a").id)
    for state in Refund.OPEN:
        mine.update(state=state)
        assert mine.update(idempotency_key=f"b-{state}") == 1
    mine.update(state="succeeded", ended_at=NOW)
    with pytest.raises(IntegrityError, match="idempotency_key: changes only while it is open"):
        mine.update(idempotency_key="c")


@pytest.mark.parametrize("back_to", [NOW - timedelta(microseconds=1), None], ids=str)
def test_what_has_been_judged_stays_judged(back_to: object) -> None:
    """P1: by this time a rewound topic is known, inbox pruned or not."""
    mine = Subscription.objects.filter(id=Subscription.objects.create(id="sub_1").id)
    assert mine.update(judged_until=NOW) == 1
    assert mine.update(judged_until=NOW) == 1
    with pytest.raises(IntegrityError, match="judged_until: never goes back"), transaction.atomic():
        mine.update(judged_until=back_to)
    assert mine.update(judged_until=LATER) == 1


@pytest.mark.parametrize("table", ["payment", "attempt", "refund", "subscription"])
def test_nothing_is_deleted_from_the_ledger(table: str) -> None:
    """By anybody: a closed payment that is gone makes room for a second charge."""
    refund(payment=payment(**PAID))
    attempt(Payment.objects.get())
    with connection.cursor() as cursor, pytest.raises(IntegrityError, match="DELETE: the ledger is kept"):
        cursor.execute(f"DELETE FROM payments_{table}")  # noqa: S608 - a name from above


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
