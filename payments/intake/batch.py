"""One batch under judgement: what is known of its subscriptions, and what the judgements make of their payments.

Two batches, or two records of one subscription in one batch, can't both win: the subscriptions' rows are locked first,
whatever is read afterwards is judged under those locks, and each record knows of those before it.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from payments import notifications
from payments.charging.retry import refuse_attempt, request_attempt
from payments.intake import written
from payments.intake.judge import Action, Judgement, Known, judge
from payments.intake.known import known_events, known_of, latest_payments, lock_subscriptions, named
from payments.intake.requests import PaymentRequest, Record, Rejection
from payments.intake.written import Judged, Made
from payments.models import Payment

NO_EVIDENCE: Mapping[str, str] = {}


class Batch:
    """Records under judgement, at places that are the caller's.

    `who` asks for what is done, and `evidence` of that goes into the history beside the record's place. `anew`: as of
    another time than the record's.
    """

    def __init__(
        self, records: Sequence[Record], *, now: datetime, who: str = "event",
        evidence: Mapping[str, str] = NO_EVIDENCE, anew: bool = False,
    ) -> None:  # fmt: skip
        self.now, self.who, self.evidence = now, who, evidence
        # Of a subscription that is new, its row says at once what will have been judged: no second write for it.
        newest: dict[str, datetime | None] = {}
        events: list[str] = []
        for record in records:
            if isinstance(wish := record.wish, PaymentRequest):
                before = newest.get(wish.subscription)
                newest[wish.subscription] = None if anew else record.at if before is None else max(before, record.at)
                if wish.event_id:
                    events.append(wish.event_id)
        self._judged_until, made = lock_subscriptions(newest) if newest else ({}, set())
        """As it stands in the rows."""
        self.payments: dict[str, Payment | Made] = {**latest_payments(list(self._judged_until))}
        self.judged_until: dict[str, datetime | None] = {**self._judged_until, **dict.fromkeys(made)}
        self._judged_until |= {one: newest[one] for one in made}
        self.events = known_events(events)
        self.made: list[Made] = []
        self.touched: dict[UUID, Payment] = {}
        self.due: dict[UUID, datetime] = {}
        self.judged: list[Judged] = []

    def judge(self, record: Record, *, at: datetime, hashed: bytes = b"") -> Judged:
        """Judge one as of a time, and carry it out in memory. `hashed`: the hash of its value, for its row."""
        wish = record.wish
        payment = None
        if isinstance(wish, Rejection):
            judgement = Judgement(verdict="invalid", reason=wish.reason)
        else:
            judgement = self._judge(wish, at)
            payment = self._carry_out(judgement, record, wish)
        judged = Judged(record, hashed, judgement.verdict, judgement.reason, payment)
        self.judged.append(judged)
        return judged

    def store(self) -> None:
        """Write what the judgements made of the payments."""
        written.make(self.made, who=self.who, evidence=self.evidence, now=self.now)
        for payment in self.touched.values():
            payment.save()
        moved = {one: at for one, at in self.judged_until.items() if at != self._judged_until[one]}
        written.move(moved)

    def _judge(self, wish: PaymentRequest, at: datetime) -> Judgement:
        judged_until = self.judged_until[wish.subscription]
        judgement = judge(
            request=wish, at=at, known=self._known(judged_until, self.payments.get(wish.subscription)),
            event_seen_for=self.events.get(wish.event_id),
        )  # fmt: skip
        if judged_until is None or at > judged_until:
            self.judged_until[wish.subscription] = at
        if judgement.verdict == "accepted" and wish.event_id:
            self.events[wish.event_id] = wish.subscription
        return judgement

    def _known(self, judged_until: datetime | None, payment: Payment | Made | None) -> Known:
        if payment is None:
            return Known(judged_until=judged_until)
        if isinstance(payment, Made):
            return Known(
                judged_until=judged_until, status=Payment.Status.PENDING, fingerprint=payment.wish.fingerprint,
                payment_method=payment.wish.payment_method,
            )  # fmt: skip
        return known_of(judged_until, payment, self.now)

    def _carry_out(self, judgement: Judgement, record: Record, wish: PaymentRequest) -> UUID | None:
        """Returns the payment that it is about, if any."""
        payment = self.payments.get(wish.subscription)
        if judgement.action is Action.NEW_PAYMENT:
            return self._make(record, wish, number=payment.number + 1 if payment else 1)
        if payment is None:
            return None
        if judgement.action is Action.NOTHING:
            return payment.id
        if judgement.action is Action.KEEP_METHOD:
            payment.next_payment_method, payment.next_customer = wish.payment_method, wish.customer
        if isinstance(payment, Made):
            # It is pending: nothing else can become of it.
            return payment.id
        self.touched[payment.id] = payment
        if judgement.action is not Action.KEEP_METHOD:
            self._try_again(judgement, record, wish, payment)
        return payment.id

    def _make(self, record: Record, wish: PaymentRequest, *, number: int) -> UUID:
        made = Made(
            id=notifications.payment_id(subscription=wish.subscription, number=number), number=number, record=record,
            wish=wish,
        )  # fmt: skip
        self.payments[wish.subscription] = made
        self.made.append(made)
        self.due[made.id] = record.at
        return made.id

    def _try_again(self, judgement: Judgement, record: Record, wish: PaymentRequest, payment: Payment) -> None:
        payment.user_as_sent, payment.email = wish.user_as_sent, wish.email
        if judgement.refusal:
            refuse_attempt(
                payment=payment, asked_by=self.who, payment_method=wish.payment_method,
                refusal=judgement.refusal, now=self.now,
            )  # fmt: skip
            return
        request_attempt(
            payment=payment, asked_by=self.who, payment_method=wish.payment_method, customer=wish.customer,
            now=self.now, why="asked for again", evidence={"record": named(record), **self.evidence},
        )  # fmt: skip
        self.due[payment.id] = record.at
