"""What goes back to customers: refunds, and what their banks dispute."""

from typing import Any

from django.contrib import admin
from django.db.models import F, QuerySet
from django.utils.translation import gettext_lazy
from unfold.decorators import display

from payments import money
from payments.admin import search
from payments.admin.export import Sheet, amount, plain
from payments.admin.filters import NeedsALook, OpenDispute
from payments.admin.lists import ListPage
from payments.models import Dispute, Refund

REFUNDS = Sheet(
    name="refunds",
    order=("created_at", "id"),
    columns=(
        plain("refund", "refund_id"),
        plain("payment_id"),
        plain("payment_intent", "payment__intent_id"),
        plain("subscription_id", "payment__subscription_id"),
        amount("amount", currency="payment__currency"),
        plain("currency", "payment__currency"),
        plain("state"),
        plain("asked_by"),
        plain("reason"),
        plain("needs_a_look", "attention"),
        plain("code"),
        plain("created_at"),
        plain("ended_at"),
    ),
)
DISPUTES = Sheet(
    name="disputes",
    order=("id",),
    columns=(
        plain("dispute", "dispute_id"),
        plain("payment_id"),
        plain("payment_intent", "payment__intent_id"),
        plain("subscription_id", "payment__subscription_id"),
        plain("charge", "charge_id"),
        amount("amount"),
        plain("currency"),
        plain("reason"),
        plain("status"),
        plain("respond_by"),
        plain("opened_at"),
        plain("ended_at"),
    ),
)


@admin.register(Refund)
class RefundAdmin(ListPage):
    """What goes back to customers, newest first; what needs a look says why."""

    list_display = ("payment", "amount_for_people", "state", "asked_by", "reason", "attention", "created_at")
    list_filter = ("state", NeedsALook)
    search_fields = ("refund_id",)
    search_help_text = gettext_lazy("re_…, or what finds its payment")
    ordering = ("-created_at",)
    sortable_by = ("created_at",)
    list_select_related = ("payment",)
    sheet = REFUNDS
    fieldsets = (
        (None, {"fields": ("id", "payment", "amount_for_people", "state", "asked_by", "reason", "attention")}),
        ("Stripe", {"fields": ("refund_id", "code", "request_id")}),
        ("Times (UTC)", {"fields": ("created_at", "ended_at", "due_at", "lease_until")}),
    )

    def find(self, rows: QuerySet[Any], word: search.Word) -> QuerySet[Any]:
        """By its own id, or by whatever finds its payment."""
        return search.by_payment(rows, word, own="refund_id")

    @display(description=gettext_lazy("amount"))
    def amount_for_people(self, refund: Refund) -> str:
        """In the currency's own form."""
        return money.for_people(refund.amount, currency=refund.payment.currency)


@admin.register(Dispute)
class DisputeAdmin(ListPage):
    """What customers' banks dispute: open ones first, by the time until which evidence is taken."""

    list_display = ("dispute_id", "payment", "amount_for_people", "reason", "status", "respond_by", "ended_at")
    # Not by status, which is Stripe's to name: whether it is open is what matters.
    list_filter = (OpenDispute,)
    search_fields = ("dispute_id",)
    search_help_text = gettext_lazy("du_…, or what finds its payment")
    ordering = (F("ended_at").desc(nulls_first=True), F("respond_by").asc(nulls_last=True))
    list_select_related = ("payment",)
    sheet = DISPUTES
    fieldsets = (
        (None, {"fields": ("dispute_id", "payment", "charge_id", "amount_for_people", "reason", "status")}),
        ("Times (UTC)", {"fields": ("opened_at", "respond_by", "seen_at", "ended_at")}),
    )

    def find(self, rows: QuerySet[Any], word: search.Word) -> QuerySet[Any]:
        """By its own id, or by whatever finds its payment."""
        return search.by_payment(rows, word, own="dispute_id")

    @display(description=gettext_lazy("amount"))
    def amount_for_people(self, dispute: Dispute) -> str:
        """In the currency's own form."""
        return money.for_people(dispute.amount, currency=dispute.currency)
