"""Lock-out: who fails too often to log in has to wait, by user name and address (django-axes counts).

What strangers type as a user name may be somebody's password, put into the wrong field: it is counted by a keyed
hash, and neither stored nor logged.
"""

import ipaddress
import math
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog
from axes.backends import AxesStandaloneBackend
from axes.handlers.proxy import AxesProxyHandler
from axes.models import AccessAttempt
from django.conf import settings
from django.contrib import admin
from django.contrib.auth.models import User
from django.contrib.auth.signals import user_login_failed
from django.db import transaction
from django.db.models import Max, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.crypto import salted_hmac

from payments import staff_log

log = structlog.get_logger(__name__)

TOO_MANY = 429
UNKNOWN = "unknown"


class Backend(AxesStandaloneBackend):
    """Refuses who is locked out, before a password is looked at. Where no request is, nobody is at a form."""

    def authenticate(self, request: HttpRequest | None, *args: Any, **credentials: Any) -> None:
        """None: the next backend decides. Raises PermissionDenied: it doesn't."""
        if request is not None:
            super().authenticate(request, *args, **credentials)


def counted_as(request: HttpRequest | None, credentials: dict[str, Any] | None = None) -> str:
    """What stands in the counter for a user name (`AXES_USERNAME_CALLABLE`)."""
    typed = (credentials or {}).get("username")
    if typed is None and request is not None:
        typed = request.POST.get("username")
    return salted_hmac("billing_project.access.lock_out", str(typed or "").strip().casefold()).hexdigest()


def address_of(request: HttpRequest) -> str | None:
    """The client's address (`AXES_CLIENT_IP_CALLABLE`): behind so many proxies as TRUSTED_PROXIES says, each of which
    has added whom it was asked by. What stands further left could have been written by anybody."""
    chain = [part.strip() for part in request.headers.get("X-Forwarded-For", "").split(",") if part.strip()]
    proxies = settings.TRUSTED_PROXIES
    found = chain[-proxies] if 0 < proxies <= len(chain) else request.META.get("REMOTE_ADDR", "")
    try:
        return str(ipaddress.ip_address(found))
    except ValueError:
        return None


def is_locked(request: HttpRequest, *, username: str) -> bool:
    """Whether logging in under this name, from there, has to wait."""
    return not AxesProxyHandler.is_allowed(request, {"username": username})


def count_failure(request: HttpRequest, *, username: str) -> None:
    """A code was wrong: it counts as a wrong password does, which Django counts by itself."""
    user_login_failed.send(sender=__name__, credentials={"username": username}, request=request)


def has_failed(*, username: str) -> bool:
    """Whether there is anything to forget."""
    return _attempts_of(username).exists()


def forget(*, username: str, who: str) -> bool:
    """Unlock, and note that `who` did; False if there was nothing to forget."""
    with transaction.atomic():
        removed, _ = _attempts_of(username).delete()
        if removed:
            details = {"action": "failed logins forgotten", "user": _known(username)}
            staff_log.note(who=who, what="acted", details=details, now=datetime.now(UTC))
    return bool(removed)


def answer(request: HttpRequest, original: HttpResponse | None, credentials: dict[str, Any] | None) -> HttpResponse:
    """The page for who is locked out (`AXES_LOCKOUT_CALLABLE`): until when, and what to do."""
    now = datetime.now(UTC)
    attempts = AccessAttempt.objects.filter(username=counted_as(request, credentials), ip_address=address_of(request))
    last = attempts.aggregate(last=Max("attempt_time"))["last"] or now
    until = last + settings.AXES_COOLOFF_TIME
    # Set by the failure that locked, and by none of those after it.
    if getattr(request, "axes_failures_since_start", None):
        _note(request, credentials, until=until, now=now)
    context = {**admin.site.each_context(request), "until": until, "minutes": _minutes(until - now)}
    page = render(request, "access/locked.html", context, status=TOO_MANY)
    page["Retry-After"] = str(max(1, math.ceil((until - now).total_seconds())))
    return page


def _note(request: HttpRequest, credentials: dict[str, Any] | None, *, until: datetime, now: datetime) -> None:
    typed = str((credentials or {}).get("username") or "")
    who = f"staff: {_known(typed)}"
    log.warning("login locked after failures", who=who, seconds=round((until - now).total_seconds()))
    staff_log.note(
        who=who,
        what="locked_out",
        details={"address": address_of(request), "until": until.isoformat(timespec="seconds")},
        now=now,
    )


def _known(typed: str) -> str:
    """The name of one of the staff; what else was typed may be a password, and is kept nowhere."""
    return typed if User.objects.filter(username=typed, is_staff=True).exists() else UNKNOWN


def _attempts_of(username: str) -> QuerySet[AccessAttempt]:
    found: QuerySet[AccessAttempt] = AccessAttempt.objects.filter(
        username=counted_as(None, {"username": username})
    )  # fmt: skip
    return found


def _minutes(span: timedelta) -> int:
    return max(1, math.ceil(span.total_seconds() / 60))
