"""Logging in: name and password, then the code of who has a second factor. There is no session before both are right.

Between the two, a session of nobody remembers for a few minutes whose password was right.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

from django import forms
from django.contrib.auth import REDIRECT_FIELD_NAME, load_backend, login
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.models import User
from django.contrib.auth.views import LoginView, RedirectURLMixin
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.urls import reverse
from django.utils.crypto import constant_time_compare
from django.utils.decorators import method_decorator
from django.utils.http import urlencode
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.generic import FormView
from django_otp.models import Device
from unfold.sites import UnfoldAdminSite
from unfold.widgets import UnfoldAdminTextInputWidget

from billing_project.access import lock_out, two_factor
from payments import staff_log

# The time to find the phone.
CODE_WITHIN = timedelta(minutes=5)
_WAITING = "waiting_for_code"


class CodeForm(forms.Form):
    """Six digits, or a recovery code."""

    code = forms.CharField(
        label=_("Code"),
        max_length=32,
        help_text=_("Six digits from the app on your phone, or one of your recovery codes."),
        widget=UnfoldAdminTextInputWidget(
            attrs={"autocomplete": "one-time-code", "autofocus": True, "spellcheck": "false", "autocapitalize": "off"}
        ),
    )


class Login(LoginView):
    """Name and password."""

    template_name = "admin/login.html"

    def get_default_redirect_url(self) -> str:
        """Where one goes who wanted nothing else."""
        return reverse("admin:index")

    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        """In, or on to the code."""
        user = form.get_user()
        assert isinstance(user, User)  # noqa: S101 - Django's own users are the only ones there are
        if not two_factor.is_set_up(user):
            enter(self.request, user, device=None)
            return HttpResponseRedirect(self.get_success_url())
        self.request.session[_WAITING] = {
            "user": user.pk,
            "backend": user.backend,
            "password": user.get_session_auth_hash(),
            "at": datetime.now(UTC).timestamp(),
        }
        return HttpResponseRedirect(with_next(reverse("admin:two_factor_code"), self.request))


class Code(RedirectURLMixin, FormView):  # type: ignore[type-arg]  # at run time it takes none
    """The code of who has given the password, or whose session is older than their second factor."""

    site: UnfoldAdminSite | None = None
    form_class = CodeForm
    template_name = "access/code.html"
    _user: User

    @method_decorator(sensitive_post_parameters())
    @method_decorator(never_cache)
    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Only with somebody to ask."""
        user = _waiting(request)
        if user is None:
            return HttpResponseRedirect(with_next(reverse("admin:login"), request))
        self._user = user
        return super().dispatch(request, *args, **kwargs)

    def get_default_redirect_url(self) -> str:
        """Where one goes who wanted nothing else."""
        return reverse("admin:index")

    def form_valid(self, form: CodeForm) -> HttpResponse:
        """In with a right code; a wrong one counts as a wrong password does."""
        name = self._user.get_username()
        if lock_out.is_locked(self.request, username=name):
            return lock_out.answer(self.request, None, {"username": name})
        device = two_factor.verify(user=self._user, code=form.cleaned_data["code"])
        if device is None:
            lock_out.count_failure(self.request, username=name)
            form.add_error("code", _("This code is not right, or was used already. Wait for the next one."))
            return self.form_invalid(form)
        enter(self.request, self._user, device=device)
        return HttpResponseRedirect(self.get_success_url())

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """What unfold's pages need."""
        assert self.site is not None  # noqa: S101 - given in `Site.extra_urls`
        context = super().get_context_data(**kwargs)
        return {
            **self.site.each_context(self.request),
            "title": _("Log in"),
            self.redirect_field_name: self.get_redirect_url(),
            **context,
        }


def enter(request: HttpRequest, user: User, *, device: Device | None) -> None:
    """Begin a session, under a new key, and note it."""
    backend = getattr(user, "backend", None)
    with transaction.atomic():
        request.session.pop(_WAITING, None)
        user.otp_device = device  # type: ignore[attr-defined]  # django-otp puts it into the session
        login(request, user, backend=backend)
        staff_log.note(
            who=f"staff: {user.get_username()}",
            what="logged_in",
            details={"two_factor": device is not None, "address": lock_out.address_of(request)},
            now=datetime.now(UTC),
        )


def with_next(url: str, request: HttpRequest) -> str:
    """An address that remembers where somebody wanted to go."""
    wanted = request.POST.get(REDIRECT_FIELD_NAME) or request.GET.get(REDIRECT_FIELD_NAME)
    return f"{url}?{urlencode({REDIRECT_FIELD_NAME: wanted})}" if wanted else url


def _waiting(request: HttpRequest) -> User | None:
    """Whose code is asked for; None: whoever it is has to begin anew."""
    waiting = request.session.get(_WAITING)
    if waiting:
        user = load_backend(waiting["backend"]).get_user(waiting["user"])
        late = datetime.now(UTC).timestamp() - waiting["at"] > CODE_WITHIN.total_seconds()
        # A password that was changed meanwhile proves nothing any more.
        if not isinstance(user, User) or late or not _is_the_password(user, waiting["password"]):
            request.session.pop(_WAITING, None)
            return None
        user.backend = waiting["backend"]
        return user if user.is_staff and two_factor.is_set_up(user) else None
    return _unverified(request)


def _is_the_password(user: User, kept: str) -> bool:
    return constant_time_compare(kept, user.get_session_auth_hash())


def _unverified(request: HttpRequest) -> User | None:
    if not request.user.is_authenticated or two_factor.is_verified(request.user):
        return None
    user = User.objects.get(pk=request.user.pk)
    user.backend = request.session["_auth_user_backend"]
    return user if user.is_staff and two_factor.is_set_up(user) else None
