"""What is known of a batch's records and subscriptions, read under the locks that let nobody else judge them."""

from collections.abc import Sequence
from datetime import datetime

from django.db import connection

from payments.charging.retry import card_declines, last_card
from payments.intake import positions
from payments.intake.judge import Known
from payments.intake.requests import Place, Record
from payments.intake.stored import hash_of
from payments.models import InboxMessage, Payment, Subscription

# `Payment.asked_by` of those that another service has charged.
IMPORT = "import"


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


def known_places(records: Sequence[Record]) -> set[tuple[Place, bytes]]:
    """Where there are rows already, with the hashes of their values.

    A row from before topics' ids were kept counts for the topic that was met first since, and for no other: what
    was delivered to the version before is known when it comes again, and a topic made anew is not taken for it.
    """
    ids = {record.topic_id for record in records}
    found = InboxMessage.objects.filter(
        cluster__in={record.cluster for record in records},
        topic__in={record.topic for record in records},
        topic_id__in=ids | {""},
        partition__in={record.partition for record in records},
        offset__in={record.offset for record in records},
    ).values_list("cluster", "topic", "topic_id", "partition", "offset", "value_hash")
    known: set[tuple[Place, bytes]] = set()
    inherited: dict[tuple[str, str, int], list[tuple[int, bytes]]] = {}
    for cluster, topic, topic_id, partition, offset, hashed in found:
        known.add(((cluster, topic, topic_id, partition, offset), bytes(hashed)))
        if not topic_id:
            inherited.setdefault((cluster, topic, partition), []).append((offset, bytes(hashed)))
    if inherited and ids != {""}:
        for (cluster, topic, partition), topic_id in positions.heirs(set(inherited)).items():
            known |= {
                ((cluster, topic, topic_id, partition, offset), hashed)
                for offset, hashed in inherited[cluster, topic, partition]
            }
    pruned = _pruned_places(records)
    return known | {(record.place, hash_of(record)) for record in records if record.place in pruned}


def _pruned_places(records: Sequence[Record]) -> set[Place]:
    """Where there were rows that nobody needed any more. By a topic's id alone: without one, what comes from there may
    be of a topic that was made anew, and is judged by its time."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT cluster, topic, topic_id, partition, wanted FROM payments_position
                JOIN unnest(%s::bigint[]) AS wanted ON pruned @> wanted
                WHERE topic_id <> '' AND pruned <> '{}'
                    AND cluster = ANY(%s) AND topic = ANY(%s) AND topic_id = ANY(%s) AND partition = ANY(%s)
            """,
            [
                [record.offset for record in records],
                *(list({record.place[part] for record in records}) for part in range(4)),
            ],
        )
        return {(*place, int(offset)) for *place, offset in cursor.fetchall()}


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
        imported=payment.asked_by == IMPORT,
        closed=payment.closed_at is not None,
        kind=payment.kind,
        fingerprint=(payment.amount, payment.currency, payment.user_id),
        payment_method=payment.payment_method,
        card_declines=card_declines(card=last_card(payment), now=now) if payment.status == Payment.Status.FAILED else 0,
    )


def named(record: Record) -> str:
    return f"{record.topic}[{record.partition}]@{record.offset}"
