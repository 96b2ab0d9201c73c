"""Stripe's books beside ours: each comparison, and what did not agree."""

from typing import ClassVar

from django.db import models
from django.db.models import Q

from payments.models.payment import Payment


class Reconciliation(models.Model):
    """One comparison over a window of time. It can be interrupted: `cursor` says where it goes on."""

    asked_by = models.TextField(help_text="'schedule' or who of the staff")
    from_at = models.DateTimeField(help_text="what Stripe made since then, inclusive")
    until_at = models.DateTimeField(help_text="and before then")
    adopt = models.BooleanField(default=False, help_text="binds again what the database has forgotten")
    cursor = models.TextField(blank=True, default="", help_text="the last of Stripe's objects that is done")
    counts = models.JSONField(default=dict, help_text="{what: how many}")
    began_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.from_at:%Y-%m-%d %H:%M} – {self.until_at:%Y-%m-%d %H:%M}"


class Break(models.Model):
    """Stripe's books and ours differ about something. Closed when they agree, or by a person who says why."""

    class Kind(models.TextChoices):
        PAID_THERE = "paid_there"  # a success there that isn't one here
        PAID_HERE = "paid_here"  # a success here that isn't one there
        PAID_TWICE = "paid_twice"  # two successes for one obligation
        AMOUNT = "amount"  # another amount or currency
        REFUNDED = "refunded"  # another sum was given back

    kind = models.TextField(choices=Kind.choices)
    intent_id = models.TextField(help_text="the PaymentIntent that it is about")
    charge_id = models.TextField(blank=True, default="")
    payment = models.ForeignKey(Payment, models.PROTECT, null=True, related_name="breaks")
    reason = models.TextField(help_text="for a person: what is there, what is here, and what to do")
    details = models.JSONField(default=dict, help_text="both sides: amounts, currencies, states, ids")
    found_at = models.DateTimeField(help_text="since when it is known: its age")
    seen_at = models.DateTimeField(help_text="when a comparison last found it so")
    closed_at = models.DateTimeField(null=True)
    closed_by = models.TextField(blank=True, default="", help_text="'reconciliation', or who of the staff")
    closed_why = models.TextField(blank=True, default="")

    class Meta:
        permissions: ClassVar = [("settle_break", "Can settle a break with Stripe's books")]
        constraints = [
            # What is found again is the same break, and grows older.
            models.UniqueConstraint("kind", "intent_id", name="break_one_open", condition=Q(closed_at__isnull=True)),
            models.CheckConstraint(
                name="break_kind",
                condition=Q(kind__in=["paid_there", "paid_here", "paid_twice", "amount", "refunded"]),
            ),
            models.CheckConstraint(
                name="break_closed_says_why",
                condition=Q(closed_at__isnull=True) | (~Q(closed_by="") & ~Q(closed_why="")),
            ),
        ]
        indexes = [
            # The list of what is open, oldest first.
            models.Index("found_at", name="break_open", condition=Q(closed_at__isnull=True)),
        ]

    def __str__(self) -> str:
        return self.reason
