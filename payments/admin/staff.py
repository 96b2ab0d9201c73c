"""The staff log: who did or looked at what. For those who lead, and superusers."""

import json
import uuid
from typing import Any

from django.contrib import admin
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin
from unfold.decorators import display

from payments.admin.read_only import ReadOnly
from payments.models import StaffEntry


class Who(admin.SimpleListFilter):
    """By the names of those who can log in: the log itself may have millions of rows."""

    title = _("who")
    parameter_name = "who"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Everybody on the staff, also who is no longer active."""
        names = User.objects.filter(is_staff=True).order_by("username").values_list("username", flat=True)
        return [(f"staff: {name}", name) for name in names]

    def queryset(self, request: HttpRequest, queryset: QuerySet[StaffEntry]) -> QuerySet[StaffEntry]:
        """An index serves it."""
        return queryset.filter(who=self.value()) if self.value() else queryset


@admin.register(StaffEntry)
class StaffEntryAdmin(ReadOnly, ModelAdmin):
    """Newest first."""

    list_display = ("at", "who", "what", "payment_id", "more")
    list_filter = (Who, "what", ("at", admin.DateFieldListFilter))
    # Looked up as an id, below.
    search_fields = ("payment_id",)
    search_help_text = _("Id of a payment – whole, not a part")
    ordering = ("-id",)
    show_full_result_count = False
    list_select_related = False
    fields = ("at", "who", "what", "payment", "more")

    @display(description=_("details"))
    def more(self, entry: StaffEntry) -> str:
        """As it is kept, on one line."""
        return format_html("{}", json.dumps(entry.details, ensure_ascii=False)) if entry.details else ""

    def get_search_results(self, request: HttpRequest, queryset: Any, search_term: str) -> tuple[Any, bool]:
        """What is no payment's id finds nothing."""
        if not search_term.strip():
            return queryset, False
        try:
            return queryset.filter(payment_id=uuid.UUID(search_term.strip())), False
        except ValueError:
            return queryset.none(), False
