"""Webhooks: Stripe tells that something has changed. A webhook is stored, and then it is a hint and no more.

Must never happen: money state changed by what a webhook says. At most it makes a payment due now, so that
`charging` retrieves the PaymentIntent and settles what that says; so order, duplicates, unknown types and
objects of others do no harm. Nor may a hint start an attempt, take a payment out of a worker's hands, or get
lost: while a worker has the payment, the webhook stays open, and `catch_up` takes it up.

One thing it proves: that commits were lost, where it says that an unbound payment is paid. Then charging stops.
"""

import re
import uuid
from collections.abc import Mapping
from datetime import datetime
from enum import Enum, auto
from typing import Any, assert_never

import structlog
from django.conf import settings
from django.db.models import Q

from payments import charging
from payments.gateway import Event
from payments.models import Attempt, Payment, Webhook

log = structlog.get_logger(__name__)

# Of one catching up; the next comes a second later.
BATCH = 200

# Who stops charging by what they say.
WHO = "webhook"

# What is kept of the object: nothing that a customer or an agent has typed.
FACTS = (
    "object", "status", "amount", "amount_received", "amount_refunded", "currency", "charge", "latest_charge",
    "reason", "failure_code", "cancellation_reason", "created",
)  # fmt: skip

# Ids and codes look like this; a name, an address or a sentence doesn't.
_CODE = re.compile(r"[\w.:-]{1,255}", re.ASCII)
_LARGEST = 2**63 - 1


class News(Enum):
    """What an event says has happened to a PaymentIntent."""

    NOTHING = auto()  # it was made, or will be
    DECLINED = auto()
    ACTION = auto()  # the customer must act
    PROCESSING = auto()
    PAID = auto()
    PAID_BACK = auto()  # refunded or disputed, so it was paid
    CANCELED = auto()
    OTHER = auto()  # of a kind that we don't know


_BY_STATUS = {
    "succeeded": News.PAID,
    "canceled": News.CANCELED,
    "processing": News.PROCESSING,
    "requires_action": News.ACTION,
    "pending": News.PROCESSING,
    "failed": News.DECLINED,
}
_BY_TYPE = {"payment_intent.created": News.NOTHING, "payment_intent.payment_failed": News.DECLINED}
_PAID_BACK = ("refund.", "charge.refund", "charge.dispute.")

# No later event can take these back, so a look finds them, and a new attempt could take nothing any more.
_FINAL = (News.PAID, News.PAID_BACK, News.CANCELED)


def receive(*, event: Event, now: datetime) -> uuid.UUID | None:
    """Store the event, once, and judge it. Returns the payment to ring for, if it is due for a look now."""
    about = _object_of(event.content)
    stored, is_new = Webhook.objects.get_or_create(
        event_id=event.id,
        defaults={
            "type": event.type,
            "object_id": _code(about.get("id")),
            "intent_id": _intent_of(event.type, about),
            "livemode": event.content.get("livemode") is True,
            "account_id": _code(event.content.get("account")),
            "facts": _facts(about),
            "received_at": now,
        },
    )
    if not is_new:
        log.info("webhook known already", record=event.id, kind=event.type)
        return None
    return judge(webhook=stored, now=now)


def judge(*, webhook: Webhook, now: datetime) -> uuid.UUID | None:
    """Say what a stored webhook is worth. Returns the payment to ring for, if it is due for a look now.

    Waits for nobody: where somebody is at work on the payment, or it isn't bound again yet, the webhook stays open.
    """
    payment = Payment.objects.filter(intent_id=webhook.intent_id).first() if webhook.intent_id else None
    news = news_of(type=webhook.type, status=str(webhook.facts.get("status", "")))
    if payment is None and news is News.PAID and (unbound := _find_unbound(webhook)):
        if charging.pause_for_lost_commits(who=WHO, now=now):
            log.error("success of an unbound payment", payment=str(unbound.id), intent=webhook.intent_id)
        return None
    if payment is None or _is_of_others(webhook, payment):
        _close(webhook, None, Webhook.Verdict.FOREIGN, now)
        return None
    if news is News.PAID_BACK and not payment.closed_at:
        return _keep_for_a_look(webhook, payment, now)
    verdict = _verdict(payment, payment.attempts.order_by("-number").first(), news)
    look = verdict == Webhook.Verdict.LOOK
    if _is_taken(payment, now) or (look and not charging.make_due(payment=payment, now=now)):
        log.info("webhook waits", record=webhook.event_id, kind=webhook.type, payment=str(payment.id))
        return None
    _close(webhook, payment, verdict, now)
    return payment.id if look else None


def catch_up(*, now: datetime) -> list[uuid.UUID]:
    """Judge those that had to wait and needn't any more, oldest first. Returns the payments to ring for."""
    taken = Payment.objects.filter(lease_until__gt=now, intent_id__isnull=False)
    undecided = Q(payment__isnull=True) | Q(payment__closed_at__isnull=False)  # the others wait for a look
    waiting = Webhook.objects.filter(undecided, handled_at__isnull=True).exclude(
        intent_id__in=taken.values("intent_id")
    )
    looks = [judge(webhook=webhook, now=now) for webhook in waiting.order_by("id")[:BATCH]]
    return list(dict.fromkeys(look for look in looks if look))


def news_of(*, type: str, status: str) -> News:
    """What an event of this type, about an object in this status, says of the PaymentIntent."""
    if type.startswith(_PAID_BACK):
        return News.PAID_BACK
    return _BY_STATUS.get(status) or _BY_TYPE.get(type, News.OTHER)


def _find_unbound(webhook: Webhook) -> Payment | None:
    """The open payment that its PaymentIntent was made for, if that is bound to none. What adoption would refuse, too,
    as it is of others or of another amount, is left to reconciliation: it would stop charging for ever."""
    try:
        payment_id = uuid.UUID(str(webhook.facts.get("payment_id")))
    except ValueError:
        return None
    payment = Payment.objects.filter(id=payment_id, intent_id__isnull=True, closed_at__isnull=True).first()
    if payment is None or not webhook.intent_id or _is_of_others(webhook, payment):
        return None
    said = webhook.facts.get("amount"), str(webhook.facts.get("currency")).upper(), webhook.livemode
    ours = payment.amount, payment.currency, "_live_" in settings.STRIPE_SECRET_KEY
    return payment if said == ours else None


def _keep_for_a_look(webhook: Webhook, payment: Payment, now: datetime) -> uuid.UUID | None:
    """Money back: it stays open, with its payment, until `refunds.follow_up` has asked Stripe about it. A payment that
    we don't know as paid yet has to be looked at first, as a charge."""
    unpaid = payment.status != Payment.Status.SUCCESS
    if unpaid and (_is_taken(payment, now) or not charging.make_due(payment=payment, now=now)):
        return None
    Webhook.objects.filter(id=webhook.id, handled_at__isnull=True).update(payment=payment)
    log.info("webhook kept for a look", record=webhook.event_id, kind=webhook.type, payment=str(payment.id))
    return payment.id if unpaid else None


def _verdict(payment: Payment, attempt: Attempt | None, news: News) -> str:
    """Whether a look at this payment could find anything that its row doesn't say."""
    if payment.closed_at or payment.status == Payment.Status.SUCCESS:
        return _verdict_at_rest(payment, news)
    failed = payment.status == Payment.Status.FAILED
    in_doubt, state = (charging.only_asks(attempt), attempt.state) if attempt else (False, "")
    match news:
        case News.NOTHING:
            look = False
        case News.DECLINED:
            look = not failed and in_doubt
        case News.ACTION:
            look = payment.kind != "action" if failed else in_doubt
        case News.PROCESSING:
            look = failed or (in_doubt and state != Attempt.State.PROCESSING)
        case News.OTHER:
            look = failed or in_doubt
        case News.PAID | News.PAID_BACK | News.CANCELED:
            look = True
        case _:
            assert_never(news)
    return Webhook.Verdict.LOOK if look else Webhook.Verdict.NOTHING_NEW


def _verdict_at_rest(payment: Payment, news: News) -> str:
    """Success never changes and nothing leaves a closed payment, so there is nothing to look for."""
    paid = payment.status == Payment.Status.SUCCESS
    contradicts = news is News.CANCELED if paid else news in (News.PAID, News.PAID_BACK)
    if contradicts:
        log.error("webhook contradicts a payment", payment=str(payment.id), status=payment.status, kind=news.name)
    return Webhook.Verdict.KEPT if contradicts else Webhook.Verdict.NOTHING_NEW


def _is_taken(payment: Payment, now: datetime) -> bool:
    """Whether a worker has it, who may know more in a moment."""
    return payment.lease_until is not None and payment.lease_until > now


def _is_of_others(webhook: Webhook, payment: Payment) -> bool:
    """Another account, or test mode and live mode mixed up."""
    account = webhook.account_id not in ("", payment.account_id)
    return account or payment.livemode not in (None, webhook.livemode)


def _close(webhook: Webhook, payment: Payment | None, verdict: str, now: datetime) -> None:
    Webhook.objects.filter(id=webhook.id, handled_at__isnull=True).update(
        payment=payment, verdict=verdict, handled_at=now
    )
    log.info(
        "webhook", record=webhook.event_id, kind=webhook.type, verdict=verdict,
        payment=str(payment.id) if payment else None,
    )  # fmt: skip


def _object_of(content: Mapping[str, Any]) -> Mapping[str, Any]:
    """The object that an event is about, in a snapshot or, of the newer kind, by its id alone."""
    data = content.get("data")
    about = data.get("object") if isinstance(data, dict) else content.get("related_object")
    return about if isinstance(about, dict) else {}


def _intent_of(type: str, about: Mapping[str, Any]) -> str:
    family = type.partition(".")[0]
    if family == "payment_intent":
        return _code(about.get("id"))
    return _code(about.get("payment_intent")) if family in ("charge", "refund") else ""


def _facts(about: Mapping[str, Any]) -> dict[str, Any]:
    metadata = about.get("metadata")
    found = {name: about.get(name) for name in FACTS}
    found["payment_id"] = metadata.get("payment_id") if isinstance(metadata, dict) else None
    return {name: value for name, value in found.items() if _is_plain(value)}


def _is_plain(value: object) -> bool:
    if isinstance(value, int):
        return abs(value) <= _LARGEST
    return bool(_code(value))


def _code(value: object) -> str:
    return value if isinstance(value, str) and _CODE.fullmatch(value) else ""
