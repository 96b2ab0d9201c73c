"""Stripe's books beside ours."""

from django.contrib import admin
from django.db.models import F
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin

from payments.admin.read_only import ReadOnly
from payments.models import Break, Reconciliation


@admin.register(Break)
class BreakAdmin(ReadOnly, ModelAdmin):
    """Where Stripe's books and ours differ: open ones first, the oldest at the top."""

    list_display = ("kind", "intent_id", "payment", "reason", "found_at", "seen_at", "closed_at")
    list_filter = (("closed_at", admin.EmptyFieldListFilter), "kind")
    search_fields = ("=intent_id", "=charge_id")
    search_help_text = _("PaymentIntent or charge, pi_… or ch_… – whole, not a part")
    ordering = (F("closed_at").desc(nulls_first=True), "found_at")
    show_full_result_count = False
    fieldsets = (
        (None, {"fields": ("id", "kind", "reason", "payment", "intent_id", "charge_id", "details")}),
        (_("Times (UTC)"), {"fields": ("found_at", "seen_at", "closed_at")}),
        (_("Settled"), {"fields": ("closed_by", "closed_why")}),
    )


@admin.register(Reconciliation)
class ReconciliationAdmin(ReadOnly, ModelAdmin):
    """Which windows of time were compared with Stripe's books, and what came of it."""

    list_display = ("__str__", "asked_by", "adopt", "began_at", "ended_at", "counts")
    list_filter = ("adopt", "asked_by")
    ordering = ("-id",)
    show_full_result_count = False
    fields = ("asked_by", "from_at", "until_at", "adopt", "cursor", "counts", "began_at", "ended_at")
