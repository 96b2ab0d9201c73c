"""A month's statement: Stripe's balance transactions as it lists them, and what they came to beside our rows."""

from typing import ClassVar

from django.db import models
from django.db.models import F, Q


class BalanceLine(models.Model):
    """One of Stripe's balance transactions. They never change, so a line is written once, under Stripe's own id."""

    line_id = models.TextField(help_text="Stripe's")
    category = models.TextField(help_text="Stripe's reporting category: charge, refund, dispute, payout, …")
    gross = models.BigIntegerField(help_text="in minor units of settled_in; below zero where money leaves")
    fee = models.BigIntegerField(help_text="what Stripe has kept of it")
    net = models.BigIntegerField(help_text="gross less fee")
    settled_in = models.CharField(max_length=3, help_text="the currency of the balance")
    exchange_rate = models.DecimalField(max_digits=30, decimal_places=15, null=True, help_text="None: not converted")
    source_id = models.TextField(blank=True, default="", help_text="the charge, refund, dispute, payout, …")
    intent_id = models.TextField(blank=True, default="", help_text="the PaymentIntent that it is about")
    payment = models.TextField(blank=True, default="", help_text="the payment that the charge's metadata names")
    amount = models.BigIntegerField(null=True, help_text="in minor units of what the customer pays in")
    currency = models.CharField(max_length=3, blank=True, default="", help_text="that currency")
    created_at = models.DateTimeField(help_text="Stripe's time, which says of which month it is")

    class Meta:
        default_permissions = ("view",)
        constraints: ClassVar = [
            # Read again, it is the same line.
            models.UniqueConstraint("line_id", name="balance_line_once"),
            models.CheckConstraint(name="balance_line_adds_up", condition=Q(net=F("gross") - F("fee"))),
        ]
        indexes: ClassVar = [
            # A month, in order; of one second what was read later comes first, as Stripe lists the newest first.
            models.Index(F("created_at"), F("id").desc(), name="balance_line_of_month"),
            # Has this payment, refund or dispute a line, in whatever month?
            models.Index("intent_id", name="balance_line_by_intent", condition=Q(category="charge")),
            models.Index("source_id", "category", name="balance_line_by_source"),
        ]

    def __str__(self) -> str:
        return self.line_id


class Statement(models.Model):
    """One month, in UTC. It is asked for, made by a worker or a command, can be interrupted, and can be made anew."""

    month = models.DateField(help_text="its first day")
    asked_by = models.TextField(help_text="'schedule' or who of the staff")
    account_id = models.TextField(blank=True, default="", help_text="the Stripe account whose balance it is")
    until_at = models.DateTimeField(help_text="read up to then: the month's end, or earlier where it wasn't over")
    cursor = models.TextField(blank=True, default="", help_text="the last of Stripe's lines that is done")
    lines = models.PositiveIntegerField(default=0, help_text="read so far")
    began_at = models.DateTimeField()
    due_at = models.DateTimeField(null=True, help_text="goes on from then on; None: it is made")
    ended_at = models.DateTimeField(null=True, help_text="made")
    problem = models.TextField(blank=True, default="", help_text="why it waits")
    result = models.JSONField(default=dict, help_text="sums and differences; of the time before while it is made anew")

    class Meta:
        default_permissions = ("view",)
        constraints: ClassVar = [
            models.UniqueConstraint("month", name="statement_one_a_month"),
            models.CheckConstraint(name="statement_month_begins", condition=Q(month__day=1)),
            models.CheckConstraint(
                name="statement_made_or_due",
                condition=Q(ended_at__isnull=True, due_at__isnull=False)
                | Q(ended_at__isnull=False, due_at__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.month:%Y-%m}"
