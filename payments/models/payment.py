"""Payments, their attempts at Stripe and their history."""

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
    subscription = models.ForeignKey(Subscription, models.PROTECT, related_name="payments")
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
            # The filters of the list, newest first; migration 0016 says what each costs.
            models.Index("currency", F("created_at").desc(), name="payment_by_currency"),
            models.Index("amount", name="payment_by_amount"),
            models.Index("fault", F("created_at").desc(), name="payment_by_fault", condition=~Q(fault="")),
            models.Index("kind", F("created_at").desc(), name="payment_by_kind", condition=~Q(kind="")),
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


class Attempt(models.Model):
    """One try at Stripe. Its request is frozen before it is sent, so that it can be sent again byte for byte."""

    class State(models.TextChoices):
        SENDING = "sending"
        UNKNOWN = "unknown"
        PROCESSING = "processing"
        ACTION_REQUIRED = "action_required"
        SUCCEEDED = "succeeded"
        DECLINED = "declined"
        REJECTED = "rejected"
        REFUSED = "refused"
        SUPERSEDED = "superseded"

    # Nobody knows yet how these end; at most one of them per payment.
    OPEN: ClassVar = (State.SENDING, State.UNKNOWN, State.PROCESSING)

    payment = models.ForeignKey(Payment, models.PROTECT, related_name="attempts")
    number = models.PositiveSmallIntegerField(help_text="from 1")
    asked_by = models.TextField(help_text="'event' or who of the staff")
    state = models.TextField(choices=State.choices, default=State.SENDING)
    payment_method = models.TextField()
    request = models.JSONField(default=dict, help_text="parameters of the confirm call, frozen")
    idempotency_key = models.TextField(blank=True, default="")
    key_made_at = models.DateTimeField(null=True)
    key_is_spent = models.BooleanField(default=False, help_text="Stripe answered it with 5xx, which it may replay")
    sent_at = models.DateTimeField(null=True, help_text="a confirm may have left from then on")
    in_doubt = models.BooleanField(default=False, help_text="a confirm was sent whose answer we don't have")
    tries = models.PositiveIntegerField(default=0, help_text="answers that proved nothing")

    code = models.TextField(blank=True, default="")
    decline_code = models.TextField(blank=True, default="")
    advice_code = models.TextField(blank=True, default="")
    network_advice_code = models.TextField(blank=True, default="")
    network_decline_code = models.TextField(blank=True, default="")
    charge_id = models.TextField(blank=True, default="")
    card = models.TextField(blank=True, default="", help_text="of a declined attempt: Stripe's fingerprint of the card")
    brand = models.TextField(blank=True, default="", db_default="", help_text="of the card, where Stripe told")
    last4 = models.TextField(blank=True, default="", db_default="", help_text="of the card, where Stripe told")
    request_id = models.TextField(blank=True, default="", help_text="Stripe's id of the last answer")
    created_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint("payment", "number", name="attempt_number"),
            # P1: two attempts of one payment are never under way side by side.
            models.UniqueConstraint(
                "payment",
                name="attempt_one_open",
                condition=Q(state__in=["sending", "unknown", "processing"]),
            ),
            models.UniqueConstraint("idempotency_key", name="attempt_own_key", condition=~Q(idempotency_key="")),
            models.CheckConstraint(
                name="attempt_state",
                condition=Q(
                    state__in=[
                        "sending",
                        "unknown",
                        "processing",
                        "action_required",
                        "succeeded",
                        "declined",
                        "rejected",
                        "refused",
                        "superseded",
                    ]
                ),
            ),
            models.CheckConstraint(
                name="attempt_ended_or_open",
                condition=Q(state__in=["sending", "unknown", "processing"], ended_at__isnull=True)
                | (~Q(state__in=["sending", "unknown", "processing"]) & Q(ended_at__isnull=False)),
            ),
        ]
        indexes = [
            # The networks' cap: how often was this card declined lately?
            models.Index("card", "ended_at", name="attempt_declines_of_card", condition=~Q(card="")),
            # What support pastes: ch_…
            models.Index("charge_id", name="attempt_by_charge", condition=~Q(charge_id="")),
            # What support pastes into the search field.
            models.Index("last4", name="attempt_by_last4", condition=~Q(last4="")),
        ]

    def __str__(self) -> str:
        return f"attempt {self.number}"


class Transition(models.Model):
    """One step of a payment's history. Rows are only ever added; a trigger refuses anything else."""

    payment = models.ForeignKey(Payment, models.PROTECT, related_name="history")
    attempt = models.ForeignKey(Attempt, models.PROTECT, null=True, related_name="history")
    from_status = models.TextField(blank=True, help_text="empty: the payment was made by this step")
    to_status = models.TextField()
    attempt_state = models.TextField(blank=True, default="")
    who = models.TextField(help_text="'event', 'stripe', 'sweep' or who of the staff")
    why = models.TextField()
    evidence = models.JSONField(default=dict, help_text="record position, Stripe's request id, codes")
    at = models.DateTimeField()

    class Meta:
        indexes = [
            # One payment's story, in order.
            models.Index("payment", "id", name="transition_story"),
        ]

    def __str__(self) -> str:
        return f"{self.from_status or 'new'} → {self.to_status}"
