"""Accept: a batch of records becomes inbox rows, payments and dead letters, in one transaction.

P2: after this returns, every record of the batch has its row, and only then may offsets be committed. Two
bridges, or two records of one subscription in one batch, can't both win: the subscriptions' rows are locked in
sorted order first, and whatever is read afterwards is judged under those locks.
"""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from django.db import DataError, IntegrityError, transaction

from payments import notifications, outbox, tracing
from payments.charging.retry import refuse_attempt, request_attempt
from payments.intake import positions
from payments.intake.judge import Action, Judgement, judge
from payments.intake.known import (
    known_events,
    known_of,
    known_places,
    latest_payments,
    lock_places,
    lock_subscriptions,
    named,
)
from payments.intake.refused import reason_of
from payments.intake.requests import PaymentRequest, Record, Rejection
from payments.intake.stored import as_stored, hash_of
from payments.models import InboxMessage, Payment, Subscription, Transition

log = structlog.get_logger(__name__)

NO_FLOOR: Mapping[int, int] = {}
NO_EVIDENCE: Mapping[str, str] = {}

# A record that is older has waited for us, and waits its turn: whoever asks just now must not stand behind it.
FRESH_FOR = timedelta(seconds=5)


@dataclass(kw_only=True)
class Accepted:
    """What became of a batch: payments that are due, those of them to ring for at once (the sweep rings for the
    others), and counts by verdict (`known`: delivered before)."""

    due: list[UUID] = field(default_factory=list)
    fresh: list[UUID] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)

    def __iadd__(self, other: "Accepted") -> "Accepted":
        self.due += other.due
        self.fresh += other.fresh
        for verdict, count in other.counts.items():
            self.counts[verdict] = self.counts.get(verdict, 0) + count
        return self


def accept(*, records: Sequence[Record], group: str, now: datetime, floor: Mapping[int, int] = NO_FLOOR) -> Accepted:
    """Write one batch, in the order of its records; committed when this returns.

    `floor`: up to which offset each partition's rows were committed, as the caller knows: where the database knows
    of less, it has forgotten rows, and this raises `Behind`.

    A batch that the database refuses for what a record contains (SQLSTATE classes 22 and 23) is halved until
    the record stands alone, and that one is parked with the database's reason. Any other error of the database
    is raised, and nothing of the batch is written: that is not the records' fault.
    """
    wishes = [record.wish.traceparent for record in records if isinstance(record.wish, PaymentRequest)]
    with tracing.span("accept", follows=wishes, count=len(records)):
        return _accept([as_stored(record) for record in records], group, now, floor)


def _accept(records: Sequence[Record], group: str, now: datetime, floor: Mapping[int, int]) -> Accepted:
    if not records:
        return Accepted()
    try:
        with transaction.atomic():
            batch = Batch(records, now=now, floor=floor)
            accepted = batch.write(group=group)
    except (DataError, IntegrityError) as error:
        if len(records) > 1:
            middle = len(records) // 2
            accepted = _accept(records[:middle], group, now, floor)
            accepted += _accept(records[middle:], group, now, floor)
            return accepted
        if isinstance(records[0].wish, Rejection):
            raise
        reason = reason_of(error)
        log.warning("record refused by the database", record=named(records[0]), why=reason)
        parked = replace(records[0], wish=Rejection(reason=f"{reason}: correct the event and send it again"))
        return _accept([parked], group, now, floor)
    batch.say()
    outbox.wake()
    return accepted


class Batch:
    """One batch under judgement: what is known of its subscriptions, updated record by record.

    `who` asks for what is done, and `evidence` of that goes into the history beside the record's place.
    """

    def __init__(
        self,
        records: Sequence[Record],
        *,
        now: datetime,
        floor: Mapping[int, int] = NO_FLOOR,
        who: str = "event",
        evidence: Mapping[str, str] = NO_EVIDENCE,
    ) -> None:
        self.records, self.now, self.who, self.evidence = records, now, who, evidence
        lock_places(records)
        positions.check(records=records, floor=floor)
        wishes = [record.wish for record in records if isinstance(record.wish, PaymentRequest)]
        self.subscriptions = lock_subscriptions(sorted({wish.subscription for wish in wishes}))
        self.places = known_places(records)
        self.events = known_events([wish.event_id for wish in wishes if wish.event_id])
        self.payments = latest_payments(list(self.subscriptions))
        self.touched: dict[UUID, Payment] = {}
        self.made: dict[UUID, tuple[Payment, Record]] = {}
        self.due: dict[UUID, datetime] = {}
        self.judged: list[tuple[Record, Judgement, Payment | None]] = []

    def write(self, *, group: str) -> Accepted:
        """Judge all and write all. The order of the tables is the order of their references."""
        for record in self.records:
            if (place := (record.place, hash_of(record))) in self.places:
                continue
            self.places.add(place)
            self.judged.append((record, *self.judge(record, at=record.at)))
        self.store()
        rows = InboxMessage.objects.bulk_create(
            (self._row(record, judgement, payment) for record, judgement, payment in self.judged)
        )
        parked = [row for row in rows if row.verdict in InboxMessage.PARKED]
        outbox.park(records=parked, group=group, now=self.now)
        positions.note(records=self.records, now=self.now)
        counts: dict[str, int] = {"known": len(self.records) - len(self.judged)}
        for row in rows:
            counts[row.verdict] = counts.get(row.verdict, 0) + 1
        fresh = [payment for payment, asked_at in self.due.items() if asked_at >= self.now - FRESH_FOR]
        return Accepted(due=list(self.due), fresh=fresh, counts=counts)

    def say(self) -> None:
        """One line for each record that has its row now."""
        for record, judgement, payment in self.judged:
            traceparent = record.wish.traceparent if isinstance(record.wish, PaymentRequest) else ""
            log.info(
                "judged", record=named(record), verdict=judgement.verdict, trace=tracing.id_of(traceparent),
                payment=str(payment.id) if payment else None,
            )  # fmt: skip

    def store(self) -> None:
        """Write what the judgements made of the payments."""
        Payment.objects.bulk_create(payment for payment, _ in self.made.values())
        Transition.objects.bulk_create(
            Transition(
                payment=payment, from_status="", to_status=payment.status, who=self.who, why="accepted",
                evidence={"record": named(record), **self.evidence}, at=self.now,
            )
            for payment, record in self.made.values()
        )  # fmt: skip
        for payment in self.touched.values():
            payment.save()
        Subscription.objects.bulk_update(self.subscriptions.values(), ["judged_until"], batch_size=500)

    def judge(self, record: Record, *, at: datetime) -> tuple[Judgement, Payment | None]:
        """Judge one as of a time, and carry it out in memory. Returns the payment that it is about, if any."""
        wish = record.wish
        if isinstance(wish, Rejection):
            return Judgement(verdict="invalid", reason=wish.reason), None
        subscription = self.subscriptions[wish.subscription]
        payment = self.payments.get(wish.subscription)
        judgement = judge(
            request=wish,
            at=at,
            known=known_of(subscription, payment, self.now),
            event_seen_for=self.events.get(wish.event_id),
        )
        if subscription.judged_until is None or at > subscription.judged_until:
            subscription.judged_until = at
        if judgement.verdict == "accepted" and wish.event_id:
            self.events[wish.event_id] = wish.subscription
        return judgement, self._carry_out(judgement, record, wish, payment)

    def _carry_out(
        self, judgement: Judgement, record: Record, wish: PaymentRequest, payment: Payment | None
    ) -> Payment | None:
        if judgement.action is Action.NEW_PAYMENT:
            made = _new_payment(wish, number=payment.number + 1 if payment else 1, at=record.at, now=self.now)
            self.payments[wish.subscription] = made
            self.made[made.id] = made, record
            self.due[made.id] = record.at
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
                payment=payment, asked_by=self.who, payment_method=wish.payment_method,
                refusal=judgement.refusal, now=self.now,
            )  # fmt: skip
            return payment
        request_attempt(
            payment=payment, asked_by=self.who, payment_method=wish.payment_method, customer=wish.customer,
            now=self.now, why="asked for again", evidence={"record": named(record), **self.evidence},
        )  # fmt: skip
        self.due[payment.id] = record.at
        return payment

    def _row(self, record: Record, judgement: Judgement, payment: Payment | None) -> InboxMessage:
        wish = record.wish if isinstance(record.wish, PaymentRequest) else None
        return InboxMessage(
            cluster=record.cluster, topic=record.topic, topic_id=record.topic_id,
            partition=record.partition, offset=record.offset,
            value_hash=hash_of(record), key=record.key, value=record.value,
            headers=[[_storable(name), _as_text(value)] for name, value in record.headers],
            recorded_at=record.at, received_at=self.now,
            event_id=wish.event_id if wish else "", subscription_id=wish.subscription if wish else None,
            payment=payment, verdict=judgement.verdict, reason=judgement.reason,
        )  # fmt: skip


def _as_text(value: bytes | None) -> str | None:
    """A header's value as jsonb can hold it; an empty one is not one that is missing."""
    return None if value is None else base64.b64encode(value).decode()


def _storable(name: str) -> str:
    """A header's name as jsonb can hold it: whatever a record is like, it must be possible to park it."""
    return name.encode("utf-8", "backslashreplace").decode().replace("\x00", "\\x00")


def _new_payment(wish: PaymentRequest, *, number: int, at: datetime, now: datetime) -> Payment:
    return Payment(
        id=notifications.payment_id(subscription=wish.subscription, number=number),
        subscription_id=wish.subscription, number=number, subscription_as_sent=wish.subscription_as_sent,
        user_as_sent=wish.user_as_sent, user_id=wish.user_id, email=wish.email,
        price=wish.price, amount=wish.amount, currency=wish.currency,
        payment_method=wish.payment_method, customer=wish.customer, traceparent=wish.traceparent,
        due_at=now, created_at=at, accepted_at=now,
    )  # fmt: skip
