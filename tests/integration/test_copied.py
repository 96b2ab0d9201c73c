"""Rows that are written by COPY hold what they were given, whatever characters it has."""

import json
from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction

from payments.intake.known import lock_subscriptions
from payments.models import InboxMessage, Payment, Subscription
from payments.models.copied import Copy, as_array, as_bytea
from tests.conftest import Clock
from tests.integration.events import accept, event, record

pytestmark = pytest.mark.django_db

ODD = ["", '"', "'", ",", "\\", "\\N", "\\.", "NULL", "a,b", 'say "hi"', "two\nlines", "two\r\nlines", "{a,b}", "🙂\t—"]


@pytest.mark.parametrize("text", ODD, ids=ascii)
def test_a_text_is_written_as_it_is(clock: Clock, text: str) -> None:
    """Nothing in it ends a field, a line or the whole, and an empty text is not one that is missing."""
    Subscription.objects.create(id="sub_1")
    copy = Copy(
        InboxMessage,
        given=("topic", "cluster", "partition", "offset", "value_hash", "value", "headers", "recorded_at",
               "received_at", "subscription_id", "verdict", "reason"),
    )  # fmt: skip
    rows = [
        (text, "", 0, offset, as_bytea(b"\x00"), as_bytea(text.encode()), json.dumps([[text, None]]), clock(), clock(),
         subscription, "duplicate", text)
        for offset, subscription in enumerate(["sub_1", None])
    ]  # fmt: skip
    copy.write(rows)
    first, second = InboxMessage.objects.order_by("id")
    for row in (first, second):
        assert (row.topic, bytes(row.value or b""), row.headers, row.reason) == (
            text,
            text.encode(),
            [[text, None]],
            text,
        )
        assert (row.key, row.corrected, row.replays, row.handled_by, row.received_at) == (None, None, 0, "", clock())
    assert (first.subscription_id, second.subscription_id) == ("sub_1", None)


def test_a_mistake_of_ours_is_not_taken_for_a_database_that_does_not_answer() -> None:
    """P2: that is waited for, for ever; a mistake is told. A text that no UTF-8 can hold is one."""

    def rows() -> Iterator[tuple[str, str]]:
        yield "sub_1", "2026-01-31"
        raise KeyError("a mistake")

    copy = Copy(Subscription, given=("id",))
    with pytest.raises(KeyError), transaction.atomic():
        copy.write((name,) for name, _ in rows())
    with pytest.raises(UnicodeEncodeError), transaction.atomic():
        copy.write([("half \ud800",)])
    assert not Subscription.objects.exists()


@pytest.mark.parametrize("text", ODD, ids=ascii)
def test_a_text_within_an_array_is_the_same_text(text: str) -> None:
    """Ids are anything that can be printed."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT %s::text[]", [as_array([text, None, text])])
        assert cursor.fetchone() == ([text, None, text],)


def test_constraints_hold_for_what_is_copied(clock: Clock) -> None:
    """It is another way in, and not one past the rules."""
    copy = Copy(Subscription, given=("id",))
    with pytest.raises(IntegrityError), transaction.atomic():
        copy.write([("sub_1",), ("sub_1",)])
    assert not Subscription.objects.exists()


def test_a_payment_that_is_made_has_the_defaults_of_all_others(clock: Clock) -> None:
    """A column that intake doesn't name holds what a new row of Django's would."""
    accept(record(event(), at=clock()), now=clock())
    made, expected = Payment.objects.get(), Payment()
    given = {"id", "subscription_id", "subscription_as_sent", "user_as_sent", "user_id", "email", "price", "amount",
             "currency", "payment_method", "due_at", "created_at", "accepted_at"}  # fmt: skip
    for field in Payment._meta.concrete_fields:
        if field.attname not in given:
            assert getattr(made, field.attname) == getattr(expected, field.attname), field.attname


def test_a_subscription_is_written_once_and_says_what_was_judged(clock: Clock) -> None:
    """Of many records of a new subscription the newest counts, and what is known is only ever moved on."""
    later = clock() + timedelta(seconds=2)
    accept(record(event(), at=later), record(event(), at=clock()), now=later)
    assert Subscription.objects.get().judged_until == later
    accept(record(event(), at=clock()), now=later)
    assert Subscription.objects.get().judged_until == later
    accept(record(event(), at=later + timedelta(seconds=1)), now=later)
    assert Subscription.objects.get().judged_until == later + timedelta(seconds=1)
    with transaction.atomic():
        known, made = lock_subscriptions({"sub_1": clock(), "new": clock()})
    assert (known, made) == ({"sub_1": later + timedelta(seconds=1)}, {"new"})
