"""What goes back to customers: refunds, and what their banks dispute."""

from django.contrib import admin
from django.db.models import F
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin
from unfold.decorators import display

from payments import money
from payments.admin.read_only import ReadOnly
from payments.models import Dispute, Refund


@admin.register(Refund)
class RefundAdmin(ReadOnly, ModelAdmin):
    """What goes back to customers, newest first; what needs a look says why."""

    list_display = ("payment", "amount_for_people", "state", "asked_by", "reason", "attention", "created_at")
    list_filter = ("state", ("attention", admin.EmptyFieldListFilter))
    search_fields = ("=refund_id", "=payment__intent_id", "=payment__subscription__id")
    search_help_text = _("Refund, PaymentIntent or subscription, re_… or pi_… – whole, not a part")
    ordering = ("-created_at",)
    list_select_related = ("payment",)
    show_full_result_count = False
    fieldsets = (
        (None, {"fields": ("id", "payment", "amount_for_people", "state", "asked_by", "reason", "attention")}),
        ("Stripe", {"fields": ("refund_id", "code", "request_id")}),
        (_("Times (UTC)"), {"fields": ("created_at", "ended_at", "due_at", "lease_until")}),
    )

    @display(description=_("amount"), ordering="amount")
    def amount_for_people(self, refund: Refund) -> str:
        """In the currency's own form."""
        return money.for_people(refund.amount, currency=refund.payment.currency)


@admin.register(Dispute)
class DisputeAdmin(ReadOnly, ModelAdmin):
    """What customers' banks dispute: open ones first, by the time until which evidence is taken."""

    list_display = ("dispute_id", "payment", "amount_for_people", "reason", "status", "respond_by", "ended_at")
    list_filter = (("ended_at", admin.EmptyFieldListFilter), "status")
    search_fields = ("=dispute_id", "=charge_id", "=payment__intent_id", "=payment__subscription__id")
    search_help_text = _("Dispute, charge, PaymentIntent or subscription – whole, not a part")
    ordering = (F("ended_at").desc(nulls_first=True), F("respond_by").asc(nulls_last=True))
    list_select_related = ("payment",)
    show_full_result_count = False
    fieldsets = (
        (None, {"fields": ("dispute_id", "payment", "charge_id", "amount_for_people", "reason", "status")}),
        (_("Times (UTC)"), {"fields": ("opened_at", "respond_by", "seen_at", "ended_at")}),
    )

    @display(description=_("amount"), ordering="amount")
    def amount_for_people(self, dispute: Dispute) -> str:
        """In the currency's own form."""
        return money.for_people(dispute.amount, currency=dispute.currency)
