"""Payments: what is wanted, how it stands, and how the lists find it."""

import uuid
from typing import ClassVar

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Lower

from payments.models.inbox import Subscription


class Payment(models.Model):
    """One wish to collect money: the initial payment of a subscription."""

    class Status(models.TextChoices):
        PENDING = "pending"
        SUCCESS = "success"
        FAILED = "failed"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    # Found by `payment_number`.
    subscription = models.ForeignKey(Subscription, models.PROTECT, related_name="payments", db_index=False)
    number = models.PositiveSmallIntegerField(default=1, help_text="1, then one more for each re-issue")
    subscription_as_sent = models.JSONField(help_text="subId in the JSON type it came in")
    user_as_sent = models.JSONField(help_text="user as it came in, less paymentMethod")
    user_id = models.TextField(help_text="canonical text")
    email = models.TextField(blank=True, default="")
    price = models.DecimalField(max_digits=20, decimal_places=3, help_text="in the unit of the incoming price")
    amount = models.BigIntegerField(help_text="in minor units: what Stripe charges")
    currency = models.CharField(max_length=3)
    payment_method = models.TextField()
    customer = models.TextField(null=True, help_text="None: not known yet; empty: the method belongs to nobody")
    asked_by = models.TextField(
        default="event", help_text="who asked for the next attempt: 'event' or who of the staff"
    )
    next_payment_method = models.TextField(blank=True, default="", help_text="used if the present one is declined")
    next_customer = models.TextField(null=True)

    status = models.TextField(choices=Status.choices, default=Status.PENDING)
    fault = models.TextField(blank=True, default="", help_text="of a failed payment: customer, issuer, us, stripe")
    kind = models.TextField(blank=True, default="", help_text="of a failed payment: soft, hard, action")
    code = models.TextField(blank=True, default="", help_text="of a failed payment")
    reason = models.TextField(blank=True, default="", help_text="of a failed payment: customer-safe text")
    attention = models.TextField(blank=True, default="", help_text="why a person should look at it; empty: no need")

    intent_id = models.TextField(null=True, help_text="the one PaymentIntent; bound once")
    intent_customer = models.TextField(blank=True, default="", help_text="the customer that the intent is for")
    account_id = models.TextField(blank=True, default="", help_text="the Stripe account that the intent is in")
    livemode = models.BooleanField(null=True)

    # Beside the status, which stays `success`: what was taken back since.
    refunded = models.BigIntegerField(default=0, help_text="in minor units: what Stripe has given back")
    disputed_at = models.DateTimeField(null=True, help_text="the customer's bank disputes it, or did, since then")

    retry_at = models.DateTimeField(null=True, help_text="of a failed payment: tried again by itself from then on")
    due_at = models.DateTimeField(null=True, help_text="ready for the next step from then on")
    lease_until = models.DateTimeField(null=True, help_text="a worker has it until then")
    deliveries = models.PositiveIntegerField(default=0, help_text="claims since the last answer")
    looks = models.PositiveSmallIntegerField(default=0, help_text="looks at Stripe since it failed")
    traceparent = models.TextField(blank=True, default="")
    created_at = models.DateTimeField(help_text="the record's time")
    accepted_at = models.DateTimeField()
    settled_at = models.DateTimeField(null=True)
    closed_at = models.DateTimeField(null=True, help_text="cancelled at Stripe: nothing more can be taken")

    class Meta:
        permissions: ClassVar = [
            ("retry_payment", "Can try a failed payment again"),
            ("refresh_payment", "Can have Stripe asked about a payment"),
            ("notify_payment", "Can send a payment's notification again"),
            ("refund_payment", "Can give money back"),
            ("close_payment", "Can close a payment at Stripe"),
            ("reissue_payment", "Can issue a closed payment again"),
            ("export_payment", "Can export lists"),
            ("see_personal_data", "Can see e-mail addresses and user ids"),
        ]
        constraints = [
            # P1, the proof's first half: one open payment per subscription, ever.
            models.UniqueConstraint("subscription", name="payment_one_open", condition=Q(closed_at__isnull=True)),
            models.UniqueConstraint("subscription", "number", name="payment_number"),
            # P1, the second half: an intent belongs to one payment.
            models.UniqueConstraint("intent_id", name="payment_one_per_intent", condition=Q(intent_id__isnull=False)),
            models.CheckConstraint(name="payment_status", condition=Q(status__in=["pending", "success", "failed"])),
            models.CheckConstraint(name="payment_amount_positive", condition=Q(amount__gt=0)),
            # Every terminal state has its timestamp.
            models.CheckConstraint(
                name="payment_settled_or_pending",
                condition=Q(status="pending", settled_at__isnull=True)
                | (~Q(status="pending") & Q(settled_at__isnull=False)),
            ),
            # P3: success names the intent that Stripe said it of, and is never due again.
            models.CheckConstraint(
                name="payment_success_is_charged",
                condition=~Q(status="success") | Q(intent_id__isnull=False, due_at__isnull=True),
            ),
            # Only what was taken can be given back, and not more of it.
            models.CheckConstraint(
                name="payment_refunded_was_charged",
                condition=Q(refunded=0) | Q(status="success", refunded__gt=0, refunded__lte=F("amount")),
            ),
            # P3: a failure says whose fault it is and what the customer may read.
            models.CheckConstraint(
                name="payment_failed_says_why",
                condition=~Q(status="failed")
                | (
                    Q(fault__in=["customer", "issuer", "us", "stripe"], kind__in=["soft", "hard", "action"])
                    & ~Q(reason="")
                ),
            ),
            # P1: nothing leaves a closed payment.
            models.CheckConstraint(
                name="payment_closed_rests",
                condition=Q(closed_at__isnull=True) | Q(status="failed", due_at__isnull=True),
            ),
            # Only what has failed and isn't closed waits for a retry.
            models.CheckConstraint(
                name="payment_retry_of_failed",
                condition=Q(retry_at__isnull=True) | Q(status="failed", closed_at__isnull=True, due_at__isnull=False),
            ),
            # P5: what is pending is always due at some time, or it would be forgotten.
            models.CheckConstraint(
                name="payment_pending_is_due", condition=~Q(status="pending") | Q(due_at__isnull=False)
            ),
        ]
        indexes = [
            # The sweep: what was never tried, what is tried again, and looks at what has failed; the longest due first.
            models.Index("due_at", name="payment_due_new", condition=Q(status="pending", intent_id__isnull=True)),
            models.Index("due_at", name="payment_due_again", condition=Q(status="pending", intent_id__isnull=False)),
            models.Index("due_at", name="payment_due_look", condition=Q(status="failed", due_at__isnull=False)),
            # The admin's lists, newest first.
            models.Index(F("created_at").desc(), name="payment_newest"),
            models.Index("status", F("created_at").desc(), name="payment_by_status"),
            # What support pastes into the search field; who types an address doesn't mind its case.
            models.Index(Lower("email"), name="payment_by_email", condition=~Q(email="")),
            models.Index("user_id", name="payment_by_user"),
            # The filters of the list, newest first; migrations 0016 and 0018 say what each costs.
            models.Index("currency", F("created_at").desc(), name="payment_by_currency"),
            models.Index("amount", "currency", name="payment_by_price"),
            models.Index(
                "fault",
                F("created_at").desc(),
                name="payment_failed_by_fault",
                condition=~Q(fault=""),
                include=["status"],
            ),
            models.Index(
                "kind", F("created_at").desc(), name="payment_failed_by_kind", condition=~Q(kind=""), include=["status"]
            ),
            models.Index(F("created_at").desc(), name="payment_disputed", condition=Q(disputed_at__isnull=False)),
            models.Index(F("created_at").desc(), name="payment_refunded", condition=Q(refunded__gt=0)),
            models.Index(
                F("created_at").desc(),
                name="payment_refunded_full",
                condition=Q(refunded__gt=0, refunded=F("amount")),
            ),
            models.Index(
                F("created_at").desc(),
                name="payment_refunded_part",
                condition=Q(refunded__gt=0, refunded__lt=F("amount")),
            ),
            # replay_failed --code --since, and the list "failed today".
            models.Index("settled_at", "code", name="payment_failed", condition=Q(status="failed")),
            # Reconciliation: our successes of a window of time. Then the list "needs a look".
            models.Index("settled_at", name="payment_paid", condition=Q(status="success")),
            models.Index("settled_at", name="payment_attention", condition=~Q(attention="")),
        ]

    def __str__(self) -> str:
        return str(self.id)
