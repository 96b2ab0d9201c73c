"""What tests of the support desk share: payments in every state, and a person who asks for something."""

import uuid
from collections.abc import Sequence
from typing import Any

from billing_project.dev.simulator import Simulator
from payments import charging, jobs
from payments.actions import ACTIONS, Subject, Wish
from payments.gateway import Gateway
from payments.models import Job, JobItem, Payment
from tests.conftest import Clock
from tests.integration.events import accept, event, record

# By subscription: what becomes of it.
CARDS = {
    "poor": "pm_card_chargeDeclinedInsufficientFunds",
    "lost": "pm_card_chargeDeclinedLostCard",
    "sca": "pm_card_authenticationRequired",
    "paid": "pm_1",
}
AIDA, BULAT = "staff: aida", "staff: bulat"


def settle_each(stripe: Simulator, gateway: Gateway, clock: Clock) -> dict[str, Payment]:
    """One payment for each card, charged, and `unknown`, whose outcome nobody knows."""
    stripe.control.add_fault(kind="reset", endpoint="confirm", metadata={"subscription_id": "unknown"})
    for name, method in (CARDS | {"unknown": "pm_1"}).items():
        accept(record(event(name, method=method), at=clock()), now=clock())
    ids = list(Payment.objects.values_list("id", flat=True))
    charging.charge(payment_ids=ids, gateway=gateway, clock=clock)
    return {payment.subscription_id: payment for payment in Payment.objects.all()}


def settle_one(name: str, gateway: Gateway, clock: Clock) -> Payment:
    """One of these alone, charged."""
    [payment_id] = accept(record(event(name, method=CARDS[name]), at=clock()), now=clock()).due
    return again(read(payment_id), gateway, clock)


def fail_many(count: int, gateway: Gateway, clock: Clock) -> list[Payment]:
    """So many payments, each declined for want of money."""
    accepted = accept(
        *(record(event(f"many_{n}", method=CARDS["poor"], user=f"u_{n}"), at=clock()) for n in range(count)),
        now=clock(),
    )
    charging.charge(payment_ids=accepted.due, gateway=gateway, clock=clock)
    return list(Payment.objects.filter(status="failed").order_by("subscription_id"))


def draft(action: str, subjects: Sequence[Subject], clock: Clock, *, who: str = AIDA) -> Job:
    """Somebody looks at what an action would do."""
    return jobs.draft(action=ACTIONS[action], subjects=subjects, who=who, now=clock())


def wish_for(subject: int | uuid.UUID, clock: Clock, **arguments: Any) -> Wish:
    """Something is to be done to what has this id, past all previews and jobs."""
    return Wish(id=uuid.uuid4(), subject=subject, who=AIDA, why="x", now=clock(), arguments=arguments)


def ask(action: str, subjects: Sequence[Subject], clock: Clock, *, who: str = AIDA, **arguments: Any) -> Job:
    """Somebody looks, and says yes."""
    seen = draft(action, subjects, clock, who=who)
    return jobs.confirm(job=seen, who=who, why="agreed by phone", arguments=arguments, now=clock())


def finish(job: Job, clock: Clock) -> list[tuple[str, str]]:
    """A worker does all of it. Returns what became of each item: state and text."""
    jobs.work(job_id=job.id, clock=clock, seconds=60)
    job.refresh_from_db()
    return list(JobItem.objects.filter(job=job).order_by("number").values_list("state", "text"))


def do(action: str, subject: Subject, clock: Clock, **arguments: Any) -> tuple[str, str]:
    """One action on one thing, from the preview to its end."""
    [outcome] = finish(ask(action, [subject], clock, **arguments), clock)
    return outcome


def again(payment: Payment, gateway: Gateway, clock: Clock) -> Payment:
    """A worker takes the payment up, if it is due."""
    charging.charge(payment_ids=[payment.id], gateway=gateway, clock=clock)
    return read(payment.id)


def read(payment_id: uuid.UUID) -> Payment:
    """As it stands."""
    return Payment.objects.get(id=payment_id)
