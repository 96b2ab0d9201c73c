"""Payments: list, search, open. The page of one is in `payment_page`."""

import uuid
from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from unfold.admin import ModelAdmin
from unfold.decorators import display

from payments import money
from payments.admin import payment_page
from payments.admin.in_bulk import InBulk
from payments.admin.read_only import ReadOnly
from payments.models import Payment

_LABELS = {"success": "success", "pending": "warning", "failed": "danger"}


@admin.register(Payment)
class PaymentAdmin(InBulk, ReadOnly, ModelAdmin):
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

    def change_view(self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any) -> HttpResponse:
        """One payment's story; where there is none, or something is posted, as in any admin: not found, refused."""
        page: HttpResponse | None = None
        if request.method in ("GET", "HEAD"):
            page = payment_page.show(request=request, page=self, object_id=object_id)
        return page or super().change_view(request, object_id, *args, **kwargs)

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """The dashboard's number of unknown outcomes leads to their payments."""
        return lookup == "attempts__state__exact" or bool(super().lookup_allowed(lookup, value, request))

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
