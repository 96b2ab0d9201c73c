"""What goes back to the customer: refunds that staff ask for or Stripe tells of, and disputes."""

import uuid
from typing import ClassVar

from django.db import models
from django.db.models import F, Q

from payments.models.payment import Payment


class Refund(models.Model):
    """One wish to give money back. The row comes first: its id is in the key and the metadata sent to Stripe.

    The sum of those that count can't exceed what was charged: a trigger holds it, under the payment's row lock.
    """

    class State(models.TextChoices):
        SENDING = "sending"
        UNKNOWN = "unknown"
        PENDING = "pending"  # Stripe has it, the bank hasn't yet
        SUCCEEDED = "succeeded"
        FAILED = "failed"  # Stripe took it and the bank gave it back: perhaps days later
        CANCELED = "canceled"
        REJECTED = "rejected"  # Stripe refused to make it: nothing was given back

    # Nobody knows yet how these end.
    OPEN: ClassVar = (State.SENDING, State.UNKNOWN, State.PENDING)

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    payment = models.ForeignKey(Payment, models.PROTECT, related_name="refunds")
    amount = models.BigIntegerField(help_text="in minor units of the payment's currency")
    asked_by = models.TextField(help_text="who of the staff, or 'stripe' for one that was made there")
    reason = models.TextField(blank=True, default="", help_text="why, in the words of who asked")
    state = models.TextField(choices=State.choices, default=State.SENDING)
    refund_id = models.TextField(null=True, help_text="Stripe's, once it is known")
    idempotency_key = models.TextField(blank=True, default="")
    key_made_at = models.DateTimeField(null=True)
    key_is_spent = models.BooleanField(default=False, help_text="Stripe answered it with 5xx, which it may replay")
    in_doubt = models.BooleanField(default=False, help_text="it may have been sent, and its answer isn't known")
    tries = models.PositiveIntegerField(default=0, help_text="answers that proved nothing")
    code = models.TextField(blank=True, default="", help_text="why Stripe or the bank refused it")
    attention = models.TextField(blank=True, default="", help_text="why a person should look at it; empty: no need")
    request_id = models.TextField(blank=True, default="", help_text="Stripe's id of the last answer")
    due_at = models.DateTimeField(null=True, help_text="ready for the next step from then on")
    lease_until = models.DateTimeField(null=True, help_text="a worker has it until then")
    created_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint("refund_id", name="refund_one_per_id", condition=Q(refund_id__isnull=False)),
            models.UniqueConstraint("idempotency_key", name="refund_own_key", condition=~Q(idempotency_key="")),
            models.CheckConstraint(name="refund_amount_positive", condition=Q(amount__gt=0)),
            models.CheckConstraint(
                name="refund_state",
                condition=Q(state__in=["sending", "unknown", "pending", "succeeded", "failed", "canceled", "rejected"]),
            ),
            models.CheckConstraint(
                name="refund_ended_or_open",
                condition=Q(state__in=["sending", "unknown", "pending"], ended_at__isnull=True)
                | (~Q(state__in=["sending", "unknown", "pending"]) & Q(ended_at__isnull=False)),
            ),
            # What is open is due at some time, or it would be forgotten.
            models.CheckConstraint(
                name="refund_open_is_due",
                condition=~Q(state__in=["sending", "unknown", "pending"]) | Q(due_at__isnull=False),
            ),
            # Stripe's words are about a refund that Stripe has.
            models.CheckConstraint(
                name="refund_taken_has_id",
                condition=~Q(state__in=["pending", "succeeded", "failed", "canceled"]) | Q(refund_id__isnull=False),
            ),
        ]
        indexes = [
            # The sweep: what is due, oldest first.
            models.Index("due_at", name="refund_due", condition=Q(due_at__isnull=False)),
            # The list "needs a look".
            models.Index("created_at", name="refund_attention", condition=~Q(attention="")),
            # The list, newest first.
            models.Index(F("created_at").desc(), F("id").desc(), name="refund_newest"),
        ]

    def __str__(self) -> str:
        return str(self.id)


class Dispute(models.Model):
    """The customer's bank takes a charge back, or asks about it. Stripe decides; we keep what it says, and show it."""

    dispute_id = models.TextField(help_text="Stripe's")
    payment = models.ForeignKey(Payment, models.PROTECT, related_name="disputes")
    charge_id = models.TextField(blank=True, default="")
    amount = models.BigIntegerField(help_text="in minor units")
    currency = models.CharField(max_length=3)
    reason = models.TextField(help_text="Stripe's code, such as fraudulent")
    status = models.TextField(help_text="Stripe's: needs_response, under_review, won, lost, warning_…")
    respond_by = models.DateTimeField(null=True, help_text="evidence is taken until then")
    opened_at = models.DateTimeField()
    seen_at = models.DateTimeField(help_text="when Stripe said this")
    ended_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint("dispute_id", name="dispute_one_per_id")]
        indexes = [
            # The list of what must be answered, by its deadline.
            models.Index("respond_by", name="dispute_open", condition=Q(ended_at__isnull=True)),
        ]

    def __str__(self) -> str:
        return self.dispute_id
