"""Accept: a batch of records becomes inbox rows, payments and dead letters, in one transaction.

P2: after this returns, every record of the batch has its row, and only then may offsets be committed. Two
bridges, or two records of one subscription in one batch, can't both win: the subscriptions' rows are locked in
sorted order first, and whatever is read afterwards is judged under those locks.
"""

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID

import structlog
from django.db import DataError, IntegrityError, connection, transaction

from payments import notifications, outbox
from payments.charging.retry import card_declines, last_card, refuse_attempt, request_attempt
from payments.intake.judge import Action, Judgement, Known, judge
from payments.intake.requests import PaymentRequest, Record, Rejection
from payments.models import InboxMessage, Payment, Subscription, Transition

log = structlog.get_logger(__name__)


@dataclass(kw_only=True)
class Accepted:
    """What became of a batch: payments to ring for, and counts by verdict (`known`: delivered before)."""

    due: list[UUID] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)

    def __iadd__(self, other: "Accepted") -> "Accepted":
        self.due += other.due
        for verdict, count in other.counts.items():
            self.counts[verdict] = self.counts.get(verdict, 0) + count
        return self


def accept(*, records: Sequence[Record], group: str, now: datetime) -> Accepted:
    """Write one batch, in the order of its records; committed when this returns.

    A batch that the database refuses for what a record contains (SQLSTATE classes 22 and 23) is halved until
    the record stands alone, and that one is parked with the database's reason. Any other error of the database
    is raised, and nothing of the batch is written: that is not the records' fault.
    """
    if not records:
        return Accepted()
    try:
        with transaction.atomic():
            accepted = _Batch(records, group, now).write()
    except (DataError, IntegrityError) as error:
        if len(records) > 1:
            middle = len(records) // 2
            accepted = accept(records=records[:middle], group=group, now=now)
            accepted += accept(records=records[middle:], group=group, now=now)
            return accepted
        if isinstance(records[0].wish, Rejection):
            raise
        log.warning("record refused by the database", record=_place(records[0]), error=type(error).__name__)
        reason = f"refused by the database ({type(error).__name__}): correct the event and send it again"
        return accept(records=[replace(records[0], wish=Rejection(reason=reason))], group=group, now=now)
    outbox.wake()
    return accepted


class _Batch:
    """One batch under judgement: what is known of its subscriptions, updated record by record."""

    def __init__(self, records: Sequence[Record], group: str, now: datetime) -> None:
        self.records, self.group, self.now = records, group, now
        _lock_places(records)
        wishes = [record.wish for record in records if isinstance(record.wish, PaymentRequest)]
        self.subscriptions = _locked(sorted({wish.subscription for wish in wishes}))
        self.places = _known_places(records)
        self.events = _known_events([wish.event_id for wish in wishes if wish.event_id])
        self.payments = _latest_payments(list(self.subscriptions))
        self.touched: dict[UUID, Payment] = {}
        self.made: dict[UUID, tuple[Payment, Record]] = {}
        self.due: dict[UUID, None] = {}

    def write(self) -> Accepted:
        """Judge all and write all. The order of the tables is the order of their references."""
        judged: list[tuple[Record, Judgement, Payment | None]] = []
        for record in self.records:
            if (place := (*_place_of(record), _hash(record))) in self.places:
                continue
            self.places.add(place)
            judged.append(self._judged(record))
        Payment.objects.bulk_create(payment for payment, _ in self.made.values())
        Transition.objects.bulk_create(
            Transition(
                payment=payment, from_status="", to_status=payment.status, who="event", why="accepted",
                evidence={"record": _place(record)}, at=self.now,
            )
            for payment, record in self.made.values()
        )  # fmt: skip
        for payment in self.touched.values():
            payment.save()
        Subscription.objects.bulk_update(self.subscriptions.values(), ["judged_until"], batch_size=500)
        rows = InboxMessage.objects.bulk_create(
            (self._row(record, judgement, payment) for record, judgement, payment in judged)
        )
        parked = [row for row in rows if row.verdict in InboxMessage.PARKED]
        outbox.park(records=parked, group=self.group, now=self.now)
        counts: dict[str, int] = {"known": len(self.records) - len(judged)}
        for row in rows:
            counts[row.verdict] = counts.get(row.verdict, 0) + 1
        return Accepted(due=list(self.due), counts=counts)

    def _judged(self, record: Record) -> tuple[Record, Judgement, Payment | None]:
        wish = record.wish
        if isinstance(wish, Rejection):
            return record, Judgement(verdict="invalid", reason=wish.reason), None
        subscription = self.subscriptions[wish.subscription]
        payment = self.payments.get(wish.subscription)
        judgement = judge(
            request=wish,
            at=record.at,
            known=_known(subscription, payment, self.now),
            event_seen_for=self.events.get(wish.event_id),
        )
        if subscription.judged_until is None or record.at > subscription.judged_until:
            subscription.judged_until = record.at
        if judgement.verdict == "accepted" and wish.event_id:
            self.events[wish.event_id] = wish.subscription
        payment = self._carry_out(judgement, record, wish, payment)
        return record, judgement, payment

    def _carry_out(
        self, judgement: Judgement, record: Record, wish: PaymentRequest, payment: Payment | None
    ) -> Payment | None:
        if judgement.action is Action.NEW_PAYMENT:
            made = _new_payment(wish, number=payment.number + 1 if payment else 1, at=record.at, now=self.now)
            self.payments[wish.subscription] = made
            self.made[made.id] = made, record
            self.due[made.id] = None
            return made
        if payment is None or judgement.action is Action.NOTHING:
            return payment
        if payment.id not in self.made:
            self.touched[payment.id] = payment
        if judgement.action is Action.KEEP_METHOD:
            payment.next_payment_method, payment.next_customer = wish.payment_method, wish.customer
            return payment
        payment.user_as_sent, payment.email = wish.user_as_sent, wish.email
        if judgement.refusal:
            refuse_attempt(
                payment=payment, asked_by="event", payment_method=wish.payment_method,
                refusal=judgement.refusal, now=self.now,
            )  # fmt: skip
            return payment
        request_attempt(
            payment=payment, asked_by="event", payment_method=wish.payment_method, customer=wish.customer,
            now=self.now, why="asked for again", evidence={"record": _place(record)},
        )  # fmt: skip
        self.due[payment.id] = None
        return payment

    def _row(self, record: Record, judgement: Judgement, payment: Payment | None) -> InboxMessage:
        wish = record.wish if isinstance(record.wish, PaymentRequest) else None
        return InboxMessage(
            cluster=record.cluster, topic=record.topic, partition=record.partition, offset=record.offset,
            value_hash=_hash(record), key=record.key, value=record.value,
            headers=[[_storable(name), value and base64.b64encode(value).decode()] for name, value in record.headers],
            recorded_at=record.at, received_at=self.now,
            event_id=wish.event_id if wish else "", subscription_id=wish.subscription if wish else None,
            payment=payment, verdict=judgement.verdict, reason=judgement.reason,
        )  # fmt: skip


def _storable(name: str) -> str:
    """A header's name as jsonb can hold it: whatever a record is like, it must be possible to park it."""
    return name.encode("utf-8", "backslashreplace").decode().replace("\x00", "\\x00")


def _lock_places(records: Sequence[Record]) -> None:
    """One bridge at a time per partition: after a rebalance two may hold the same records for a moment."""
    partitions = sorted({(record.topic, record.partition) for record in records})
    with connection.cursor() as cursor:
        for topic, partition in partitions:
            cursor.execute("SELECT pg_advisory_xact_lock(hashtext(%s), %s)", [topic, partition])


def _locked(ids: Sequence[str]) -> dict[str, Subscription]:
    """The subscriptions' rows, made where missing and locked, in sorted order: two batches can't deadlock."""
    Subscription.objects.bulk_create((Subscription(id=one) for one in ids), ignore_conflicts=True)
    return {one.id: one for one in Subscription.objects.select_for_update().filter(id__in=ids).order_by("id")}


def _known_places(records: Sequence[Record]) -> set[tuple[str, str, int, int, bytes]]:
    found = InboxMessage.objects.filter(
        cluster__in={record.cluster for record in records},
        topic__in={record.topic for record in records},
        partition__in={record.partition for record in records},
        offset__in={record.offset for record in records},
    ).values_list("cluster", "topic", "partition", "offset", "value_hash")
    return {(cluster, topic, partition, offset, bytes(hashed)) for cluster, topic, partition, offset, hashed in found}


def _known_events(ids: Sequence[str]) -> dict[str, str]:
    """The subscription of each known event id."""
    found = InboxMessage.objects.filter(event_id__in=ids, verdict=InboxMessage.Verdict.ACCEPTED)
    return {event: str(subscription) for event, subscription in found.values_list("event_id", "subscription_id")}


def _latest_payments(subscriptions: Sequence[str]) -> dict[str, Payment]:
    """The payment of each subscription: its open one, which always has the highest number, else the last closed."""
    latest = (
        Payment.objects.filter(subscription__in=subscriptions)
        .order_by("subscription_id", "-number")
        .distinct("subscription_id")
        .values_list("id", flat=True)
    )
    locked = Payment.objects.select_for_update().filter(id__in=list(latest)).order_by("id")
    return {payment.subscription_id: payment for payment in locked}


def _known(subscription: Subscription, payment: Payment | None, now: datetime) -> Known:
    if payment is None:
        return Known(judged_until=subscription.judged_until)
    return Known(
        judged_until=subscription.judged_until,
        status=payment.status,
        closed=payment.closed_at is not None,
        kind=payment.kind,
        fingerprint=(payment.amount, payment.currency, payment.user_id),
        payment_method=payment.payment_method,
        card_declines=card_declines(card=last_card(payment), now=now) if payment.status == Payment.Status.FAILED else 0,
    )


def _new_payment(wish: PaymentRequest, *, number: int, at: datetime, now: datetime) -> Payment:
    return Payment(
        id=notifications.payment_id(subscription=wish.subscription, number=number),
        subscription_id=wish.subscription, number=number, subscription_as_sent=wish.subscription_as_sent,
        user_as_sent=wish.user_as_sent, user_id=wish.user_id, email=wish.email,
        price=wish.price, amount=wish.amount, currency=wish.currency,
        payment_method=wish.payment_method, customer=wish.customer, traceparent=wish.traceparent,
        due_at=now, created_at=at, accepted_at=now,
    )  # fmt: skip


def _place_of(record: Record) -> tuple[str, str, int, int]:
    return (record.cluster, record.topic, record.partition, record.offset)


def _place(record: Record) -> str:
    return f"{record.topic}[{record.partition}]@{record.offset}"


def _hash(record: Record) -> bytes:
    return hashlib.sha256(record.value or b"").digest()
