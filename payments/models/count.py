"""Payments counted by the hour, for the dashboard: recounted whenever one of that hour has changed."""

from django.db import models
from django.db.models import Q


class HourlyCount(models.Model):
    """How many payments of one hour (of the record's time) are as they are now, and what they are worth."""

    hour = models.DateTimeField(help_text="its beginning")
    currency = models.CharField(max_length=3)
    status = models.TextField()
    fault = models.TextField(blank=True, default="", help_text="of failed ones")
    code = models.TextField(blank=True, default="", help_text="of failed ones")
    payments = models.PositiveIntegerField()
    amount = models.DecimalField(max_digits=24, decimal_places=0, help_text="the sum, in minor units")

    class Meta:
        constraints = [
            # By hour first: what the dashboard shows is a span of hours.
            models.UniqueConstraint("hour", "currency", "status", "fault", "code", name="hourly_count_one_per_kind"),
        ]
        indexes = [
            # Hours with payments that are pending: few, however long the history.
            models.Index("hour", name="hourly_count_pending", condition=Q(status="pending")),
        ]

    def __str__(self) -> str:
        return f"{self.hour:%Y-%m-%d %H:00} {self.currency} {self.status} {self.code}"


class CountedUntil(models.Model):
    """How far the history has been taken into the hourly counts. One row; whoever counts holds its lock."""

    # A transition's id is drawn before its transaction ends, so a higher one may be seen first. What was seen is
    # final once no transaction runs any more that was there then.
    final_id = models.BigIntegerField(default=0, help_text="up to this transition nothing is missing")
    seen_id = models.BigIntegerField(default=0, help_text="the highest one that was seen by a count")
    seen_before = models.BigIntegerField(default=0, help_text="transactions since then are numbered from here on")
    counted_at = models.DateTimeField(null=True)
    next_at = models.DateTimeField(null=True, help_text="not before then: a count that takes long is made less often")

    def __str__(self) -> str:
        return f"up to {self.final_id}"
