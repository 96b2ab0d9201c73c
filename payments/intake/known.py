"""What is known of a batch's records and subscriptions, read under the locks that let nobody else judge them."""

from collections.abc import Sequence
from datetime import datetime

from django.db import connection

from payments.charging.retry import card_declines, last_card
from payments.intake.judge import Known
from payments.intake.requests import Record
from payments.models import InboxMessage, Payment, Subscription


def lock_places(records: Sequence[Record]) -> None:
    """One bridge at a time per partition: after a rebalance two may hold the same records for a moment."""
    partitions = sorted({(record.topic, record.partition) for record in records})
    with connection.cursor() as cursor:
        for topic, partition in partitions:
            cursor.execute("SELECT pg_advisory_xact_lock(hashtext(%s), %s)", [topic, partition])


def lock_subscriptions(ids: Sequence[str]) -> dict[str, Subscription]:
    """The subscriptions' rows, made where missing and locked, in sorted order: two batches can't deadlock."""
    Subscription.objects.bulk_create((Subscription(id=one) for one in ids), ignore_conflicts=True)
    return {one.id: one for one in Subscription.objects.select_for_update().filter(id__in=ids).order_by("id")}


def known_places(records: Sequence[Record]) -> set[tuple[str, str, int, int, bytes]]:
    found = InboxMessage.objects.filter(
        cluster__in={record.cluster for record in records},
        topic__in={record.topic for record in records},
        partition__in={record.partition for record in records},
        offset__in={record.offset for record in records},
    ).values_list("cluster", "topic", "partition", "offset", "value_hash")
    return {(cluster, topic, partition, offset, bytes(hashed)) for cluster, topic, partition, offset, hashed in found}


def known_events(ids: Sequence[str]) -> dict[str, str]:
    """The subscription of each known event id."""
    found = InboxMessage.objects.filter(event_id__in=ids, verdict=InboxMessage.Verdict.ACCEPTED)
    return {event: str(subscription) for event, subscription in found.values_list("event_id", "subscription_id")}


def latest_payments(subscriptions: Sequence[str]) -> dict[str, Payment]:
    """The payment of each subscription: its open one, which always has the highest number, else the last closed."""
    latest = (
        Payment.objects.filter(subscription__in=subscriptions)
        .order_by("subscription_id", "-number")
        .distinct("subscription_id")
        .values_list("id", flat=True)
    )
    locked = Payment.objects.select_for_update().filter(id__in=list(latest)).order_by("id")
    return {payment.subscription_id: payment for payment in locked}


def known_of(subscription: Subscription, payment: Payment | None, now: datetime) -> Known:
    if payment is None:
        return Known(judged_until=subscription.judged_until)
    return Known(
        judged_until=subscription.judged_until,
        status=payment.status,
        closed=payment.closed_at is not None,
        kind=payment.kind,
        fingerprint=(payment.amount, payment.currency, payment.user_id),
        payment_method=payment.payment_method,
        card_declines=card_declines(card=last_card(payment), now=now) if payment.status == Payment.Status.FAILED else 0,
    )


def place_of(record: Record) -> tuple[str, str, int, int]:
    return (record.cluster, record.topic, record.partition, record.offset)


def named(record: Record) -> str:
    return f"{record.topic}[{record.partition}]@{record.offset}"
