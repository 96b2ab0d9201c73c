"""Attempts at Stripe, and each step of a payment's history."""

from typing import ClassVar

from django.db import models
from django.db.models import Q

from payments.models.payment import Payment


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

    # Found by `attempt_number`.
    payment = models.ForeignKey(Payment, models.PROTECT, related_name="attempts", db_index=False)
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

    # Found by `transition_story`.
    payment = models.ForeignKey(Payment, models.PROTECT, related_name="history", db_index=False)
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
