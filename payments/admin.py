"""The admin, read-only: staff see payments with their attempts and history, and change nothing here."""

import uuid
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from django.contrib import admin
from django.db.models import F, Model
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from unfold.admin import ModelAdmin, TabularInline
from unfold.decorators import display

from payments import money
from payments.look_up import look_up
from payments.models import (
    Attempt,
    Break,
    Dispute,
    InboxMessage,
    OutboxMessage,
    Payment,
    Reconciliation,
    Refund,
    Transition,
    Webhook,
)

_LABELS = {"success": "success", "pending": "warning", "failed": "danger"}


class _ReadOnly:
    """Nobody edits money, superusers included."""

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class _AttemptInline(_ReadOnly, TabularInline):
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


class _TransitionInline(_ReadOnly, TabularInline):
    model = Transition
    verbose_name_plural = "history"
    fields = ("at", "from_status", "to_status", "attempt_state", "who", "why", "evidence")
    extra = 0
    ordering = ("id",)


class _NotificationInline(_ReadOnly, TabularInline):
    model = OutboxMessage
    verbose_name_plural = "notifications"
    fields = ("message_id", "created_at", "published_at", "error")
    extra = 0
    ordering = ("id",)


class _RefundInline(_ReadOnly, TabularInline):
    model = Refund
    fields = ("state", "amount_for_people", "asked_by", "reason", "refund_id", "code", "created_at", "ended_at")
    readonly_fields = ("amount_for_people",)
    extra = 0
    ordering = ("created_at",)

    @display(description="amount")
    def amount_for_people(self, refund: Refund) -> str:
        """In the currency's own form."""
        return money.for_people(refund.amount, currency=refund.payment.currency)


class _DisputeInline(_ReadOnly, TabularInline):
    model = Dispute
    fields = ("status", "amount_for_people", "reason", "respond_by", "dispute_id", "opened_at", "ended_at")
    readonly_fields = ("amount_for_people",)
    extra = 0

    @display(description="amount")
    def amount_for_people(self, dispute: Dispute) -> str:
        """In the currency's own form."""
        return money.for_people(dispute.amount, currency=dispute.currency)


@admin.register(Payment)
class PaymentAdmin(_ReadOnly, ModelAdmin):
    """List, search, open."""

    list_display = (
        "subscription_id",
        "amount_for_people",
        "status_label",
        "reason",
        "email",
        "created_at",
        "attention",
    )
    list_filter = ("status", "fault", "kind", "currency")
    # Exact, so that an index serves each: whatever the customer gave is pasted whole.
    search_fields = ("=subscription__id", "=user_id", "=email", "=intent_id")
    search_help_text = "Subscription, user, e-mail, payment or pi_… – whole, not a part"
    ordering = ("-created_at",)
    list_per_page = 50
    show_full_result_count = False
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

    @display(description="amount", ordering="amount")
    def amount_for_people(self, payment: Payment) -> str:
        """In the currency's own form."""
        return money.for_people(payment.amount, currency=payment.currency)

    @display(description="status", label=_LABELS, ordering="status")
    def status_label(self, payment: Payment) -> str:
        """As a coloured label."""
        return payment.status

    def get_search_results(self, request: HttpRequest, queryset: Any, search_term: str) -> tuple[Any, bool]:
        """A payment's own id is a UUID, which the other fields are not compared with."""
        try:
            return queryset.filter(id=uuid.UUID(search_term.strip())), False
        except ValueError:
            found: tuple[Any, bool] = super().get_search_results(request, queryset, search_term)
            return found


@admin.register(Refund)
class RefundAdmin(_ReadOnly, ModelAdmin):
    """What goes back to customers, newest first; what needs a look says why."""

    list_display = ("payment", "amount_for_people", "state", "asked_by", "reason", "attention", "created_at")
    list_filter = ("state", ("attention", admin.EmptyFieldListFilter))
    search_fields = ("=refund_id", "=payment__intent_id", "=payment__subscription__id")
    search_help_text = "Refund, PaymentIntent or subscription, re_… or pi_… – whole, not a part"
    ordering = ("-created_at",)
    list_select_related = ("payment",)
    show_full_result_count = False
    fieldsets = (
        (None, {"fields": ("id", "payment", "amount_for_people", "state", "asked_by", "reason", "attention")}),
        ("Stripe", {"fields": ("refund_id", "code", "request_id")}),
        ("Times (UTC)", {"fields": ("created_at", "ended_at", "due_at", "lease_until")}),
    )

    @display(description="amount", ordering="amount")
    def amount_for_people(self, refund: Refund) -> str:
        """In the currency's own form."""
        return money.for_people(refund.amount, currency=refund.payment.currency)


@admin.register(Dispute)
class DisputeAdmin(_ReadOnly, ModelAdmin):
    """What customers' banks dispute: open ones first, by the time until which evidence is taken."""

    list_display = ("dispute_id", "payment", "amount_for_people", "reason", "status", "respond_by", "ended_at")
    list_filter = (("ended_at", admin.EmptyFieldListFilter), "status")
    search_fields = ("=dispute_id", "=charge_id", "=payment__intent_id", "=payment__subscription__id")
    search_help_text = "Dispute, charge, PaymentIntent or subscription – whole, not a part"
    ordering = (F("ended_at").desc(nulls_first=True), F("respond_by").asc(nulls_last=True))
    list_select_related = ("payment",)
    show_full_result_count = False
    fieldsets = (
        (None, {"fields": ("dispute_id", "payment", "charge_id", "amount_for_people", "reason", "status")}),
        ("Times (UTC)", {"fields": ("opened_at", "respond_by", "seen_at", "ended_at")}),
    )

    @display(description="amount", ordering="amount")
    def amount_for_people(self, dispute: Dispute) -> str:
        """In the currency's own form."""
        return money.for_people(dispute.amount, currency=dispute.currency)


@admin.register(OutboxMessage)
class OutboxMessageAdmin(_ReadOnly, ModelAdmin):
    """What is told; what Kafka refused for good has an error."""

    list_display = ("message_id", "channel", "payment", "record", "created_at", "published_at", "refused_at", "error")
    list_filter = (("refused_at", admin.EmptyFieldListFilter), "channel")
    search_fields = ("=message_id",)
    ordering = ("-id",)
    show_full_result_count = False
    fields = list_display


@admin.register(InboxMessage)
class InboxMessageAdmin(_ReadOnly, ModelAdmin):
    """What came in, with verdicts; the parked ones have a reason."""

    list_display = ("__str__", "verdict", "reason", "subscription_id", "received_at")
    list_filter = ("verdict",)
    search_fields = ("=subscription__id", "=event_id")
    ordering = ("-id",)
    show_full_result_count = False
    fieldsets = (
        (None, {"fields": ("verdict", "reason", "subscription_id", "payment", "event_id")}),
        ("Record", {"fields": ("cluster", "topic", "partition", "offset", "recorded_at", "received_at", "content")}),
    )
    list_select_related = False

    @display(description="content")
    def content(self, record: InboxMessage) -> str:
        """The value as text."""
        text = bytes(record.value).decode("utf-8", "replace") if record.value is not None else "(empty)"
        return format_html("<pre style='white-space: pre-wrap'>{}</pre>", text)


@admin.register(Webhook)
class WebhookAdmin(_ReadOnly, ModelAdmin):
    """What Stripe told by itself, and what it was worth."""

    list_display = ("type", "verdict", "object_id", "intent_id", "livemode", "received_at")
    list_filter = ("verdict",)
    search_fields = ("=event_id", "=intent_id")
    search_help_text = "Event or PaymentIntent, evt_… or pi_… – whole, not a part"
    ordering = ("-id",)
    show_full_result_count = False
    fieldsets = (
        (None, {"fields": ("type", "event_id", "verdict", "payment")}),
        ("Stripe", {"fields": ("object_id", "intent_id", "account_id", "livemode", "facts")}),
        ("Times (UTC)", {"fields": ("received_at", "handled_at")}),
    )


@admin.register(Break)
class BreakAdmin(_ReadOnly, ModelAdmin):
    """Where Stripe's books and ours differ: open ones first, the oldest at the top."""

    list_display = ("kind", "intent_id", "payment", "reason", "found_at", "seen_at", "closed_at")
    list_filter = (("closed_at", admin.EmptyFieldListFilter), "kind")
    search_fields = ("=intent_id", "=charge_id")
    search_help_text = "PaymentIntent or charge, pi_… or ch_… – whole, not a part"
    ordering = (F("closed_at").desc(nulls_first=True), "found_at")
    show_full_result_count = False
    fieldsets = (
        (None, {"fields": ("id", "kind", "reason", "payment", "intent_id", "charge_id", "details")}),
        ("Times (UTC)", {"fields": ("found_at", "seen_at", "closed_at")}),
        ("Settled", {"fields": ("closed_by", "closed_why")}),
    )


@admin.register(Reconciliation)
class ReconciliationAdmin(_ReadOnly, ModelAdmin):
    """Which windows of time were compared with Stripe's books, and what came of it."""

    list_display = ("__str__", "asked_by", "adopt", "began_at", "ended_at", "counts")
    list_filter = ("adopt", "asked_by")
    ordering = ("-id",)
    show_full_result_count = False
    fields = ("asked_by", "from_at", "until_at", "adopt", "cursor", "counts", "began_at", "ended_at")
