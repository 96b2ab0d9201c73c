"""Records that the front door sets aside, each with its reason and a dead letter, and never with its neighbours."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

from payments.models import InboxMessage, OutboxMessage, Payment
from tests.conftest import Clock
from tests.integration.events import accept, event, record, verdicts

db = pytest.mark.django_db


@db
@pytest.mark.parametrize(
    ("change", "field"),
    [({"price": 200}, "product.price"), ({"currency": "usd"}, "product.currency"), ({"user": "u_2"}, "user.id")],
)
def test_another_amount_currency_or_user_is_parked_as_a_conflict(clock: Clock, change: Any, field: str) -> None:
    """Nobody guesses which of two prices was meant: a person decides, and the dead letters say why."""
    accept(record(event(), at=clock()), now=clock())
    accept(record(event(**change), at=clock() + timedelta(seconds=1)), now=clock())
    row = InboxMessage.objects.get(verdict="conflict")
    assert row.reason.startswith(f"{field}: differs from the payment of this subscription")
    letter = OutboxMessage.objects.get()
    assert (letter.channel, letter.record_id, letter.headers["exception-message"]) == (
        "dead_letters",
        row.id,
        row.reason,
    )


@db
def test_an_event_id_of_another_subscription_is_parked_and_not_lost(clock: Clock) -> None:
    """P2: a producer that stamps one id on everything must not make payments disappear as duplicates."""
    headers = (("ce_id", b"constant"),)
    accept(record(event("sub_1"), at=clock(), headers=headers), now=clock())
    accept(record(event("sub_2"), at=clock(), headers=headers), now=clock())
    assert verdicts() == ["accepted", "conflict"]


@db
def test_malformed_records_are_parked_with_their_reason_and_stop_nothing(clock: Clock) -> None:
    """P2: the good neighbours of a poisonous record are accepted."""
    poison: list[Any] = [None, b"", b"{", b"[object Object]", event(price=0), event(currency="TENGE")]
    records = [record(one, at=clock()) for one in [event("a"), *poison, event("b")]]
    assert accept(*records, now=clock()).counts == {"known": 0, "accepted": 2, "invalid": 6}
    reasons = InboxMessage.objects.filter(verdict="invalid").order_by("id").values_list("reason", flat=True)
    assert list(reasons)[-2:] == [
        "product.price: must be greater than 0",
        "product.currency: must be a currency's three letters",
    ]
    assert OutboxMessage.objects.filter(channel="dead_letters").count() == 6


@db
@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        (
            "CONSTRAINT not_evil CHECK (subscription_id <> 'evil')",
            "refused by the database (CheckViolation, SQLSTATE 23514, constraint not_evil)",
        ),
        (
            "CONSTRAINT number CHECK (subscription_id <> 'evil' OR subscription_id::int > 0)",
            "refused by the database (InvalidTextRepresentation, SQLSTATE 22P02)",
        ),
    ],
    ids=["class 23", "class 22"],
)
def test_a_record_that_the_database_refuses_is_found_and_parked_alone(clock: Clock, rule: str, reason: str) -> None:
    """SQLSTATE classes 22 and 23: the batch is halved until the record stands alone; the others are accepted. The
    reason is the database's own, without the values that it quotes."""
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE payments_payment ADD {rule}")
    records = [record(event(name), at=clock()) for name in ("a", "b", "evil", "c", "d")]
    accept(*records, now=clock())
    assert sorted(Payment.objects.values_list("subscription_id", flat=True)) == ["a", "b", "c", "d"]
    parked = InboxMessage.objects.get(verdict="invalid")
    assert parked.reason == f"{reason}: correct the event and send it again"
    assert bytes(parked.value or b"") == records[2].value


@db
def test_a_batch_is_all_or_nothing(clock: Clock) -> None:
    """A fault that isn't a record's leaves no row behind, so that no offset is committed for half a batch."""
    good, broken = record(event("a"), at=clock()), record(event("b"), at=clock())
    object.__setattr__(broken, "partition", None)
    with pytest.raises(TypeError):
        accept(good, broken, now=clock())
    assert not InboxMessage.objects.exists()
    assert not Payment.objects.exists()
