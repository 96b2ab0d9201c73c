"""Saved views: lists that staff look at every day, each an address with filters, from the side bar and above the lists.

`UNFOLD["TABS"]` and `UNFOLD["SIDEBAR"]` name `tabs` and `navigation`; a front page takes `SAVED_VIEWS`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils.functional import Promise, cached_property
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

# What the views are of; each of these lists shows all of them.
MODELS = ("payments.payment", "payments.inboxmessage", "payments.break")


@dataclass(frozen=True, kw_only=True)
class SavedView:
    """One list with filters. `icon`: a name of Material Symbols."""

    key: str
    title: Promise
    model: str
    filters: dict[str, str]
    icon: str

    @cached_property
    def path(self) -> str:
        """Of the list itself."""
        return reverse(f"admin:payments_{self.model}_changelist")

    @cached_property
    def url(self) -> str:
        """Where it is."""
        return f"{self.path}?{urlencode(self.filters)}"

    def is_for(self, request: HttpRequest) -> bool:
        """Whether this person may see the list."""
        return bool(request.user.has_perm(f"payments.view_{self.model}"))


SAVED_VIEWS = (
    SavedView(
        key="failed_today",
        title=gettext_lazy("Failed today"),
        model="payment",
        filters={"status": "failed", "settled": "today"},
        icon="credit_card_off",
    ),
    SavedView(
        key="needs_a_look",
        title=gettext_lazy("Needs a look"),
        model="payment",
        filters={"look": "yes"},
        icon="visibility",
    ),
    SavedView(
        key="pending",
        title=gettext_lazy("Pending over 10 minutes"),
        model="payment",
        filters={"waiting": "10m"},
        icon="hourglass_top",
    ),
    SavedView(
        key="conflicts",
        title=gettext_lazy("Conflicts and unreadable records"),
        model="inboxmessage",
        filters={"verdict": "parked"},
        icon="rule",
    ),
    SavedView(
        key="breaks",
        title=gettext_lazy("Breaks with Stripe's books"),
        model="break",
        filters={"open": "yes"},
        icon="link_off",
    ),
)


def tabs(request: HttpRequest) -> list[dict[str, Any]]:
    """Above the lists: all payments, then the saved views."""
    everything = {
        "title": _("All payments"),
        "link": reverse("admin:payments_payment_changelist"),
        "permission": _has("payments.view_payment"),
        # Any other filter may be set beside, but not one of these.
        "active": _is_plain(request),
    }
    return [{"models": list(MODELS), "items": [everything, *map(_item, SAVED_VIEWS)]}]


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """The side bar: the saved views, then every list that this person may see."""
    groups = [{"title": _("Every day"), "separator": False, "items": [_entry(view) for view in SAVED_VIEWS]}]
    for app in admin.site.get_app_list(request):
        items = [{"title": one["name"], "link": one["admin_url"]} for one in app["models"] if one["admin_url"]]
        groups.append({"title": app["name"], "separator": True, "items": items})
    return groups


def _item(view: SavedView) -> dict[str, Any]:
    def is_active(request: HttpRequest) -> bool:
        filters = view.filters.items()
        return request.path == view.path and all(request.GET.get(name) == value for name, value in filters)

    return {"title": view.title, "icon": view.icon, "link": view.url, "permission": view.is_for, "active": is_active}


def _entry(view: SavedView) -> dict[str, Any]:
    # An address that is a tab's as well would make unfold mark all of them, whichever of the tabs is open.
    return _item(view) | {"link": lambda _request: view.url}


def _has(permission: str) -> Callable[[HttpRequest], bool]:
    return lambda request: bool(request.user.has_perm(permission))


def _is_plain(request: HttpRequest) -> bool:
    filters = {name for view in SAVED_VIEWS for name in view.filters}
    return request.path == reverse("admin:payments_payment_changelist") and not filters & set(request.GET)
