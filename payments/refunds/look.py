"""Look: what webhooks hint at, a refund or a dispute, is asked of Stripe before it is believed.

A webhook stays open until Stripe has answered. While somebody looks, the payment carries a lease, as one that is
paid is never claimed for a charge. Where Stripe gives no answer the lease stays for as long as an unknown outcome
waits, so that the next look comes then.
"""

import uuid
from collections import defaultdict
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, assert_never

import structlog
from django.db.models import F, Q

from payments import retry_policy
from payments.answers import DisputeSeen, RefundSeen, Rejected, Reply
from payments.charging import is_paused
from payments.charging.claim import LEASE
from payments.charging.steps import Call, Calls, Clock
from payments.gateway import Gateway
from payments.limits import Endpoint
from payments.models import Payment, Webhook
from payments.refunds.disputes import note_dispute
from payments.refunds.run import Job, run_side_by_side
from payments.refunds.settle import note_refund
from payments.refunds.steps import list_all

log = structlog.get_logger(__name__)

NO_ANSWER = "Stripe tells of a refund or a dispute, and gives no answer about it"


@dataclass(frozen=True, kw_only=True)
class _Named:
    """What a hint names. `kind` charge: all refunds of the payment are asked for, and `id` is of no account."""

    kind: Literal["refund", "dispute", "charge"]
    id: str = ""


def follow_up(*, gateway: Gateway, clock: Clock, limit: int) -> int:
    """Ask Stripe about open webhooks that tell of refunds and disputes of paid payments, oldest first, and note what
    it says. Nobody is asked while charging is paused. Returns how many of the webhooks were answered."""
    hints = _find_hints(now=clock(), limit=limit)
    if not hints or is_paused():
        return 0
    answered: dict[uuid.UUID, bool] = {}
    jobs = []
    for payment in _claim(list(hints), now=clock()):
        about = list(dict.fromkeys(_named(hint) for hint in hints[payment.id]))
        its_steps = _steps(payment, about, gateway, clock, answered)
        jobs.append(Job(name=str(payment.id), steps=its_steps, lease_until=payment.lease_until or clock()))
    run_side_by_side(jobs=jobs, clock=clock)
    return sum(_close(hints[payment_id], news, now=clock()) for payment_id, news in answered.items())


def _find_hints(*, now: datetime, limit: int) -> dict[uuid.UUID, list[Webhook]]:
    """By payment. `webhooks.judge` has left them open, and has said which payment they are about."""
    free = Q(payment__lease_until__isnull=True) | Q(payment__lease_until__lte=now)
    waiting = Webhook.objects.filter(
        free, handled_at__isnull=True, payment__isnull=False, payment__status=Payment.Status.SUCCESS
    )
    hints: dict[uuid.UUID, list[Webhook]] = defaultdict(list)
    for hint in waiting.order_by("id")[:limit]:
        assert hint.payment_id is not None  # noqa: S101 -- the filter says so
        hints[hint.payment_id].append(hint)
    return hints


def _named(hint: Webhook) -> _Named:
    """By id, as that answer is authoritative; a charge tells only that something about its refunds is new."""
    if hint.type.startswith("charge.dispute.") and hint.object_id:
        return _Named(kind="dispute", id=hint.object_id)
    if hint.type.startswith(("refund.", "charge.refund.")) and hint.object_id:
        return _Named(kind="refund", id=hint.object_id)
    return _Named(kind="charge")


def _close(hints: Sequence[Webhook], news: bool, *, now: datetime) -> int:
    verdict = Webhook.Verdict.LOOK if news else Webhook.Verdict.NOTHING_NEW
    mine = Webhook.objects.filter(id__in=[hint.id for hint in hints], handled_at__isnull=True)
    return mine.update(verdict=verdict, handled_at=now)


def _claim(payment_ids: Sequence[uuid.UUID], *, now: datetime) -> list[Payment]:
    """By compare and set: those that are paid and free."""
    claimed = []
    for payment_id in payment_ids:
        free = Payment.objects.filter(
            Q(lease_until__isnull=True) | Q(lease_until__lte=now), id=payment_id, status=Payment.Status.SUCCESS
        )
        if free.update(lease_until=now + LEASE, deliveries=F("deliveries") + 1):
            claimed.append(Payment.objects.get(id=payment_id))
    return claimed


def _steps(
    payment: Payment, about: Sequence[_Named], gateway: Gateway, clock: Clock, answered: dict[uuid.UUID, bool]
) -> Calls:
    news = False
    for named in about:
        noted = yield from _note(payment, named, gateway, clock)
        if noted is None:
            _wait(payment, now=clock())
            return
        news |= noted
    mine = Payment.objects.filter(id=payment.id)
    mine.update(lease_until=None, deliveries=0)
    mine.filter(attention=NO_ANSWER).update(attention="")
    answered[payment.id] = news


def _note(payment: Payment, named: _Named, gateway: Gateway, clock: Clock) -> Generator[Call, Reply, bool | None]:
    """Ask, and note. Returns whether it was news; None: no answer."""
    asked_at = clock()
    match named.kind:
        case "charge":
            listed = yield from list_all(intent=payment.intent_id or "", gateway=gateway)
            if not isinstance(listed, list):
                return None
            news = [note_refund(payment=payment, seen=one, now=clock()) for one in listed]  # all of them
            return any(news)
        case "refund":
            answer = yield Call(Endpoint.REFUND_RETRIEVE, lambda: gateway.retrieve_refund(refund=named.id))
        case "dispute":
            answer = yield Call(Endpoint.DISPUTE_RETRIEVE, lambda: gateway.retrieve_dispute(dispute=named.id))
        case _:
            assert_never(named.kind)
    match answer:
        case RefundSeen(refund=refund):
            return note_refund(payment=payment, seen=refund, now=clock())
        case DisputeSeen(dispute=dispute):
            return note_dispute(payment=payment, seen=dispute, now=asked_at)
        case Rejected():
            # Signed by Stripe, and Stripe doesn't have it: of another account, or made up for a test.
            log.error("Stripe does not have what it told of", payment=str(payment.id), kind=named.kind, record=named.id)
            return False
        case _:
            return None


def _wait(payment: Payment, *, now: datetime) -> None:
    """No answer: the next look comes later and later, and a person is shown it in time."""
    pause = retry_policy.pause_after_unknown(payment.deliveries)
    mine = Payment.objects.filter(id=payment.id)
    mine.update(lease_until=now + pause)
    if payment.deliveries >= retry_policy.TRIES_IN_DOUBT:
        mine.filter(attention="").update(attention=NO_ANSWER)
