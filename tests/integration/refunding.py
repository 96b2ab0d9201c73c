"""What tests of refunds share: a paid payment, and one worker's round."""

import itertools
import json
import uuid
from typing import Any

from billing_project.dev.simulator import Simulator
from payments import charging, refunds, webhooks
from payments.answers import Page, StripeRefund
from payments.gateway import Event, Gateway
from payments.models import OutboxMessage, Payment, Refund, Webhook
from tests.conftest import Clock
from tests.integration.events import accept, event, record


def pay(gateway: Gateway, clock: Clock, **changes: Any) -> Payment:
    """A paid payment: 100 KZT by default, so 10,000 in minor units."""
    accepted = accept(record(event(**({"method": "pm_1"} | changes)), at=clock()), now=clock())
    charging.charge(payment_ids=accepted.due, gateway=gateway, clock=clock)
    payment = Payment.objects.get(id=accepted.due[0])
    assert payment.status == "success"
    return payment


def ask(payment: Payment, clock: Clock, amount: int | None = None) -> Refund:
    """Staff ask for a refund, and get it."""
    asked = refunds.request(payment_id=payment.id, amount=amount, who="aida", reason="by mistake", now=clock())
    assert isinstance(asked, Refund), asked
    return asked


def refusal(payment: Payment, clock: Clock, amount: int | None = None) -> str:
    """Staff ask for a refund, and don't get it; the code of why."""
    asked = refunds.request(payment_id=payment.id, amount=amount, who="aida", reason="by mistake", now=clock())
    assert isinstance(asked, refunds.NotRefundable), asked
    return asked.code


def carry_out(gateway: Gateway, clock: Clock) -> list[str]:
    """What one round of a worker does. Returns the states of all refunds, oldest first."""
    refunds.carry_out(refund_ids=refunds.find_due(now=clock(), limit=100), gateway=gateway, clock=clock)
    return states()


def states() -> list[str]:
    """Of all refunds, oldest first."""
    return list(Refund.objects.order_by("created_at", "id").values_list("state", flat=True))


def only() -> Refund:
    """The one refund there is."""
    return Refund.objects.get()


def rest(gateway: Gateway, clock: Clock) -> list[str]:
    """Rounds until nothing is unknown any more; a day at most."""
    for _ in range(30):
        if not {"sending", "unknown"} & set(carry_out(gateway, clock)):
            return states()
        due = Refund.objects.filter(due_at__isnull=False).order_by("due_at").first()
        assert due is not None
        assert due.due_at is not None
        clock.now = max(clock.now, due.due_at, due.lease_until or due.due_at)
    raise AssertionError(f"no rest: {states()}")


def posts(stripe: Simulator) -> list[dict[str, Any]]:
    """The refunds that Stripe was asked to make, oldest first."""
    return stripe.control.requests(endpoint="refunds.create")


def audit(stripe: Simulator) -> None:
    """Stripe's ledger and ours agree, payment by payment; and no refund of ours was made there twice."""
    for payment in Payment.objects.exclude(intent_id=None):
        there = stripe.ledger.refunds_of(payment.intent_id or "")
        given = sum(one.amount for one in there if one.status == "succeeded")
        assert payment.refunded == given, (payment.refunded, there)
        ours = [one.metadata["refund_id"] for one in there if "refund_id" in one.metadata]
        assert len(set(ours)) == len(ours), there
        assert {str(uuid.UUID(one)) for one in ours} <= {
            str(one) for one in payment.refunds.values_list("id", flat=True)
        }


def deliver(stripe: Simulator, clock: Clock, *kinds: str, order: int = 0) -> list[str]:
    """Hand the events of these kinds to the web process, in another order. Returns what each is worth now."""
    found = [one for one in stripe.ledger.events if one.type.startswith(kinds)]
    for one in next(itertools.islice(itertools.permutations(found), order, None)):
        snapshot = one.snapshot
        about: dict[str, Any] = {"id": snapshot.id, "payment_intent": getattr(snapshot, "payment_intent", None)}
        about |= {name: getattr(snapshot, name, None) for name in ("status", "amount", "currency", "metadata")}
        content = {"id": one.id, "type": one.type, "livemode": False, "data": {"object": about}}
        webhooks.receive(event=Event(id=one.id, type=one.type, content=content), now=clock())
    return list(Webhook.objects.order_by("id").values_list("verdict", flat=True))


def follow_up(gateway: Gateway, clock: Clock) -> list[str]:
    """What one round of a worker does. Returns what each webhook was worth."""
    webhooks.catch_up(now=clock())
    refunds.follow_up(gateway=gateway, clock=clock, limit=20)
    return list(Webhook.objects.order_by("id").values_list("verdict", flat=True))


def listed(gateway: Gateway, payment: Payment) -> tuple[StripeRefund, ...]:
    """What Stripe has, newest first."""
    page = gateway.list_refunds(intent=payment.intent_id or "")
    assert isinstance(page, Page)
    return page.items


def told_back() -> list[dict[str, Any]]:
    """The metadata of what was told of refunds and disputes, oldest first."""
    rows = OutboxMessage.objects.filter(channel="refunds").order_by("id")
    return [json.loads(bytes(row.value or b""))["payment"]["metadata"] for row in rows]
