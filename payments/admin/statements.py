"""Statements: one page, a month of Stripe's balance beside our rows, for those of the staff who keep the books.

Nothing here asks Stripe: a worker makes the statement, the page shows what it came to.
"""

from datetime import UTC, datetime
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST
from unfold.admin import ModelAdmin

from payments import staff_log, statement
from payments.admin import statement_words
from payments.admin.in_bulk import who
from payments.admin.lists import MAY_EXPORT
from payments.admin.read_only import ReadOnly
from payments.admin.times import both_zones
from payments.models import Statement

# Older ones are in the list too, where they have been made.
MONTHS_OFFERED = 24


@admin.register(Statement)
class StatementAdmin(ReadOnly, ModelAdmin):
    """The month that is asked for; without one the last that is over."""

    def get_urls(self) -> list[Any]:
        """With the file, and the button that has a statement made."""
        wrap = self.admin_site.admin_view
        return [
            path("csv/", wrap(require_GET(self._csv)), name="payments_statement_csv"),
            path("make/", wrap(require_POST(self._make)), name="payments_statement_make"),
            *super().get_urls(),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """The page."""
        self._insist(request)
        month = _asked(request.GET.get("month"))
        found = Statement.objects.filter(month=month.first).first()
        context = {
            **self.admin_site.each_context(request), "opts": self.opts, "title": _("Statement"),
            "month": str(month), "months": _months(month), "statement": found, "made": bool(found and found.result),
            "may_export": bool(found and found.ended_at) and request.user.has_perm(MAY_EXPORT),
            "began": both_zones(found.began_at) if found else "",
            "again": both_zones(found.due_at) if found and found.due_at else "",
            **(statement_words.describe(found.result) if found and found.result else {}),
        }  # fmt: skip
        return TemplateResponse(request, "admin/payments/statement.html", context)

    def change_view(self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any) -> HttpResponse:
        """A statement has no page but its month's."""
        self._insist(request)
        if not object_id.isdigit():
            raise Http404
        return _to(statement.Month(first=get_object_or_404(Statement, pk=object_id).month))

    def _csv(self, request: HttpRequest) -> HttpResponse | StreamingHttpResponse:
        self._insist(request)
        if not request.user.has_perm(MAY_EXPORT):
            raise PermissionDenied
        month = _asked(request.GET.get("month"))
        # While it is made anew, lines of it may be missing.
        made = get_object_or_404(Statement, month=month.first, ended_at__isnull=False)
        self._note(request, "exported", {"list": "statement", "month": str(month)})
        return StreamingHttpResponse(
            (part.encode() for part in statement.write_sheet(statement=made)),
            content_type="text/csv; charset=utf-8",
            headers={
                "Content-Disposition": f'attachment; filename="statement-{month}.csv"', "Cache-Control": "no-store",
            },
        )  # fmt: skip

    def _make(self, request: HttpRequest) -> HttpResponse:
        self._insist(request)
        month = _asked(request.POST.get("month"))
        try:
            statement.ask(month=month, who=who(request), now=datetime.now(UTC))
        except statement.TooEarly:
            messages.error(request, _("That month has not begun."))
            return _to(month)
        self._note(request, "acted", {"action": "statement", "month": str(month)})
        messages.success(request, _("A worker makes the statement. Open this page again in a minute."))
        return _to(month)

    def _insist(self, request: HttpRequest) -> None:
        if not self.has_view_permission(request):
            raise PermissionDenied

    def _note(self, request: HttpRequest, what: str, details: dict[str, Any]) -> None:
        staff_log.note(who=who(request), what=what, details=details, now=datetime.now(UTC))


def _asked(text: str | None) -> statement.Month:
    """Raises `Http404` for what is no month."""
    if not text:
        return _this_month().before()
    try:
        return statement.read_month(text)
    except statement.NoMonth:
        raise Http404 from None


def _this_month() -> statement.Month:
    return statement.month_of(datetime.now(UTC))


def _months(chosen: statement.Month) -> list[str]:
    """What can be chosen, newest first: the present month counts so far."""
    offered, month = {str(chosen)}, _this_month()
    for _number in range(MONTHS_OFFERED):
        offered.add(str(month))
        month = month.before()
    offered |= {f"{first:%Y-%m}" for first in Statement.objects.values_list("month", flat=True)}
    return sorted(offered, reverse=True)


def _to(month: statement.Month) -> HttpResponse:
    return HttpResponseRedirect(f"{reverse('admin:payments_statement_changelist')}?month={month}")
