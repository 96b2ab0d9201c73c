"""For tests of several messages in one process: the slots of a worker that wait for them, and who is held at Stripe."""

import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connection, connections

from payments.charging import InHand, Pace
from payments.charging.turns import connections as at_stripe
from payments.gateway import CONNECTIONS, Gateway
from payments.models import Payment
from tests.conftest import Clock
from tests.integration.events import accept, record
from tests.integration.events import event as sent

PACE = Pace(live=True, patience=60)
Start = Callable[[Sequence[uuid.UUID], Gateway], "Future[int]"]


class Holding(Gateway):
    """Begins to make a PaymentIntent, and goes on when it may."""

    def __init__(self, gateway: Gateway) -> None:
        super().__init__(gateway._client)
        self.may_go_on, self.reached = threading.Event(), set[str]()
        self.held: dict[str, threading.Event] = {}

    def creating(self, **sent: Any) -> Any:
        """Only those whose subscription begins with `held` wait."""
        question, subscription = super().creating(**sent), sent["wish"].subscription
        self.reached.add(subscription)

        def ask() -> Any:
            assert self.held.get(subscription, self.may_go_on).wait(60)
            return question()

        return ask if subscription.startswith("held") else question


@contextmanager
def slots(clock: Clock) -> Iterator[Start]:
    """Charge in a thread of its own, as a slot of a worker does; it needs no connection to PostgreSQL."""
    in_hand = InHand()

    def charge(ids: Sequence[uuid.UUID], gateway: Gateway) -> int:
        claimed = in_hand.charge(payment_ids=ids, gateway=gateway, clock=clock, pace=PACE)
        assert connections[DEFAULT_DB_ALIAS].connection is None
        return claimed

    held: list[Gateway] = []

    def begin(ids: Sequence[uuid.UUID], gateway: Gateway) -> "Future[int]":
        held.append(gateway)
        return threads.submit(charge, ids, gateway)

    with ThreadPoolExecutor() as threads:
        yield begin
        for one in held:
            if isinstance(one, Holding):
                for event in (one.may_go_on, *one.held.values()):
                    event.set()  # nobody is held when the test is over
    in_hand.end()


def take_in(clock: Clock, *names: str) -> list[uuid.UUID]:
    """Accepted payments, in this order."""
    accept(*(record(sent(name, method="pm_1"), at=clock()) for name in names), now=clock())
    return [Payment.objects.get(subscription_id=name).id for name in names]


def paid() -> set[str]:
    return set(Payment.objects.filter(status="success").values_list("subscription_id", flat=True))


def free_connections() -> int:
    """Of this process."""
    free = at_stripe.take(wanted=2 * CONNECTIONS, leave=0)
    at_stripe.free(free)
    return free


def lose_all_connections() -> None:
    """As when PostgreSQL starts anew; but this test's own."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
