"""What all lists have in common: they stay fast, say what to do when nothing is found, and can be exported."""

from typing import Any, ClassVar

from django.contrib import admin, messages
from django.contrib.admin.options import IncorrectLookupParameters
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.urls import path
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from unfold.admin import ModelAdmin
from unfold.decorators import display
from unfold.views import ChangeList

from payments import staff_log
from payments.admin import export, personal, search
from payments.admin.export import Sheet
from payments.admin.paging import BoundedPaginator
from payments.admin.read_only import ReadOnly
from payments.admin.rows import checkbox

MAY_EXPORT = "payments.export_payment"


class List(ChangeList):
    """One list as it is asked for; empty, it says what to do."""

    def get_ordering_field(self, field_name: Any) -> Any:
        """None for columns that can't be sorted by, though an address may ask for it: the whole table would be."""
        allowed = self.sortable_by is None or field_name in self.sortable_by
        return super().get_ordering_field(field_name) if allowed else None

    def get_results(self, request: HttpRequest) -> None:
        """Count, cut to the page, and explain what isn't there."""
        super().get_results(request)
        # The export's address: the same filters and search, without the page.
        self.export_query = self.get_query_string(remove=["p"])
        self.may_export = self.model_admin.sheet is not None and request.user.has_perm(MAY_EXPORT)
        if self.result_count == 0 and self.query and not messages.get_messages(request):
            messages.info(request, self.model_admin.nothing_found(self.query))


class ListPage(ReadOnly, ModelAdmin):
    """A list of rows that nobody edits."""

    # A row costs more to write than to read. A whole page is one more than APPROVAL_ABOVE_COUNT is by default: whoever
    # ticks all of it needs a second person.
    list_per_page = 21
    # All of a million rows on one page, or all of them counted, is what nobody waits for.
    list_max_show_all = 0
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    paginator = BoundedPaginator
    list_filter_submit = True
    # Each row asks for them, and what isn't there is searched for longest.
    list_sections = ()
    list_before_template = "admin/payments/list_before.html"
    sheet: ClassVar[Sheet | None] = None

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[Any]:
        """The list above."""
        return List

    @display(description="")
    def action_checkbox(self, row: Model) -> SafeString:
        """As unfold's own, and faster."""
        return checkbox(row)

    def nothing_found(self, query: str) -> str:
        """What to do when a search finds nothing."""
        return _("Nothing found. Identifiers are compared whole: paste all of it, and look whether filters are set.")

    def find(self, rows: QuerySet[Any], word: search.Word) -> QuerySet[Any]:
        """The rows that one pasted word is about. Lists that search by themselves say how."""
        found: QuerySet[Any] = super().get_search_results(None, rows, word.text)[0]
        return found

    def get_search_results(self, request: HttpRequest, queryset: Any, search_term: str) -> tuple[Any, bool]:
        """By one word; several are more likely a mistake than a wish."""
        if not search_term.strip():
            return queryset, False
        word = search.read(search_term)
        if word is None:
            search.say_why_not(request, search_term)
            return queryset.none(), False
        return self.find(queryset, word), False

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """The list; whoever searched in it is in the log."""
        page: Any = super().changelist_view(request, extra_context)
        shown = getattr(page, "context_data", None) or {}
        if (shown_list := shown.get("cl")) and shown_list.query:
            found = shown_list.result_count
            self.log(request, what="searched", details=self.searched(shown_list.query) | {"found": found})
        return page  # type: ignore[no-any-return]

    def get_urls(self) -> list[Any]:
        """With the export, before what would take its name for a row's id."""
        name = f"{self.opts.app_label}_{self.opts.model_name}_export"
        view = self.admin_site.admin_view(self.export_view)
        return [path("export/", view, name=name), *super().get_urls()]

    def export_view(self, request: HttpRequest) -> HttpResponse | StreamingHttpResponse:
        """The list with its filters, as CSV, part by part."""
        if self.sheet is None or not self.has_view_permission(request) or not request.user.has_perm(MAY_EXPORT):
            raise PermissionDenied
        try:
            asked = self.get_changelist_instance(request)
        except IncorrectLookupParameters:
            # As the list itself does: it says that its address is wrong.
            return HttpResponseRedirect("../?e=1")
        may_see = personal.may_see(request)
        details: dict[str, Any] = {"filters": self.filters(request), "personal": may_see}
        if asked.query:
            details |= self.searched(asked.query)
        self.log(request, what="exported", details=details)
        rows = export.write(self.sheet, asked.queryset, personal=may_see)
        return StreamingHttpResponse(
            rows,
            content_type="text/csv; charset=utf-8",
            headers={
                "Content-Disposition": f'attachment; filename="{self.sheet.name}-{timezone.now():%Y-%m-%d-%H%M}.csv"',
                "Cache-Control": "no-store",
            },
        )

    def filters(self, request: HttpRequest) -> dict[str, str]:
        """The filters that are set, for the log: values of our own filters, which are nobody's data."""
        ours = {name for one in self.get_list_filter(request) if isinstance(one, type) for name in _parameters(one)}
        return {name: str(value)[:100] if name in ours else "…" for name, value in request.GET.items() if name != "q"}

    def searched(self, query: str) -> dict[str, Any]:
        """What was searched for, for the log: without what may be somebody's address or id."""
        word = search.read(query)
        shown = word and word.kind not in (search.Kind.EMAIL, search.Kind.NAME)
        return {"by": word.kind.value if word else "several words"} | ({"word": word.text} if word and shown else {})

    def log(self, request: HttpRequest, *, what: str, details: dict[str, Any]) -> None:
        """Note what somebody did with this list."""
        who, about = f"staff: {request.user.get_username()}", {"list": self.opts.model_name}
        staff_log.note(who=who, what=what, details=about | details, now=timezone.now())


def _parameters(one: Any) -> tuple[str, ...]:
    name = one.parameter_name
    return (name, f"{name}_from", f"{name}_to")
