"""What never changes once it is written is kept by the database itself, whatever the code does."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction

from payments.models import Attempt, Payment, Refund, Subscription
from tests.integration.ledger_rows import FAILED, NOW, PAID, attempt, payment, refund

pytestmark = pytest.mark.django_db
LATER = NOW + timedelta(hours=1)


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
