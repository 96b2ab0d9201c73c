"""What tests of `forget_user` share: a user whose data are all over the rows, and who is forgotten."""

from typing import Any

from django.db import connection

from payments import charging, intake, outbox, retention
from payments.gateway import Gateway
from payments.models import Payment
from tests.conftest import Clock
from tests.integration.events import accept, event, record
from tests.integration.parked_rows import dismiss, park

CANARY = "aida.canary@example.kz"
NAME = "Canary Aidova"
# Rows in which nothing of a user may be left, by table.
TABLES = (
    "payment", "attempt", "transition", "inboxmessage", "outboxmessage", "refund", "webhook", "job", "jobitem", "break",
    "staffentry",
)  # fmt: skip


def of_user(subscription: str, **changes: Any) -> dict[str, Any]:
    """An event with more about the user than is asked for."""
    found = event(subscription, **({"user": "u_canary"} | changes))
    found["user"] |= {"email": CANARY, "name": NAME, "phones": ["+7 701 000 11 22"]}
    return found


def settle(clock: Clock, gateway: Gateway) -> None:
    """Charge what is due, and tell it."""
    charging.charge(payment_ids=list(Payment.objects.values_list("id", flat=True)), gateway=gateway, clock=clock)
    outbox.mark_published(ids=[row.id for row in outbox.waiting(limit=100)], now=clock())


def pay_and_dismiss(clock: Clock, stripe_gateway: Gateway) -> Payment:
    """A payment that is paid and told, with a duplicate and a conflict that was dismissed; beside another user's."""
    accept(record(of_user("sub_1"), at=clock()), record(event("sub_2", user="u_2"), at=clock()), now=clock())
    settle(clock, stripe_gateway)
    clock.advance(seconds=1)
    accept(record(of_user("sub_1"), at=clock()), now=clock())
    clock.advance(seconds=1)
    conflict = park(of_user("sub_1", price=7), clock)
    intake.dismiss(record_id=conflict.id, who="staff: aida", why=f"{NAME} asked twice", now=clock())
    dismiss(park(b"not JSON, of " + CANARY.encode(), clock), clock)
    outbox.mark_published(ids=[row.id for row in outbox.waiting(limit=100)], now=clock())
    return Payment.objects.get(user_id="u_canary")


def everything() -> str:
    """All rows of all tables, as text; binary columns as Latin-1."""
    found = []
    with connection.cursor() as cursor:
        for table in TABLES:
            cursor.execute(f"SELECT * FROM payments_{table}")  # noqa: S608 - a list above
            for row in cursor.fetchall():
                found += [bytes(one).decode("latin-1") if isinstance(one, memoryview) else str(one) for one in row]
    return "\n".join(found)


def forget(clock: Clock) -> Any:
    """As somebody does who was asked by letter."""
    return retention.forget(user_id="u_canary", who="staff: aida", why="asked by letter", now=clock())
