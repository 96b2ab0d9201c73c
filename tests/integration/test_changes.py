"""Rows of one table in one statement: what is written is what the ORM would have written."""

from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from payments.models import OutboxMessage
from payments.models.changes import save_changes, save_new, values_of
from tests.integration.ledger_rows import NOW, payment

pytestmark = pytest.mark.django_db


def message(number: int, **fields: Any) -> OutboxMessage:
    """One that isn't written yet."""
    given = {"message_id": f"m {number}", "channel": "notifications", "created_at": NOW, "headers": {"n": number}}
    return OutboxMessage(**given | fields)


def test_new_rows_are_written_in_their_order_by_one_statement_and_know_their_ids() -> None:
    """Bytes, JSON, times, texts of any kind and nothing at all, as they were given."""
    paid = payment()
    rows = [
        message(1, key=b"\x00\xff", value=b"", payment=paid),
        message(2, error='a "quote", a {brace} and a \\', headers={"a": [1, None], "b": 'x"y'}),
        message(3, published_at=NOW),
    ]
    with CaptureQueriesContext(
        connection,
    ) as said:
        save_new(rows)
    assert len(said) == 1
    found = list(OutboxMessage.objects.order_by("id"))
    assert found == rows
    assert [values_of(one) | as_bytes(one) for one in found] == [values_of(one) for one in rows]


def as_bytes(row: OutboxMessage) -> dict[str, bytes | None]:
    """The driver gives views of memory."""
    return {name: None if value is None else bytes(value) for name, value in [("key", row.key), ("value", row.value)]}


def test_a_new_row_that_is_saved_again_is_the_same_row() -> None:
    """It isn't new any more."""
    [row] = rows = [message(1)]
    save_new(rows)
    row.error = "changed"
    row.save()
    assert OutboxMessage.objects.get().error == "changed"


def test_without_rows_nothing_is_said() -> None:
    """Neither new ones nor changed ones."""
    read = payment()
    with CaptureQueriesContext(connection) as said:
        save_new([])
        save_changes([(read, values_of(read))])
    assert len(said) == 0


def test_constraints_hold_as_for_any_row() -> None:
    """P4: one transition is told under one id, and of two rows with it none is written."""
    with pytest.raises(IntegrityError, match="outbox_one_per_id"), transaction.atomic():
        save_new([message(1), message(1)])
    assert OutboxMessage.objects.count() == 0
