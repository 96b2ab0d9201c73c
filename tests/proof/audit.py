"""The promises, held against rows, published records and the simulator's ledger.

`audit_always` holds at every moment, also just after a death; `audit_at_rest` when nothing is left to do. Both
note what is broken, in words, and count what they looked at. Neither asks the product: what must have been told
follows from the attempts, what may be told from the charges. At rest the product's own audit must agree.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Protocol

from billing_project.dev.simulator import Simulator
from bridge.kafka import Outgoing
from payments import audit as product_audit
from payments import notifications
from payments.models import Attempt, InboxMessage, OutboxMessage, Payment, Transition
from tests.proof import rows

# Endings that are told as a failure, unless nobody asked for the attempt.
FAILURES = ("declined", "action_required", "rejected", "refused")


class World(Protocol):
    """What is audited beside the rows: Stripe, what was published in its order, and how far Kafka has been read."""

    @property
    def stripe(self) -> Simulator: ...
    @property
    def clock(self) -> Callable[[], datetime]: ...
    @property
    def published(self) -> Sequence[Outgoing]: ...
    @property
    def effects_may_be_late(self) -> bool:
        """Whether Stripe may charge after it has said no."""

    @property
    def has_forgotten(self) -> bool:
        """Whether the database was put back, and attempts are gone that were told."""

    def find_ahead(self) -> Collection[object]:
        """Offsets that are committed and have no row."""

    def find_unjudged(self) -> Collection[object]:
        """Offsets that have a record and not one verdict each, or aren't committed."""


@dataclass(frozen=True, kw_only=True)
class Charge:
    """One charge there: which PaymentIntent's and subscription's, and whether it took anything."""

    intent: str
    subscription: str
    paid: bool
    amount: int
    currency: str


class Audit:
    """One look at everything. `broken` fills up; `checked` counts by promise."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.broken: list[str] = []
        self.checked: Counter[str] = Counter()
        self.payments = list(Payment.objects.raw("SELECT * FROM payments_payment ORDER BY subscription_id, number"))
        self.attempts = list(Attempt.objects.raw("SELECT * FROM payments_attempt ORDER BY payment_id, number"))
        self.charges = _charges(world)
        self.paid = [charge for charge in self.charges if charge.paid]
        self._charges_on: dict[str | None, list[Charge]] = defaultdict(list)
        for charge in self.charges:
            self._charges_on[charge.intent].append(charge)
        self._attempts_at: dict[object, list[Attempt]] = defaultdict(list)
        for attempt in self.attempts:
            self._attempts_at[attempt.payment_id].append(attempt)

    def expect(self, promise: str, holds: bool, words: str) -> None:
        """One thing that a promise says."""
        self.checked[promise] += 1
        if not holds:
            self.broken.append(f"{promise}: {words}")

    def paid_for(self, payment: Payment) -> list[Charge]:
        """Its successful charges."""
        return [charge for charge in self._charges_on[payment.intent_id] if charge.paid]

    def failed_for(self, payment: Payment) -> list[Charge]:
        """Its charges that took nothing."""
        return [charge for charge in self._charges_on[payment.intent_id] if not charge.paid]

    def attempts_at(self, payment: Payment) -> list[Attempt]:
        """Its attempts, from the first."""
        return self._attempts_at[payment.id]

    @cached_property
    def is_anything_refused(self) -> bool:
        """Whether Stripe has called any request of ours wrong."""
        return any(one["status"] in (400, 404) for one in self.world.stripe.control.requests())


def audit_always(world: World) -> Audit:
    """What holds at every moment, however little of it is done."""
    audit = Audit(world)
    times = Counter(charge.subscription for charge in audit.paid)
    for subscription in {payment.subscription_id for payment in audit.payments} | set(times):
        # Over all of its payments, the open and the closed ones.
        audit.expect("P1", times[subscription] <= 1, f"{subscription}: {times[subscription]} successful charges")
    bound = {payment.intent_id for payment in audit.payments}
    charged = {charge.intent for charge in audit.charges}
    audit.expect("P1", charged <= bound, f"charges on {charged - bound}, bound is {bound}")
    ahead = world.find_ahead()
    audit.expect("P2", not ahead, f"offsets {ahead} are committed and have no row")
    for payment in audit.payments:
        _audit_words(audit, payment)
    to_tell = rows.find_told()
    told = {_ce_id(record.headers) for record in world.published if record.topic.startswith("notification")}
    told -= to_tell | (_forgotten(audit) if world.has_forgotten else set())
    audit.expect("P4", not told, f"told before it was committed: {told}")
    return audit


def audit_at_rest(world: World) -> Audit:
    """What holds when all is done that can be done."""
    audit = audit_always(world)
    unjudged = world.find_unjudged()
    audit.expect("P2", not unjudged, f"records without one verdict each: {unjudged}")
    for payment in audit.payments:
        _audit_end(audit, payment)
    _audit_told(audit)
    waiting = OutboxMessage.objects.filter(published_at__isnull=True).count()
    audit.expect("P4", waiting == 0, f"{waiting} records wait to be published")
    for one in product_audit.audit(now=world.clock()):
        audit.expect(one.check.promise, one.holds, f"manage.py audit: {one.check.name}: {', '.join(one.first)}")
    return audit


def _audit_words(audit: Audit, payment: Payment) -> None:
    """No success without a charge; every no that we believed was one: a failed charge, or a refusal by Stripe."""
    paid, name = audit.paid_for(payment), f"{payment.subscription_id}/{payment.number}"
    audit.expect("P3", bool(paid) or payment.status != "success", f"{name}: success without a charge")
    audit.expect("P1", not paid or payment.closed_at is None, f"{name}: closed, and charged")
    attempts = audit.attempts_at(payment)
    declined = [one for one in attempts if one.state in ("declined", "action_required")]
    failed = audit.failed_for(payment)
    words = f"{name}: {len(declined)} declined attempts, {len(failed)} failed charges"
    audit.expect("P3", len(declined) <= len(failed), words)
    failed_late = audit.world.effects_may_be_late or payment.status != "failed"
    audit.expect("P3", failed_late or not paid, f"{name}: failed, and charged")
    # Closing ends one without a code: then nobody was refused anything.
    if any(one.state == "rejected" and (one.code or not payment.closed_at) for one in attempts):
        audit.expect("P3", audit.is_anything_refused, f"{name}: rejected, and Stripe refused nothing")


def _audit_end(audit: Audit, payment: Payment) -> None:
    paid, name = audit.paid_for(payment), f"{payment.subscription_id}/{payment.number}"
    words = f"{name}: {payment.status}, and charged is {bool(paid)}"
    audit.expect("P3", bool(paid) == (payment.status == "success"), words)
    if payment.status == "pending":
        audit.expect("P5", payment.attention != "", f"{name}: pending for ever, and nobody is shown it")
        return
    sums = [(charge.amount, charge.currency) for charge in paid]
    audit.expect("P3", sums in ([], [(payment.amount, payment.currency)]), f"{name}: charged {sums}")
    # A dispute waits for a person's answer.
    shown = payment.attention != "" and payment.disputed_at is None
    audit.expect("P5", not shown, f"{name}: settled, and still shown to a person: {payment.attention}")


def _audit_told(audit: Audit) -> None:
    """Each outcome at least once, under its own id, with the same bytes, and in order."""
    due: dict[str, str] = {}
    for payment in audit.payments:
        due |= _due(audit, payment)
    bytes_told: dict[str, set[tuple[bytes | None, bytes | None]]] = defaultdict(set)
    told: dict[str, tuple[str, str]] = {}
    for record in audit.world.published:
        if record.topic.startswith("notification"):
            bytes_told[_ce_id(record.headers)].add((record.key, record.value))
            about = json.loads(record.value or b"")["payment"]
            told.setdefault(_ce_id(record.headers), (about["status"], about["id"]))
    statuses = {one: status for one, (status, _) in told.items()}
    as_due = due.items() <= statuses.items() if audit.world.has_forgotten else due == statuses
    audit.expect("P4", as_due, f"told and due differ in {sorted(set(due.items()) ^ set(statuses.items()))[:20]}")
    changed = [one for one, versions in bytes_told.items() if len(versions) > 1]
    audit.expect("P4", not changed, f"told with different bytes: {changed}")
    last = {about: status for status, about in told.values()}
    for payment in audit.payments:
        if payment.status != "pending" and (word := last.get(str(payment.id))):
            audit.expect("P4", word == payment.status, f"{payment.id}: told last {word}, is {payment.status}")
    # What staff has dismissed since was parked, too.
    parked = InboxMessage.objects.filter(verdict__in=(*InboxMessage.PARKED, InboxMessage.Verdict.DISMISSED)).count()
    letters = {
        tuple(dict(record.headers)[f"kafka_dlt-original-{part}"] for part in ("partition", "offset"))
        for record in audit.world.published
        if not record.topic.startswith("notification")
    }
    audit.expect("P4", len(letters) == parked, f"{len(letters)} dead letters of {parked} parked records")


def _due(audit: Audit, payment: Payment) -> dict[str, str]:
    """What must have been told of a payment: the id and the status of each notification."""
    due = {
        _id_of(payment, f"failed/{one.number}"): "failed"
        for one in audit.attempts_at(payment)
        if one.state in FAILURES and one.asked_by != "schedule" and one.code != "closed"
    }
    if payment.status == "success":
        due[_id_of(payment, "success")] = "success"
    if payment.closed_at and _closed_between_attempts(payment):
        due[_id_of(payment, "closed")] = "failed"
    return due


def _forgotten(audit: Audit) -> set[str]:
    """What was told of attempts before those that a database that was put back knows of."""
    return {
        _id_of(payment, f"failed/{number}")
        for payment in audit.payments
        for number in range(1, max((one.number for one in audit.attempts_at(payment)), default=1))
    }


def _closed_between_attempts(payment: Payment) -> bool:
    """Whether it was closed while somebody waited for an attempt that hadn't begun, so that no attempt tells it."""
    closing = Transition.objects.filter(payment=payment, from_status="pending", to_status="failed").last()
    if closing is None or closing.at != payment.closed_at or closing.attempt is None:
        return False
    before = Transition.objects.filter(attempt=closing.attempt, attempt_state__in=FAILURES, id__lt=closing.id)
    return closing.attempt.state == "refused" or before.exists()


def _charges(world: World) -> list[Charge]:
    ledger = world.stripe.ledger
    with ledger.lock:
        subscriptions = {one.id: one.metadata.get("subscription_id", "") for one in ledger.payment_intents}
        return [
            Charge(
                intent=one.payment_intent,
                subscription=subscriptions[one.payment_intent],
                paid=one.status == "succeeded",
                amount=one.amount,
                currency=one.currency.upper(),
            )
            for one in ledger.charges
        ]


def _id_of(payment: Payment, transition: str) -> str:
    return notifications.notification_id(payment=payment.id, transition=transition)


def _ce_id(headers: list[tuple[str, bytes]]) -> str:
    return dict(headers).get("ce_id", b"").decode()
