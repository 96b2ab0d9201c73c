"""Records of the inbox that nobody needs any more.

P2: each offset that was taken in stays known after its row is gone (`Position.pruned`), so that a record that comes
again is none that is new, and an audit can tell what was removed from what was never there. So a row goes only where
its partition has a position. P1 rests on the subscription's newest judged time, which stays.

Kept for as long as they are needed: what is parked, as a person must decide; the records of a payment that is not at
rest; an event id by which a resent event of a closed payment is known, as it would make a new payment; records that a
job or a record of the outbox names; and the newest one, by which adoption knows what the database remembers.
"""

from datetime import datetime

from django.db import connection, transaction
from django.db.models import Exists, Max, OuterRef, Q, QuerySet

from payments.models import InboxMessage, JobItem, OutboxMessage, Payment, Position

_REMOVE = """
WITH gone AS (
    DELETE FROM payments_inboxmessage WHERE id = ANY(%s) RETURNING cluster, topic, topic_id, partition, "offset"
), spans AS (
    SELECT place.id, range_agg(int8range("offset", "offset" + 1)) AS offsets
    FROM gone JOIN LATERAL (
        -- As `intake.positions.heirs` has it: a row without a topic's id is of the topic that was met first.
        SELECT id FROM payments_position AS known
        WHERE (known.cluster, known.topic, known.partition) = (gone.cluster, gone.topic, gone.partition)
            AND (gone.topic_id = '' OR known.topic_id = gone.topic_id)
        ORDER BY id LIMIT 1
    ) AS place ON true
    GROUP BY place.id
)
UPDATE payments_position SET pruned = pruned + spans.offsets FROM spans WHERE payments_position.id = spans.id
"""


def prunable(*, before: datetime) -> QuerySet[InboxMessage]:
    """The rows that may go."""
    at_rest = Q(payment__isnull=True) | Q(payment__status=Payment.Status.SUCCESS)
    no_event = ~Q(verdict=InboxMessage.Verdict.ACCEPTED) | Q(event_id="")
    newest = InboxMessage.objects.aggregate(newest=Max("id"))["newest"] or 0
    place = Position.objects.filter(
        cluster=OuterRef("cluster"), topic=OuterRef("topic"), partition=OuterRef("partition")
    )
    return (
        InboxMessage.objects.filter(received_at__lt=before, id__lt=newest)
        .filter(Exists(place.filter(topic_id=OuterRef("topic_id"))) | Q(Exists(place), topic_id=""))
        .exclude(verdict__in=InboxMessage.PARKED)
        .filter(at_rest | Q(no_event, payment__closed_at__isnull=False))
        .exclude(Exists(OutboxMessage.objects.filter(record=OuterRef("pk"))))
        .exclude(Exists(JobItem.objects.filter(record=OuterRef("pk"))))
    )


def remove(*, ids: list[int], before: datetime) -> int:
    """Remove those of these rows that may go, and note their offsets. Returns how many."""
    with transaction.atomic():
        doomed = prunable(before=before).filter(id__in=ids).select_for_update(skip_locked=True, of=("self",))
        found = list(doomed.values_list("id", flat=True))
        if not found:
            return 0
        # In the order in which a bridge writes them.
        order = Position.objects.order_by("cluster", "topic", "topic_id", "partition")
        list(order.select_for_update(no_key=True).values_list("id", flat=True))
        with connection.cursor() as cursor:
            cursor.execute(_REMOVE, [found])
    return len(found)
