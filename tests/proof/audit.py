"""The promises, held against rows, published records and the simulator's ledger.

`audit_always` holds at every moment, also just after a death; `audit_at_rest` when nothing is left to do. Both
return what is broken, in words, and count in `Tally` what they looked at. Neither asks the product: what must have
been told follows from the attempts, what may be told from the charges.
"""

import json
from collections import Counter, defaultdict
from datetime import timedelta
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.db import models

from payments import notifications
from payments.models import Attempt, InboxMessage, OutboxMessage, Payment, Transition
from tests.proof.edges import SUBSCRIPTION
from tests.proof.world import World

# P5, in words: settled, or shown to a person, within three minutes after the last fault.
SOON = timedelta(minutes=3)

# A second fault may strike during the wait for the first one's lease; what counts is the wait after the last.
PROMISES = ("P1", "P2", "P3", "P4", "P5")


class Audit:
    """One look at everything. `broken` fills up; `checked` counts by promise."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.broken: list[str] = []
        self.checked: Counter[str] = Counter()
        self.payments = list(Payment.objects.order_by("number"))
        self.attempts = list(Attempt.objects.order_by("number"))
        self.intents = world.stripe.ledger.payment_intents_of("subscription_id", SUBSCRIPTION)
        self.charges = world.stripe.ledger.charges_of("subscription_id", SUBSCRIPTION)
        self.paid = [charge for charge in self.charges if charge.status == "succeeded"]

    def expect(self, promise: str, holds: bool, words: str) -> None:
        """One thing that a promise says."""
        self.checked[promise] += 1
        if not holds:
            self.broken.append(f"{promise}: {words}")


def audit_always(world: World) -> Audit:
    """What holds at every moment, however little of it is done."""
    audit = Audit(world)
    audit.expect("P1", len(audit.paid) <= 1, f"{len(audit.paid)} successful charges")
    bound = {payment.intent_id for payment in audit.payments}
    charged = {charge.payment_intent for charge in audit.charges}
    audit.expect("P1", charged <= bound, f"charges on {charged - bound}, bound is {bound}")
    offsets = set(InboxMessage.objects.values_list("offset", flat=True))
    ahead = set(range(world.committed)) - offsets
    audit.expect("P2", not ahead, f"offsets {ahead} are committed and have no row")
    for payment in audit.payments:
        paid = any(charge.payment_intent == payment.intent_id for charge in audit.paid)
        audit.expect("P3", paid or payment.status != "success", "success without a charge")
    _audit_failures(audit)
    rows = set(OutboxMessage.objects.values_list("message_id", flat=True))
    told = {_ce_id(record.headers) for record in world.published if record.topic.startswith("notification")}
    audit.expect("P4", told <= rows, f"told before it was committed: {told - rows}")
    return audit


def audit_at_rest(world: World) -> Audit:
    """What holds when all is done that can be done."""
    audit = audit_always(world)
    audit.expect("P2", world.committed == len(world.topic), f"committed {world.committed} of {len(world.topic)}")
    offsets = sorted(InboxMessage.objects.values_list("offset", flat=True))
    audit.expect("P2", offsets == list(range(len(world.topic))), f"records with verdicts: {offsets}")
    audit.expect("P2", len(audit.payments) == 1, f"{len(audit.payments)} payments of one subscription")
    for payment in audit.payments:
        _audit_end(audit, payment)
        _audit_told(audit, payment)
    waiting = OutboxMessage.objects.filter(published_at__isnull=True).count()
    audit.expect("P4", waiting == 0, f"{waiting} records wait to be published")
    return audit


def _audit_failures(audit: Audit) -> None:
    """Every no that we believed was one: a failed charge, or a refusal that Stripe answered."""
    declined = [one for one in audit.attempts if one.state in ("declined", "action_required")]
    failed = [charge for charge in audit.charges if charge.status == "failed"]
    audit.expect("P3", len(declined) <= len(failed), f"{len(declined)} declined attempts, {len(failed)} failed charges")
    rejected = [one for one in audit.attempts if one.state == "rejected"]
    if rejected:
        refusals = [one for one in audit.world.stripe.control.requests() if one["status"] in (400, 404)]
        audit.expect("P3", bool(refusals), "rejected, and Stripe refused nothing")


def _audit_end(audit: Audit, payment: Payment) -> None:
    ends = audit.world.behaviour.ends
    audit.expect("P3", payment.status in ends, f"rests as {payment.status} ({payment.code}), not as {sorted(ends)}")
    paid = bool(audit.paid)
    audit.expect("P3", paid == (payment.status == "success"), f"{payment.status}, and charged is {paid}")
    if payment.status == "pending":
        audit.expect("P5", payment.attention != "", "pending for ever, and nobody is shown it")
        return
    sums = [(charge.amount, charge.currency.upper()) for charge in audit.paid]
    audit.expect("P3", sums in ([], [(payment.amount, payment.currency)]), f"charged {sums}")
    audit.expect("P5", payment.attention == "", f"settled, and still shown to a person: {payment.attention}")
    took = (payment.settled_at or audit.world.clock()) - audit.world.trouble_at
    audit.expect("P5", took <= SOON, f"settled {took} after the last fault")


def _audit_told(audit: Audit, payment: Payment) -> None:
    """Each outcome at least once, under its own id, with the same bytes, and in order."""
    due = {_id_of(payment, f"failed/{one.number}"): "failed" for one in audit.attempts if one.state in FAILURES}
    if payment.status == "success":
        due[_id_of(payment, "success")] = "success"
    bytes_told: dict[str, set[tuple[bytes | None, bytes | None]]] = defaultdict(set)
    statuses: dict[str, str] = {}
    for record in audit.world.published:
        if record.topic.startswith("notification"):
            bytes_told[_ce_id(record.headers)].add((record.key, record.value))
            statuses.setdefault(_ce_id(record.headers), json.loads(record.value or b"")["payment"]["status"])
    audit.expect("P4", statuses == due, f"told {statuses}, due was {due}")
    changed = [one for one, versions in bytes_told.items() if len(versions) > 1]
    audit.expect("P4", not changed, f"told with different bytes: {changed}")
    if payment.status != "pending" and statuses:
        last = list(statuses.values())[-1]
        audit.expect("P4", last == payment.status, f"told last: {last}, is {payment.status}")
    parked = InboxMessage.objects.filter(verdict__in=InboxMessage.PARKED).count()
    letters = {record.value for record in audit.world.published if not record.topic.startswith("notification")}
    audit.expect("P4", len(letters) == parked, f"{len(letters)} dead letters of {parked} parked records")


FAILURES = ("declined", "action_required", "rejected", "refused")


def tell_story(world: World) -> str:
    """All that there is to know about a history that broke a promise."""
    tables: list[type[models.Model]] = [InboxMessage, Payment, Attempt, Transition, OutboxMessage]
    parts = ["operations:", *(f"  {line}" for line in world.gate.log)]
    for table in tables:
        parts.append(f"{table.__name__}:")
        parts += [f"  {_plain(row)}" for row in table._default_manager.order_by("pk").values()]
    parts.append(f"published: {[(_ce_id(one.headers), one.value) for one in world.published]}")
    parts.append("Stripe received:")
    parts += [f"  {_request(one)}" for one in world.stripe.control.requests()]
    parts.append("ledger:")
    parts += [f"  {_plain(row)}" for row in world.stripe.ledger.report()["payment_intents"]]
    return "\n".join(parts)


def _request(one: dict[str, Any]) -> str:
    return f"{one['endpoint']} {one['params']} key={one['idempotency_key']} -> {one['status']} fault={one['fault']}"


def _plain(row: Any) -> str:
    kept = {name: value for name, value in row.items() if value not in (None, "", [], {}) and name != "value"}
    return json.dumps(kept, cls=DjangoJSONEncoder, default=repr) if _is_plain(kept) else repr(kept)


def _is_plain(row: dict[str, Any]) -> bool:
    return not any(isinstance(value, bytes | memoryview) for value in row.values())


def _id_of(payment: Payment, transition: str) -> str:
    return notifications.notification_id(payment=payment.id, transition=transition)


def _ce_id(headers: list[tuple[str, bytes]]) -> str:
    return dict(headers).get("ce_id", b"").decode()
