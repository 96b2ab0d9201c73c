"""The admin's door: who may see a page of it, and the pages by which one gets in."""

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib.auth import REDIRECT_FIELD_NAME
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from django.views.decorators.cache import cache_control, never_cache
from unfold.sites import UnfoldAdminSite

from billing_project.access import login, setup, two_factor


class Site(UnfoldAdminSite):
    """Nothing of it is seen before the second factor was shown, where there is one or has to be one."""

    def has_permission(self, request: HttpRequest) -> bool:
        """Staff, active, and with the second factor."""
        may: bool = super().has_permission(request)
        return may and two_factor.may_enter(request.user, required=settings.REQUIRE_TWO_FACTOR)

    def admin_view(self, view: Callable[..., Any], cacheable: bool = False) -> Callable[..., Any]:
        """Who may not see anything yet may still log out."""
        if view == self.logout:
            return never_cache(view)
        wrapped: Callable[..., Any] = super().admin_view(view, cacheable)
        return wrapped

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        """Unfold's colours come as a style sheet: within the page the security policy would refuse them."""
        context: dict[str, Any] = super().each_context(request)
        styles = [*context["styles"], reverse("admin:colors", current_app=self.name)]
        return {**context, "colors": None, "styles": styles}

    def _get_is_tab_active(self, request: HttpRequest, tabs: list[dict[str, Any]], link: Any) -> bool:
        """Unfold's own compares the page with all tabs for each link of the side bar, of which only one is a tab's."""
        if all(link != item["link"] for tab in tabs for item in tab["items"]):
            return False
        active: bool = super()._get_is_tab_active(request, tabs, link)
        return active

    def colors(self, request: HttpRequest) -> HttpResponse:
        """The settings' UNFOLD["COLORS"], as the variables that unfold's own style sheets use."""
        found = self._get_colors("COLORS", request)
        lines = [f"--color-{name}-{weight}: {value};" for name, of in found.items() for weight, value in of.items()]
        radius = self._get_config("BORDER_RADIUS", request)
        if radius:
            lines.append(f"--border-radius: {radius};")
        return HttpResponse(":root {\n" + "\n".join(lines) + "\n}\n", content_type="text/css")

    def extra_urls(self) -> list[URLPattern]:
        """Beside unfold's and Django's own."""
        return [
            path("colors.css", cache_control(public=True, max_age=300)(self.colors), name="colors"),
            path("login/code/", login.Code.as_view(site=self), name="two_factor_code"),
            path("two-factor/", setup.Setup.as_view(site=self), name="two_factor"),
        ]

    @method_decorator(never_cache)
    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponseBase:
        """The form for name and password; whoever has given them already is sent on to what is missing."""
        on = self.what_is_missing(request)
        if on is not None:
            return on
        index = reverse("admin:index", current_app=self.name)
        if request.method == "GET" and self.has_permission(request):
            return HttpResponseRedirect(index)
        context = {
            **self.each_context(request),
            "title": _("Log in"),
            "app_path": request.get_full_path(),
            "username": request.user.get_username(),
            **(extra_context or {}),
        }
        if REDIRECT_FIELD_NAME not in request.GET and REDIRECT_FIELD_NAME not in request.POST:
            context[REDIRECT_FIELD_NAME] = index
        request.current_app = self.name
        return login.Login.as_view(extra_context=context, authentication_form=self.login_form)(request)

    def what_is_missing(self, request: HttpRequest) -> HttpResponse | None:
        """To the code, or to the setup, for staff who have logged in and may see nothing without; else None."""
        user = request.user
        if not (user.is_active and user.is_staff) or self.has_permission(request):
            return None
        page = "admin:two_factor_code" if two_factor.is_set_up(user) else "admin:two_factor"
        return HttpResponseRedirect(login.with_next(reverse(page), request))
