"""One payment: with attempts, history, what went back, and what was told. Its list is in `payment_list`."""

import uuid
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from unfold.admin import TabularInline
from unfold.decorators import display

from payments import money
from payments.admin.payment_list import PaymentList
from payments.admin.read_only import ReadOnly
from payments.look_up import look_up
from payments.models import Attempt, Dispute, OutboxMessage, Payment, Refund, Transition


class _AttemptInline(ReadOnly, TabularInline):
    model = Attempt
    fields = (
        "number",
        "state",
        "asked_by",
        "payment_method",
        "code",
        "decline_code",
        "request_id",
        "created_at",
        "ended_at",
    )
    extra = 0
    ordering = ("number",)


class _TransitionInline(ReadOnly, TabularInline):
    model = Transition
    verbose_name_plural = "history"
    fields = ("at", "from_status", "to_status", "attempt_state", "who", "why", "evidence")
    extra = 0
    ordering = ("id",)


class _RefundInline(ReadOnly, TabularInline):
    model = Refund
    fields = ("state", "amount_for_people", "asked_by", "reason", "refund_id", "code", "created_at", "ended_at")
    readonly_fields = ("amount_for_people",)
    extra = 0
    ordering = ("created_at",)

    @display(description="amount")
    def amount_for_people(self, refund: Refund) -> str:
        """In the currency's own form."""
        return money.for_people(refund.amount, currency=refund.payment.currency)


class _DisputeInline(ReadOnly, TabularInline):
    model = Dispute
    fields = ("status", "amount_for_people", "reason", "respond_by", "dispute_id", "opened_at", "ended_at")
    readonly_fields = ("amount_for_people",)
    extra = 0

    @display(description="amount")
    def amount_for_people(self, dispute: Dispute) -> str:
        """In the currency's own form."""
        return money.for_people(dispute.amount, currency=dispute.currency)


class _NotificationInline(ReadOnly, TabularInline):
    model = OutboxMessage
    verbose_name_plural = "notifications"
    fields = ("message_id", "created_at", "published_at", "error")
    extra = 0
    ordering = ("id",)


@admin.register(Payment)
class PaymentAdmin(PaymentList):
    """Open one of the list."""

    inlines = (_AttemptInline, _TransitionInline, _RefundInline, _DisputeInline, _NotificationInline)
    fieldsets = (
        (
            None,
            {"fields": ("id", "subscription_id", "number", "amount_for_people", "status_label", "reason", "attention")},
        ),
        ("Customer", {"fields": ("user_id", "email", "payment_method", "customer")}),
        ("Stripe", {"fields": ("intent_id", "account_id", "livemode", "fault", "kind", "code")}),
        ("Times (UTC)", {"fields": ("created_at", "accepted_at", "settled_at", "due_at", "lease_until", "closed_at")}),
    )

    def change_view(self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any) -> HttpResponse:
        """One payment; where only Stripe knows what has become of it, Stripe is asked first."""
        with suppress(ValueError):
            look_up(payment_id=uuid.UUID(object_id), now=datetime.now(UTC))
        page: HttpResponse = super().change_view(request, object_id, *args, **kwargs)
        return page
