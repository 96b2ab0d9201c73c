"""Find: whatever the customer or a log gave, to the payments that it is about. Each look-up is by an index."""

import re
import uuid
from dataclasses import dataclass

from django.db.models import Q, QuerySet

from payments.models import Attempt, Dispute, InboxMessage, OutboxMessage, Payment, Position, Refund, Webhook

# Of an e-mail address or a user there may be many; a person reads the newest.
MOST = 20

_PLACE = re.compile(r"(?P<topic>[\w.-]+)(?::|\[)(?P<partition>\d{1,9})(?::|\]@)(?P<offset>\d{1,18})", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class FoundPayments:
    """These, newest first. `more`: there are others beside."""

    ids: tuple[uuid.UUID, ...]
    more: bool = False


@dataclass(frozen=True, kw_only=True)
class FoundRecord:
    """A record that no payment came of."""

    record: InboxMessage


@dataclass(frozen=True, kw_only=True)
class FoundWebhook:
    """A webhook, which may be about a payment."""

    webhook: Webhook


Found = FoundPayments | FoundRecord | FoundWebhook


def find(any_id: str) -> Found | None:
    """What this is the id of: a payment, subscription, user or notification, an e-mail address, something of Stripe's
    (pi_, ch_, re_, dp_, evt_), or a record's place (`topic:partition:offset`). None: nothing is known by it."""
    text = any_id.strip()
    if not text or "\x00" in text:
        return None
    return _by_shape(text) or _named(text)


def _by_shape(text: str) -> Found | None:
    """What looks like nothing else."""
    if one := _as_uuid(text):
        return _payment(one) or _of_message(str(one))
    if place := _PLACE.fullmatch(text):
        return _at(place["topic"], int(place["partition"]), int(place["offset"]))
    if "@" in text:
        return _newest(Payment.objects.filter(email__in={text, text.lower()}))
    match text.partition("_")[0]:
        case "pi":
            return _newest(Payment.objects.filter(intent_id=text)) or _told_of(text)
        case "ch" | "py":
            return _newest(Payment.objects.filter(id__in=Attempt.objects.filter(charge_id=text).values("payment")))
        case "re" | "pyr":
            return _newest(Payment.objects.filter(id__in=Refund.objects.filter(refund_id=text).values("payment")))
        case "dp" | "du":
            return _newest(Payment.objects.filter(id__in=Dispute.objects.filter(dispute_id=text).values("payment")))
        case "evt":
            webhook = Webhook.objects.filter(event_id=text).first()
            return FoundWebhook(webhook=webhook) if webhook else None
        case _:
            return None


def _named(text: str) -> Found | None:
    """Names that others give: a subscription's first, as there are fewer payments of it."""
    return (
        _newest(Payment.objects.filter(subscription=text))
        or _newest(Payment.objects.filter(user_id=text))
        or _record(InboxMessage.objects.filter(subscription=text).order_by("-id").first())
    )


def _payment(one: uuid.UUID) -> Found | None:
    return _newest(Payment.objects.filter(id__in=[one])) or _newest(Payment.objects.filter(refunds=one))


def _of_message(message_id: str) -> Found | None:
    message = OutboxMessage.objects.filter(message_id=message_id).select_related("record").first()
    if message is None:
        return None
    return FoundPayments(ids=(message.payment_id,)) if message.payment_id else _record(message.record)


def _at(topic: str, partition: int, offset: int) -> Found | None:
    """By the index of places, which begins with the cluster; of one that was made anew the newest."""
    places = Q(pk__in=[])
    for cluster, topic_id in Position.objects.filter(topic=topic, partition=partition).values_list(
        "cluster", "topic_id"
    ):
        places |= Q(cluster=cluster, topic=topic, topic_id=topic_id, partition=partition, offset=offset)
    return _record(InboxMessage.objects.filter(places).order_by("-id").first())


def _record(record: InboxMessage | None) -> Found | None:
    if record is None:
        return None
    if record.payment_id and record.verdict not in InboxMessage.PARKED:
        return FoundPayments(ids=(record.payment_id,))
    return FoundRecord(record=record)


def _told_of(intent: str) -> Found | None:
    """A PaymentIntent that is of no payment of ours, and that Stripe has told of."""
    webhook = Webhook.objects.filter(intent_id=intent).order_by("-id").first()
    return FoundWebhook(webhook=webhook) if webhook else None


def _newest(payments: QuerySet[Payment]) -> Found | None:
    ids = list(payments.order_by("-created_at", "-number").values_list("id", flat=True)[: MOST + 1])
    return FoundPayments(ids=tuple(ids[:MOST]), more=len(ids) > MOST) if ids else None


def _as_uuid(text: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(text)
    except ValueError:
        return None
