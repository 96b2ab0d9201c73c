"""Why charging stands still: one row for each reason, while it lasts and afterwards."""

from django.db import models
from django.db.models import Q


class Pause(models.Model):
    """Charging is paused exactly while any of these has no end. Intake goes on; nothing is failed."""

    class Cause(models.TextChoices):
        STAFF = "staff"
        KEY = "key"  # Stripe refuses our key
        OUTAGE = "outage"  # Stripe doesn't answer: the breaker is open
        RESTORED = "restored"  # the database has forgotten rows: until Stripe was asked what they were

    cause = models.TextField(choices=Cause.choices)
    reason = models.TextField(help_text="for a person: why, and what to do")
    began_at = models.DateTimeField()
    began_by = models.TextField()
    probed_at = models.DateTimeField(null=True, help_text="when it was last tried whether the cause is gone")
    ended_at = models.DateTimeField(null=True)
    ended_by = models.TextField(blank=True, default="")

    class Meta:
        constraints = [
            models.UniqueConstraint("cause", name="pause_one_per_cause", condition=Q(ended_at__isnull=True)),
            models.CheckConstraint(name="pause_cause", condition=Q(cause__in=["staff", "key", "outage", "restored"])),
        ]

    def __str__(self) -> str:
        return self.reason
