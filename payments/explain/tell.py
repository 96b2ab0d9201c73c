"""Tell the story of one payment: read all that belongs to it, and put it into words."""

import uuid
from collections.abc import Iterator
from datetime import datetime

from django.utils.translation import gettext as _

from payments import money, retry_policy, words
from payments.charging.retry import card_declines, last_card
from payments.explain.conclude import conclude
from payments.explain.known import know
from payments.explain.links import dashboard
from payments.explain.story import Back, Fact, Other, Step, Story, Tone
from payments.explain.time_line import time_line
from payments.models import Break, Dispute, Payment

_REFUND_TONES: dict[str, Tone] = {"succeeded": "good", "failed": "act", "rejected": "act", "canceled": "act"}


def explain(*, payment_id: uuid.UUID, now: datetime) -> Story:
    """The story as of now. Raises `Payment.DoesNotExist`."""
    payment = Payment.objects.get(id=payment_id)
    return Story(
        payment=payment.id,
        subscription=payment.subscription_id,
        amount=money.for_people(payment.amount, currency=payment.currency),
        conclusion=conclude(know(payment, now=now)),
        told=payment.reason,
        budget=_budget(payment, now),
        facts=tuple(_facts(payment)),
        next_steps=tuple(_next_steps(payment)),
        refunds=tuple(_refunds(payment)),
        disputes=tuple(_disputes(payment, now)),
        differences=tuple(
            Step(at=one.found_at, text=one.reason)
            for one in Break.objects.filter(payment=payment, closed_at__isnull=True).order_by("found_at")
        ),
        events=time_line(payment),
        others=tuple(_others(payment)),
    )


def _facts(payment: Payment) -> Iterator[Fact]:
    amount = money.for_people(payment.amount, currency=payment.currency)
    yield Fact(label=_("Amount"), value=amount)
    if payment.refunded:
        back = money.for_people(payment.refunded, currency=payment.currency)
        yield Fact(label=_("Given back"), value=back)
    yield Fact(label=_("Subscription"), value=payment.subscription_id)
    yield Fact(label=_("User"), value=payment.user_id, personal=True)
    yield Fact(label=_("E-mail"), value=payment.email or _("none was given"), personal=bool(payment.email))
    yield Fact(label=_("Saved card"), value=payment.payment_method or _("not known"))
    if payment.customer:
        link = dashboard(payment.customer, livemode=payment.livemode)
        yield Fact(label=_("Customer at Stripe"), value=payment.customer, link=link)
    link = dashboard(payment.intent_id, livemode=payment.livemode)
    yield Fact(label=_("At Stripe"), value=payment.intent_id or _("nothing was made there yet"), link=link)
    if payment.intent_id and payment.livemode is not None:
        mode = _("live: real money") if payment.livemode else _("test: no real money")
        yield Fact(label=_("Mode"), value=mode)
    yield Fact(label=_("Asked for"), value=words.both_zones(payment.created_at))
    if payment.settled_at:
        yield Fact(label=_("Settled"), value=words.both_zones(payment.settled_at))
    if payment.closed_at:
        yield Fact(label=_("Closed"), value=words.both_zones(payment.closed_at))
    yield Fact(label=_("Payment"), value=str(payment.id))


def _budget(payment: Payment, now: datetime) -> str:
    """How often its card may still be declined before the networks allow no more tries."""
    days, cap = retry_policy.NETWORK_WINDOW.days, retry_policy.NETWORK_CAP
    if payment.status == Payment.Status.SUCCESS or payment.closed_at:
        return ""
    card = last_card(payment)
    if not card:
        return _(
            "The card networks allow %(cap)d declined tries of a card in %(days)d days. This payment has none."
        ) % {
            "cap": cap,
            "days": days,
        }
    used = card_declines(card=card, now=now)
    return _(
        "The card networks allow %(cap)d declined tries of a card in %(days)d days. This card has had %(used)d, over "
        "all its payments: %(left)d left."
    ) % {"cap": cap, "days": days, "used": used, "left": max(0, cap - used)}


def _next_steps(payment: Payment) -> Iterator[Step]:
    if payment.retry_at:
        yield Step(at=payment.retry_at, text=_("It is tried again by itself"))
    if payment.due_at and payment.due_at != payment.retry_at:
        failed = payment.status == Payment.Status.FAILED
        text = _("Stripe is asked whether anything has changed") if failed else _("The next step is taken")
        yield Step(at=payment.due_at, text=text)


def _refunds(payment: Payment) -> Iterator[Back]:
    for refund in payment.refunds.order_by("created_at"):
        state = words.word(words.REFUNDS, refund.state)
        yield Back(
            id=refund.refund_id or str(refund.id), at=refund.created_at, who=words.person(refund.asked_by),
            amount=money.for_people(refund.amount, currency=payment.currency),
            state=f"{state} ({refund.code})" if refund.code else state,
            why=refund.reason, next_step=refund.attention, tone=_REFUND_TONES.get(refund.state, "wait"),
            link=dashboard(refund.refund_id, livemode=payment.livemode),
        )  # fmt: skip


def _disputes(payment: Payment, now: datetime) -> Iterator[Back]:
    for dispute in payment.disputes.order_by("opened_at"):
        tone: Tone = "act" if not dispute.ended_at else "good" if dispute.status == "won" else "rest"
        yield Back(
            id=dispute.dispute_id, at=dispute.opened_at,
            amount=money.for_people(dispute.amount, currency=dispute.currency),
            state=words.word(words.DISPUTE_STATUSES, dispute.status),
            why=words.word(words.DISPUTE_REASONS, dispute.reason),
            next_step=words.dispute_next_step(dispute.status), tone=tone,
            deadline=deadline_of(dispute, now=now),
            link=dashboard(dispute.dispute_id, livemode=payment.livemode),
        )  # fmt: skip


def deadline_of(dispute: Dispute, *, now: datetime) -> str:
    """Until when it must be answered; empty where nothing waits for us."""
    if not dispute.status.endswith("needs_response"):
        return ""
    if dispute.respond_by is None:
        return _("an answer is due, Stripe does not say until when")
    until, distance = words.both_zones(dispute.respond_by), words.from_now(dispute.respond_by, now=now)
    if dispute.respond_by < now:
        return _("an answer was due until %(time)s, %(distance)s") % {"time": until, "distance": distance}
    return _("answer until %(time)s, %(distance)s") % {"time": until, "distance": distance}


def _others(payment: Payment) -> Iterator[Other]:
    for other in Payment.objects.filter(subscription=payment.subscription_id).exclude(id=payment.id).order_by("number"):
        status = words.word(words.STATUSES, other.status)
        closed = _("closed") if other.closed_at else status
        yield Other(id=other.id, number=other.number, text=closed)
