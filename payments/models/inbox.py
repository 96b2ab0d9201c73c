"""What came in: subscriptions, the records about them with verdicts, and how far the topics have been read."""

from typing import ClassVar

from django.db import models
from django.db.models import F, Q

from payments.models.retention import OffsetSpans

TOPIC_ID = "Kafka's id of the topic, another one when it is made anew; empty: from before ids were kept"


class Subscription(models.Model):
    """What a payment is for. Its row is the lock under which the records about it are judged."""

    id = models.TextField(primary_key=True, help_text="canonical text: 1 and '1' are one subscription")
    judged_until = models.DateTimeField(null=True, help_text="time of the newest record judged; never pruned")

    def __str__(self) -> str:
        return self.id


class InboxMessage(models.Model):
    """One record that Kafka delivered, with its verdict. Nothing that was delivered is without a row here."""

    class Verdict(models.TextChoices):
        ACCEPTED = "accepted"
        DUPLICATE = "duplicate"
        CONFLICT = "conflict"
        INVALID = "invalid"
        DISMISSED = "dismissed"

    # What waits for a person; another verdict takes its place when somebody has dealt with it.
    PARKED: ClassVar = (Verdict.CONFLICT, Verdict.INVALID)

    cluster = models.TextField()
    topic = models.TextField()
    topic_id = models.TextField(blank=True, default="", db_default="", help_text=TOPIC_ID)
    partition = models.IntegerField()
    offset = models.BigIntegerField()
    value_hash = models.BinaryField(max_length=32, help_text="SHA-256 of the value")
    key = models.BinaryField(null=True)
    value = models.BinaryField(null=True, help_text="None for a tombstone; without card numbers")
    headers = models.JSONField(default=list, help_text="[[name, base64 of the value or null], …]")
    recorded_at = models.DateTimeField(help_text="the record's time, capped at receipt")
    received_at = models.DateTimeField()

    event_id = models.TextField(blank=True, default="", help_text="the producer's id, from ce_id or event-id")
    subscription = models.ForeignKey(Subscription, models.PROTECT, null=True, related_name="records")
    payment = models.ForeignKey("Payment", models.PROTECT, null=True, related_name="records")
    verdict = models.TextField(choices=Verdict.choices)
    reason = models.TextField(blank=True, default="", help_text="for a person: what is wrong and where")

    # Of a parked record that somebody has dealt with; `reason` still says why it was parked.
    replays = models.PositiveIntegerField(default=0, help_text="how often it was judged again")
    corrected = models.BinaryField(null=True, help_text="what was judged then in place of the value")
    handled_at = models.DateTimeField(null=True)
    handled_by = models.TextField(blank=True, default="", help_text="who of the staff")
    handled_why = models.TextField(blank=True, default="")

    class Meta:
        permissions: ClassVar = [
            ("replay_record", "Can have a parked record judged again, as it came"),
            ("correct_record", "Can have a parked record judged again, corrected"),
            ("dismiss_record", "Can dismiss a parked record"),
        ]
        constraints = [
            # P2 and section "who is a duplicate": a record delivered twice is the same record. A topic that is made
            # anew has other records at the same places: by its id, or by the hash where Kafka gives topics no ids.
            models.UniqueConstraint(
                "cluster", "topic", "topic_id", "partition", "offset", "value_hash", name="inbox_one_per_place"
            ),
            # A known event id is a duplicate: looked up by id for each batch.
            models.UniqueConstraint(
                "event_id",
                name="inbox_one_accepted_per_event",
                condition=Q(verdict="accepted") & ~Q(event_id=""),
            ),
            models.CheckConstraint(
                name="inbox_verdict",
                condition=Q(verdict__in=["accepted", "duplicate", "conflict", "invalid", "dismissed"]),
            ),
            models.CheckConstraint(
                name="inbox_accepted_has_payment", condition=~Q(verdict="accepted") | Q(payment__isnull=False)
            ),
            models.CheckConstraint(
                name="inbox_parked_has_reason",
                condition=~Q(verdict__in=["conflict", "invalid"]) | ~Q(reason=""),
            ),
            # P2: nobody is rid of a parked record without a name and a reason.
            models.CheckConstraint(
                name="inbox_handled_by_somebody",
                condition=Q(handled_at__isnull=True, handled_by="", handled_why="")
                | (Q(handled_at__isnull=False) & ~Q(handled_by="") & ~Q(handled_why="")),
            ),
            models.CheckConstraint(
                name="inbox_parked_or_handled",
                condition=Q(verdict__in=["accepted", "duplicate"])
                | Q(verdict__in=["conflict", "invalid"], handled_at__isnull=True)
                | Q(verdict="dismissed", handled_at__isnull=False),
            ),
        ]
        indexes = [
            # The list of what is parked, and nobody has dealt with yet.
            models.Index("received_at", name="inbox_parked", condition=Q(verdict__in=["conflict", "invalid"])),
            # The list's filter by verdict, newest first.
            models.Index("verdict", F("id").desc(), name="inbox_by_verdict", condition=~Q(verdict="accepted")),
        ]

    def __str__(self) -> str:
        return f"{self.topic}[{self.partition}]@{self.offset}"


class Position(models.Model):
    """How far a partition has been taken in; written with the rows, so that the two can't differ.

    Committed offsets ahead of it say that the database has forgotten rows: it was restored, or failed over.
    """

    cluster = models.TextField()
    topic = models.TextField()
    topic_id = models.TextField(blank=True, default="", db_default="", help_text=TOPIC_ID)
    partition = models.IntegerField()
    first_offset = models.BigIntegerField(null=True, help_text="read from here; None: not noted, by an older version")
    next_offset = models.BigIntegerField(help_text="one more than the highest offset that has a row; never pruned")
    # Known all the same: a record that comes again from there is none that is new.
    pruned = OffsetSpans(db_default=models.Value("{}"), default="{}", help_text="offsets whose rows were removed")
    updated_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint("cluster", "topic", "topic_id", "partition", name="position_one_per_place"),
        ]

    def __str__(self) -> str:
        return f"{self.topic}[{self.partition}]@{self.next_offset}"
