"""What tests of the relay share: outcomes that are to be told, the way to Kafka, and which relay is active."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from django.db import connection, transaction

from bridge.kafka import Sink
from payments import outbox
from payments.models import OutboxMessage, Payment
from tests.integration.events import accept, event, record
from tests.integration.kafka_client import wait_until


def payment(subscription: str = "sub_1") -> Payment:
    """One that somebody asked for."""
    now = datetime.now(UTC)
    accept(record(event(subscription), at=now), now=now)
    return Payment.objects.get(subscription_id=subscription)


def tell(paid: Payment, *, attempt: int = 1) -> None:
    """Commit an outcome as a settling does, and wake the relay."""
    with transaction.atomic():
        locked = Payment.objects.select_for_update().get(id=paid.id)
        outbox.tell(payment=locked, attempt=attempt, transition=f"failed/{attempt}", now=datetime.now(UTC))
    outbox.wake()


def put(value: bytes) -> OutboxMessage:
    """A row with a value of this test's choice."""
    number = OutboxMessage.objects.count()
    return OutboxMessage.objects.create(
        message_id=f"message-{number}", channel="notifications", key=b"key", value=value,
        headers={"ce_id": f"message-{number}"}, created_at=datetime.now(UTC),
    )  # fmt: skip


def waiting() -> int:
    """How many rows nobody has published or set aside."""
    return len(outbox.waiting(limit=1000))


def wait_until_told(*, within: float = 30) -> None:
    """Until no row waits."""
    wait_until(lambda: waiting() == 0, what="all rows are published or set aside", within=within)


@contextmanager
def opened(*, kind: type[Sink] = Sink) -> Iterator[Sink]:
    """The active relay's way to Kafka, until the end of the block or a crash in it."""
    ours = kind()
    try:
        ours.open()
        yield ours
    finally:
        ours.close()


def lock_holder() -> int | None:
    """The PostgreSQL process of the active relay."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pid FROM pg_locks JOIN pg_database ON pg_database.oid = database "
            "WHERE locktype = 'advisory' AND granted AND objid = %s AND datname = current_database()",
            [outbox.RELAY_LOCK],
        )
        row = cursor.fetchone()
    return int(row[0]) if row else None
