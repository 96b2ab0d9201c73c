"""The demo's past week: every page of the admin is worth a look from the first minute.

Nothing is written by hand: the product's own code takes the events in, charges, refunds and compares, by a clock
that was set back, against a simulator whose clock was set back as far. Only once, into an empty database.
"""

import itertools
import json
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from django.conf import settings

from billing_project.dev.demo import cast
from billing_project.dev.demo.arrange import control
from bridge import relay, schema
from bridge.kafka import Sink
from payments import charging, gateway, intake, outbox, reconcile, refunds, webhooks
from payments.models import Payment

# Records that were read before the Kafka of this run was there.
CLUSTER = "before-this-week"
STAFF = "staff: aida"
PUBLISH = Callable[[datetime], int]


def is_empty() -> bool:
    """Whether there is nothing yet."""
    return not Payment.objects.exists()


@contextmanager
def publisher() -> Iterator[PUBLISH]:
    """Who tells, by a clock of ours: as the relay does, to the same topics."""
    sink = Sink()
    sink.open()
    try:
        yield lambda now: relay.run_once(sink=sink, clock=lambda: now)
    finally:
        sink.close()


def tell_nobody(now: datetime) -> int:
    """Without a Kafka: what waits counts as told."""
    rows = outbox.waiting(limit=500)
    outbox.mark_published(ids=[row.id for row in rows], now=now)
    return len(rows)


def write(*, stripe: str, publish: PUBLISH) -> int:
    """Live through the week before. `stripe`: the simulator, a week behind or at any time after; `publish` has the
    notifications told at that time. Returns how many payments there are."""
    past = _Past(stripe=stripe, publish=publish)
    rate, settings.STRIPE_RATE_LIMIT = settings.STRIPE_RATE_LIMIT, 1000  # the simulator takes any
    logging.disable(logging.ERROR)  # a week's lines at once would hide what happens now
    try:
        for step in cast.deal(until=datetime.now(UTC)):
            past.live(step)
        past.catch_up_with_the_present()
        past.leave_things_to_do()
    finally:
        settings.STRIPE_RATE_LIMIT = rate
        logging.disable(logging.NOTSET)
    return Payment.objects.count()


class _Past:
    """One clock for Stripe and us."""

    def __init__(self, *, stripe: str, publish: PUBLISH) -> None:
        self._stripe, self._publish = stripe, publish
        self._gateway = gateway.connect()
        self._offsets = itertools.count()
        self._behind = time.time() - control(stripe, "clock", seconds=0)["now"]

    def clock(self) -> datetime:
        """The simulator's time."""
        return datetime.fromtimestamp(time.time() - self._behind, UTC)

    def live(self, step: list[cast.Customer]) -> None:
        """Take in and charge what comes in this step; then what staff and banks do about it."""
        self._move_to(step[-1].at)
        now = self.clock()
        self._take_in([(json.dumps(one.event).encode(), min(one.at, now)) for one in step])
        self._rest()

    def catch_up_with_the_present(self) -> None:
        """Both clocks show the time again."""
        self._move_to(datetime.now(UTC))

    def leave_things_to_do(self) -> None:
        """What an agent finds on a morning: refunds, disputes, parked records, a difference with Stripe's books."""
        paid = list(Payment.objects.filter(status=Payment.Status.SUCCESS, currency="KZT").order_by("-created_at")[:12])
        self._refund(paid[0], amount=paid[0].amount // 4, why="one month of four was not used")
        self._refund(paid[1], amount=None, why="ordered twice by mistake")
        control(self._stripe, "set_refunds", returns="pending")
        self._refund(paid[2], amount=None, why="cancelled within 14 days")
        control(self._stripe, "set_refunds")
        for payment, reason, days in ((paid[3], "fraudulent", 2), (paid[4], "product_not_received", 6)):
            self._dispute(payment, reason=reason, days=days)
        declined = Payment.objects.filter(status=Payment.Status.FAILED, kind="soft").order_by("-created_at")
        charging.replay(payment_id=declined[0].id, who=STAFF, reason="the customer asked for it", now=self.clock())
        charging.close(
            payment_id=declined[1].id, who=STAFF, reason="the customer has paid in cash", gateway=self._gateway,
            now=self.clock(),
        )  # fmt: skip
        self._park(paid[5])
        control(
            self._stripe, "foreign_payments", amount=499_000, currency="kzt", status="succeeded",
            metadata={"subscription_id": "sub_77", "payment_id": "1f0e2c9a-3f43-5f4f-8d43-6a1f6e0f7a11"},
        )  # fmt: skip
        self._rest()
        reconcile.reconcile(
            from_at=self.clock() - timedelta(hours=24), until_at=self.clock() + timedelta(seconds=2),
            asked_by="schedule", gateway=self._gateway, clock=self.clock,
        )  # fmt: skip

    def _move_to(self, at: datetime) -> None:
        ahead = (at - self.clock()).total_seconds()
        if ahead > 0:
            now = control(self._stripe, "clock", seconds=ahead)["now"]
            self._behind = time.time() - now

    def _take_in(self, values: list[tuple[bytes, datetime]]) -> None:
        intake.accept(records=[self._record(value, at) for value, at in values], group="demo", now=self.clock())

    def _record(self, value: bytes, at: datetime) -> intake.Record:
        return intake.Record(
            cluster=CLUSTER, topic=settings.KAFKA_TOPIC_PAYMENTS, partition=0, offset=next(self._offsets), at=at,
            key=None, value=value, headers=(), wish=schema.decode(value=value, headers=(), price_unit="major"),
        )  # fmt: skip

    def _rest(self) -> None:
        due = charging.find_due(now=self.clock(), limit=500)
        charging.charge(payment_ids=list(due), gateway=self._gateway, clock=self.clock)
        webhooks.catch_up(now=self.clock())
        refunds.follow_up(gateway=self._gateway, clock=self.clock, limit=100)
        refunds.carry_out(
            refund_ids=refunds.find_due(now=self.clock(), limit=100), gateway=self._gateway, clock=self.clock
        )
        while outbox.count_waiting(now=self.clock()).rows:
            self._publish(self.clock())

    def _refund(self, payment: Payment, *, amount: int | None, why: str) -> None:
        refunds.request(payment_id=payment.id, amount=amount, who=STAFF, reason=why, now=self.clock())
        self._rest()

    def _dispute(self, payment: Payment, *, reason: str, days: int) -> None:
        until = int((self.clock() + timedelta(days=days)).timestamp())
        made = control(self._stripe, "disputes", payment_intent=payment.intent_id, reason=reason, respond_by=until)
        about = {"id": made["id"], "payment_intent": payment.intent_id, "status": made["status"]}
        content: dict[str, Any] = {
            "id": f"evt_{made['id']}", "type": "charge.dispute.created", "livemode": False, "data": {"object": about},
        }  # fmt: skip
        event = gateway.Event(id=content["id"], type=content["type"], content=content)
        webhooks.receive(event=event, now=self.clock())

    def _park(self, paid: Payment) -> None:
        """One record for each way in which a shop can be wrong."""
        good = cast.event("sub_9001", name="aida.9001", price=4990, currency="KZT", card="pm_card_visa")
        wrong = (
            {**good, "subId": paid.subscription_id, "product": {"price": 1, "currency": "KZT"}},
            {**good, "subId": "sub_9002", "product": {"price": 0, "currency": "KZT"}},
            {**good, "subId": "sub_9003", "product": {"price": "49.999", "currency": "USD"}},
            {**good, "subId": "sub_9004", "product": {"price": 4990, "currency": "TENGE"}},
            {**good, "subId": "sub_9005", "user": {"id": "u_9005", "email": "aida.9005@example.kz"}},
        )
        values = [json.dumps(one).encode() for one in wrong] + [b"[object Object]", b"<payment>4990</payment>"]
        self._take_in([(value, self.clock()) for value in values])
