"""Stripe's books beside ours."""

from django.contrib import admin
from django.db.models import F
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin

from payments.admin.export import Sheet, plain
from payments.admin.filters import OpenBreak
from payments.admin.in_bulk import InBulk
from payments.admin.lists import ListPage
from payments.admin.read_only import ReadOnly
from payments.admin.times import column
from payments.models import Break, Reconciliation

_BREAK_TIMES = (
    column("found_at", _("found")),
    column("seen_at", _("last found so")),
    column("closed_at", _("settled")),
)

BREAKS = Sheet(
    name="breaks",
    order=("id",),
    columns=(
        plain("break", "id"),
        plain("kind"),
        plain("payment_intent", "intent_id"),
        plain("charge", "charge_id"),
        plain("payment_id"),
        plain("reason"),
        plain("found_at"),
        plain("seen_at"),
        plain("closed_at"),
        plain("closed_by"),
        plain("closed_why"),
    ),
)


@admin.register(Break)
class BreakAdmin(InBulk, ListPage):
    """Where Stripe's books and ours differ: open ones first, the oldest at the top."""

    change_form_outer_after_template = "admin/payments/with_actions.html"
    list_display = ("kind", "intent_id", "payment", "reason", "found_at", "seen_at", "closed_at")
    list_filter = (OpenBreak, "kind")
    search_fields = ("=intent_id", "=charge_id")
    search_help_text = _("PaymentIntent or charge, pi_… or ch_… – whole, not a part")
    ordering = (F("closed_at").desc(nulls_first=True), "found_at")
    sheet = BREAKS
    fieldsets = (
        (None, {"fields": ("id", "kind", "reason", "payment", "intent_id", "charge_id", "details")}),
        (_("Times"), {"fields": _BREAK_TIMES}),
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
