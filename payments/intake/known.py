"""What is known of a batch's records and subscriptions, read under the locks that let nobody else judge them."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime

from django.db import connection

from payments.charging.retry import card_declines, last_card
from payments.intake import positions
from payments.intake.judge import Known
from payments.intake.requests import Place, Record
from payments.intake.stored import hash_of
from payments.models import InboxMessage, Payment, Subscription
from payments.models.copied import as_array

# `Payment.asked_by` of those that another service has charged.
IMPORT = "import"

# Offsets that no record has are few: marks of transactions, and what compaction took. More rows than those of a few
# batches mustn't be read for one.
CLOSE = 10


def lock_places(records: Sequence[Record]) -> None:
    """One bridge at a time per partition: after a rebalance two may hold the same records for a moment."""
    partitions = sorted({(record.topic, record.partition) for record in records})
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_advisory_xact_lock(hashtext(topic), partition) FROM unnest(%s::text[], %s::integer[])"
            " AS places (topic, partition)",
            [[topic for topic, _ in partitions], [partition for _, partition in partitions]],
        )


def lock_subscriptions(newest: Mapping[str, datetime | None]) -> tuple[dict[str, datetime | None], set[str]]:
    """The subscriptions' rows, made where missing and locked, in sorted order: two batches can't deadlock.

    `newest`: by id, what a row that is made says to have been judged. Returns until when those that were there have
    been judged, and which were made.
    """
    ids = sorted(newest)
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO payments_subscription (id, judged_until) SELECT * FROM unnest(%s::text[], %s::timestamptz[])"
            " ON CONFLICT DO NOTHING RETURNING id",
            [as_array(ids), as_array(newest[one] for one in ids)],
        )
        made = {one for (one,) in cursor.fetchall()}
    there = [one for one in ids if one not in made]
    locked = Subscription.objects.select_for_update().filter(id__in=there).order_by("id")
    return dict(locked.values_list("id", "judged_until")), made


def without_known(records: Sequence[Record]) -> dict[tuple[Place, bytes], Record]:
    """Those at new places, by place and hash, each once, in their order. Under the locks of their places."""
    new: dict[tuple[Place, bytes], Record] = {}
    for record in records:
        new.setdefault((record.place, hash_of(record)), record)
    for place in known_places(new.keys()):
        new.pop(place, None)
    return new


def known_places(places: Collection[tuple[Place, bytes]]) -> set[tuple[Place, bytes]]:
    """Of these, where there are rows already or were once; others may be among them.

    A row from before topics' ids were kept counts for the topic that was met first since, and for no other: what
    was delivered to the version before is known when it comes again, and a topic made anew is not taken for it.
    """
    known: set[tuple[Place, bytes]] = set()
    inherited: dict[tuple[str, str, int], list[tuple[int, bytes]]] = {}
    for cluster, topic, topic_id, partition, offset, hashed in _rows_at({place for place, _ in places}):
        known.add(((cluster, topic, topic_id, partition, offset), bytes(hashed)))
        if not topic_id:
            inherited.setdefault((cluster, topic, partition), []).append((offset, bytes(hashed)))
    if inherited and {topic_id for (_, _, topic_id, _, _), _ in places} != {""}:
        for (cluster, topic, partition), topic_id in positions.heirs(set(inherited)).items():
            known |= {
                ((cluster, topic, topic_id, partition, offset), hashed)
                for offset, hashed in inherited[cluster, topic, partition]
            }
    pruned = _pruned_places([place for place, _ in places])
    return known | {one for one in places if one[0] in pruned}


def _rows_at(places: Collection[Place]) -> Iterator[tuple[str, str, str, int, int, memoryview]]:
    """Rows at these places and between them, also those of the same topic without an id."""
    for cluster, topic, topic_id in sorted({place[:3] for place in places}):
        spots = sorted((partition, offset) for *of, partition, offset in places if of == [cluster, topic, topic_id])
        with connection.cursor() as cursor:
            cursor.execute(
                """
                SELECT found.* FROM unnest(%s::integer[], %s::bigint[], %s::bigint[]) AS span (partition, first, last)
                    CROSS JOIN LATERAL (
                        SELECT cluster, topic, topic_id, kept.partition, "offset", value_hash
                            FROM payments_inboxmessage AS kept
                            WHERE cluster = %s AND topic = %s AND topic_id = ANY (%s)
                                AND kept.partition = span.partition AND "offset" BETWEEN span.first AND span.last
                            OFFSET 0  -- in the index, span by span, whatever is known of the table
                    ) AS found
                """,
                [*map(list, zip(*_spans(spots), strict=True)), cluster, topic, [topic_id, ""]],
            )
            yield from cursor.fetchall()


def _spans(spots: Sequence[tuple[int, int]]) -> list[tuple[int, int, int]]:
    """Partition, first and last offset of what lies close together: records come one after the other, and a span is
    looked up in the index like a single place."""
    spans: list[tuple[int, int, int]] = []
    for partition, offset in spots:
        if spans and spans[-1][0] == partition and offset - spans[-1][2] <= CLOSE:
            spans[-1] = (partition, spans[-1][1], offset)
        else:
            spans.append((partition, offset, offset))
    return spans


def _pruned_places(places: Sequence[Place]) -> set[Place]:
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
                as_array(place[4] for place in places),
                *(list({place[part] for place in places}) for part in range(4)),
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


def known_of(judged_until: datetime | None, payment: Payment, now: datetime) -> Known:
    """Of a subscription that has a payment."""
    return Known(
        judged_until=judged_until,
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
