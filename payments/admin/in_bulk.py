"""Actions on a list: staff choose many, and what to do to them. That leads to a preview, and changes nothing."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, cast

from django.contrib import messages
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _

from payments import jobs
from payments.actions import ACTIONS, Action, Subject, about, may

# More in one go than anybody looks through; a filter makes less of it.
MOST = 10_000


def who(request: HttpRequest) -> str:
    """As it is kept in histories."""
    return f"staff: {request.user.get_username()}"


class InBulk:
    """A list with those actions that this person may do to many; and none of Django's own, which deletes."""

    model: type[Model]

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """By name: what begins it, its name and its title."""
        what = about(cast("type[Subject]", self.model))
        found = [one for one in ACTIONS.values() if one.about == what and one.in_bulk and may(request.user, one)]
        return {one.name: (_begin_many(one), one.name, one.title) for one in found}


def _begin_many(action: Action) -> Callable[..., HttpResponse | None]:
    def begin(_admin: Any, request: HttpRequest, chosen: "QuerySet[Any]") -> HttpResponse | None:
        count = chosen.count()
        if count > MOST:
            text = _("%(count)s are more than %(most)s: choose fewer, with a filter") % {"count": count, "most": MOST}
            messages.error(request, text)
            return None
        found = chosen.order_by("pk").iterator(chunk_size=1_000)
        job = jobs.draft(action=action, subjects=found, who=who(request), now=datetime.now(UTC))
        return redirect("admin:payments_job_change", job.pk)

    return begin
