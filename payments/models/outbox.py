"""What goes out: records to publish, written in the transaction whose outcome they tell."""

from django.db import models
from django.db.models import F, Q

from payments.models.inbox import InboxMessage
from payments.models.payment import Payment


class OutboxMessage(models.Model):
    """One record to publish, written in the transaction whose outcome it tells."""

    class Channel(models.TextChoices):
        NOTIFICATIONS = "notifications"
        DEAD_LETTERS = "dead_letters"
        REFUNDS = "refunds"

    # Drawn under the payment's row lock, so that per payment the order of ids is the order of events.
    id = models.BigAutoField(primary_key=True)
    message_id = models.TextField(help_text="stable: consumers deduplicate by it")
    channel = models.TextField(choices=Channel.choices)
    key = models.BinaryField(null=True)
    value = models.BinaryField(null=True)
    headers = models.JSONField(default=dict, help_text="{name: text or integer}")
    payment = models.ForeignKey(Payment, models.PROTECT, null=True, related_name="notifications")
    record = models.ForeignKey(InboxMessage, models.PROTECT, null=True, related_name="dead_letters")
    created_at = models.DateTimeField()
    published_at = models.DateTimeField(null=True)
    refused_at = models.DateTimeField(null=True, help_text="Kafka will never take it: a person must look")
    error = models.TextField(blank=True, default="")

    class Meta:
        constraints = [
            # P4: one transition is told under one id.
            models.UniqueConstraint("message_id", name="outbox_one_per_id"),
            models.CheckConstraint(
                name="outbox_published_or_refused",
                condition=Q(published_at__isnull=True) | Q(refused_at__isnull=True),
            ),
        ]
        indexes = [
            # The relay: what is waiting, in order. Shrinks to nothing when all is told.
            models.Index("id", name="outbox_waiting", condition=Q(published_at__isnull=True, refused_at__isnull=True)),
            # The list's filters, newest first: what is refused, and what isn't a notification. Both are rare.
            models.Index(F("id").desc(), name="outbox_refused", condition=Q(refused_at__isnull=False)),
            models.Index("channel", F("id").desc(), name="outbox_by_channel", condition=~Q(channel="notifications")),
        ]

    def __str__(self) -> str:
        return self.message_id
