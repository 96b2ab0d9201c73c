"""Jobs: the preview, a second person's yes or no, progress that survives a reload, and what became of each item.

Every change comes by POST, and asks again whether this person may: a page that was open for an hour proves nothing.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.core.paginator import Paginator
from django.db import transaction
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET, require_POST
from unfold.admin import ModelAdmin
from unfold.decorators import display

from payments import jobs, money, staff_log
from payments.actions import ACTIONS, Action, ArgumentInvalid, Subject, may, title
from payments.admin.in_bulk import who
from payments.admin.read_only import ReadOnly
from payments.models import Break, InboxMessage, Job, JobItem, Payment

ITEMS_PER_PAGE = 100

_MODELS: dict[str, type[Subject]] = {"payment": Payment, "record": InboxMessage, "broken": Break}
_LABELS = {
    "approval": "warning", "running": "info", "stopped": "warning", "done": "success", "rejected": "danger",
}  # fmt: skip
STATES = {
    "draft": gettext_lazy("preview"),
    "approval": gettext_lazy("waits for a second person"),
    "running": gettext_lazy("under way"),
    "stopped": gettext_lazy("stopped"),
    "done": gettext_lazy("done"),
    "rejected": gettext_lazy("rejected"),
}
ITEM_STATES = {
    "waiting": gettext_lazy("waiting"),
    "done": gettext_lazy("done"),
    "refused": gettext_lazy("refused"),
}


@admin.register(Job)
class JobAdmin(ReadOnly, ModelAdmin):
    """What staff have asked for, newest first."""

    list_display = ("title", "total", "state_label", "asked_by", "reason", "created_at", "ended_at")
    list_filter = ("state", "action")
    ordering = ("-id",)
    show_full_result_count = False

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Job]":
        """Previews are of interest to nobody but who looks at them."""
        found: QuerySet[Job] = super().get_queryset(request)
        return found.filter(~Q(state=Job.State.DRAFT) | Q(asked_by=who(request)))

    def get_urls(self) -> list[Any]:
        """The steps of a job, each a POST."""
        steps: dict[str, Callable[..., HttpResponse]] = {
            "confirm": self._confirm, "approve": self._approve, "reject": self._reject,
            "stop": self._stop, "go-on": self._go_on,
        }  # fmt: skip
        wrap = self.admin_site.admin_view
        return [
            path("begin/", wrap(require_POST(self._begin)), name="payments_job_begin"),
            path("<int:job_id>/progress/", wrap(require_GET(self._progress)), name="payments_job_progress"),
            *(
                path(f"<int:job_id>/{name}/", wrap(require_POST(step)), name=f"payments_job_{name}")
                for name, step in steps.items()
            ),
            *super().get_urls(),
        ]

    def change_view(self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any) -> HttpResponse:
        """The job as it stands."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        return self._page(request, self._find(request, object_id))

    @display(description=gettext_lazy("what"))
    def title(self, job: Job) -> str:
        """The action's name, for people."""
        return title(job.action)

    @display(description=gettext_lazy("state"), label={str(STATES[state]): label for state, label in _LABELS.items()})
    def state_label(self, job: Job) -> str:
        """As a coloured label."""
        return str(STATES[job.state])

    def _begin(self, request: HttpRequest) -> HttpResponse:
        """One thing, from a button on its page."""
        action = ACTIONS.get(request.POST.get("action", ""))
        if action is None or not may(request.user, action):
            raise PermissionDenied
        try:
            subject: Any = get_object_or_404(_MODELS[action.about], pk=request.POST.get("subject", ""))
        except (ValueError, ValidationError):
            raise Http404 from None
        job = jobs.draft(action=action, subjects=[subject], who=who(request), now=_now())
        return redirect("admin:payments_job_change", job.pk)

    def _confirm(self, request: HttpRequest, job_id: int) -> HttpResponse:
        job = self._find(request, job_id)
        self._insist(request, job)
        try:
            arguments = _read_arguments(request, job)
            with transaction.atomic():
                job = jobs.confirm(
                    job=job, who=who(request), why=request.POST.get("why", ""), arguments=arguments, now=_now()
                )
                _note(request, job, "acted")
        except (ArgumentInvalid, jobs.NotAllowed) as refused:
            return self._page(request, job, error=_(str(refused)), status=422)
        if job.state == Job.State.RUNNING:
            jobs.ring(job=job)
        return redirect("admin:payments_job_change", job.pk)

    def _approve(self, request: HttpRequest, job_id: int) -> HttpResponse:
        return self._decide(request, job_id, jobs.approve)

    def _reject(self, request: HttpRequest, job_id: int) -> HttpResponse:
        return self._decide(request, job_id, jobs.reject)

    def _decide(self, request: HttpRequest, job_id: int, step: Callable[..., Job]) -> HttpResponse:
        if not request.user.has_perm("payments.approve_job"):
            raise PermissionDenied
        try:
            with transaction.atomic():
                job = step(job=self._find(request, job_id), who=who(request), now=_now())
                _note(request, job, "approved" if job.state == Job.State.RUNNING else "rejected")
        except jobs.NotAllowed as refused:
            messages.error(request, _(str(refused)))
        else:
            if job.state == Job.State.RUNNING:
                jobs.ring(job=job)
        return redirect("admin:payments_job_change", job_id)

    def _stop(self, request: HttpRequest, job_id: int) -> HttpResponse:
        job = self._find(request, job_id)
        self._insist(request, job)
        jobs.stop(job=job, who=who(request), now=_now())
        return redirect("admin:payments_job_change", job_id)

    def _go_on(self, request: HttpRequest, job_id: int) -> HttpResponse:
        job = self._find(request, job_id)
        self._insist(request, job)
        if jobs.go_on(job=job, who=who(request)):
            jobs.ring(job=job)
        return redirect("admin:payments_job_change", job_id)

    def _progress(self, request: HttpRequest, job_id: int) -> HttpResponse:
        """What the page's bar asks for."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        job = self._find(request, job_id)
        now = jobs.progress(job)
        return JsonResponse(
            {"state": job.state, "total": now.total, "done": now.done, "refused": now.refused, "waiting": now.waiting}
        )

    def _find(self, request: HttpRequest, job_id: int | str) -> Job:
        if not str(job_id).isdigit():
            raise Http404
        return get_object_or_404(self.get_queryset(request), pk=job_id)

    def _insist(self, request: HttpRequest, job: Job) -> None:
        if not may(request.user, ACTIONS[job.action]):
            raise PermissionDenied

    def _page(self, request: HttpRequest, job: Job, *, error: str = "", status: int = 200) -> HttpResponse:
        action, seen = ACTIONS[job.action], jobs.preview(job)
        items = job.items.select_related("payment", "record", "broken").order_by("number")
        chosen = request.GET.get("state", "")
        if chosen in ITEM_STATES:
            items = items.filter(state=chosen)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts, "title": action.title, "job": job, "action": action, "seen": seen, "error": error,
            "state": STATES[job.state], "progress": jobs.progress(job), "why": request.POST.get("why", ""),
            "sums": [money.for_people(amount, currency=currency) for currency, amount in sorted(seen.sums.items())],
            "items": Paginator(items, ITEMS_PER_PAGE).get_page(request.GET.get("page")), "chosen": chosen,
            "item_states": ITEM_STATES, "fields": _fields(request, job, action),
            "is_mine": job.asked_by == who(request), "may_act": may(request.user, action),
            "may_decide": request.user.has_perm("payments.approve_job") and job.asked_by != who(request),
            "back": _back(job),
        }  # fmt: skip
        return TemplateResponse(request, "admin/payments/job/page.html", context, status=status)


def _now() -> datetime:
    return datetime.now(UTC)


def _note(request: HttpRequest, job: Job, what: str) -> None:
    """In the staff log, with the payment where it is about one alone."""
    item = job.items.get() if job.total == 1 else None
    details = {"job": job.pk, "action": job.action, "count": job.total}
    staff_log.note(who=who(request), what=what, payment=item.payment_id if item else None, details=details, now=_now())


def _read_arguments(request: HttpRequest, job: Job) -> dict[str, Any]:
    """What was given, read by the action. Raises `ArgumentInvalid` with the field's name in front."""
    action, found = ACTIONS[job.action], {}
    if job.total != 1:
        return {}
    item = job.items.get()
    subject = item.payment or item.record or item.broken
    assert subject is not None  # noqa: S101 -- a constraint says so
    for argument in action.arguments:
        given = request.POST.get(argument.name, "").strip()
        if not given and argument.required:
            raise ArgumentInvalid(_("%(field)s: is missing") % {"field": argument.label})
        if given:
            try:
                found[argument.name] = argument.read(given, subject)
            except ArgumentInvalid as invalid:
                raise ArgumentInvalid(f"{argument.label}: {invalid}") from None
    return found


def _fields(request: HttpRequest, job: Job, action: Action) -> list[dict[str, Any]]:
    """What the form asks for, with what was typed so far."""
    if job.total != 1 or job.state != Job.State.DRAFT:
        return []
    item = job.items.get()
    subject: Any = item.payment or item.record or item.broken
    return [{"argument": one, "value": request.POST.get(one.name) or one.start(subject)} for one in action.arguments]


def _back(job: Job) -> str:
    """Where who has seen enough goes: to the one thing it is about, or to the list of all."""
    about = ACTIONS[job.action].about
    model = _MODELS[about]._meta.model_name
    item: JobItem | None = job.items.first()
    if job.total == 1 and item:
        return reverse(f"admin:payments_{model}_change", args=[item.payment_id or item.record_id or item.broken_id])
    return reverse(f"admin:payments_{model}_changelist")
