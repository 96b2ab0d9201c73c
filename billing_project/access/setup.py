"""The page on which everybody sets up their own second factor, makes new recovery codes, or turns it off."""

from typing import Any

import django_otp
from django.contrib.auth.views import RedirectURLMixin
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.generic import FormView
from unfold.sites import UnfoldAdminSite

from billing_project.access import lock_out, two_factor
from billing_project.access.login import CodeForm, with_next


class Setup(RedirectURLMixin, FormView):  # type: ignore[type-arg]  # at run time it takes none
    """Of one's own account; open also to who may see nothing else before."""

    site: UnfoldAdminSite | None = None
    form_class = CodeForm
    template_name = "access/two_factor.html"

    @method_decorator(sensitive_post_parameters())
    @method_decorator(never_cache)
    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Only for staff whose session has shown whatever they have already."""
        if not (request.user.is_active and request.user.is_staff):
            return HttpResponseRedirect(with_next(reverse("admin:login"), request))
        if two_factor.is_set_up(request.user) and not two_factor.is_verified(request.user):
            return HttpResponseRedirect(with_next(reverse("admin:two_factor_code"), request))
        return super().dispatch(request, *args, **kwargs)

    def get_default_redirect_url(self) -> str:
        """Where one goes who wanted nothing else."""
        return reverse("admin:index")

    def form_valid(self, form: CodeForm) -> HttpResponse:
        """One of three things, each with a code that is right now."""
        name = self.request.user.get_username()
        if lock_out.is_locked(self.request, username=name):
            return lock_out.answer(self.request, None, {"username": name})
        code = form.cleaned_data["code"]
        if not two_factor.is_set_up(self.request.user):
            return self._confirm(form, code)
        if two_factor.verify(user=self.request.user, code=code) is None:
            return self._refuse(form)
        if self.request.POST.get("action") == "off":
            two_factor.turn_off(user=self.request.user)
            return HttpResponseRedirect(reverse("admin:two_factor"))
        return self._show(two_factor.make_recovery_codes(user=self.request.user))

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """The picture for the phone, or what there is."""
        assert self.site is not None  # noqa: S101 - given in `Site.extra_urls`
        context = {
            **self.site.each_context(self.request),
            "title": _("Two-factor login"),
            "wanted": self.get_redirect_url() or self.get_default_redirect_url(),
            "may_enter": self.site.has_permission(self.request),
            **super().get_context_data(**kwargs),
        }
        if "codes" in context:
            return context
        if two_factor.is_set_up(self.request.user):
            return {**context, "left": two_factor.recovery_codes_left(self.request.user)}
        device = two_factor.start(self.request.user)
        return {**context, "picture": two_factor.picture(device), "secret": two_factor.secret(device)}

    def _confirm(self, form: CodeForm, code: str) -> HttpResponse:
        confirmed = two_factor.confirm(user=self.request.user, code=code)
        if confirmed is None:
            return self._refuse(form)
        device, codes = confirmed
        # What this session could do before it showed a code, it can do under a new key only.
        self.request.session.cycle_key()
        django_otp.login(self.request, device)
        return self._show(codes)

    def _refuse(self, form: CodeForm) -> HttpResponse:
        lock_out.count_failure(self.request, username=self.request.user.get_username())
        form.add_error("code", _("This code is not right, or was used already. Wait for the next one."))
        return self.form_invalid(form)

    def _show(self, codes: list[str]) -> HttpResponse:
        """In this one answer, which nobody keeps."""
        return self.render_to_response(self.get_context_data(codes=codes))
