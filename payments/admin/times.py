"""Times as the agent reads them: in their browser's zone, with UTC beside.

`static/payments/zone.js` keeps the browser's zone in the cookie `zone`; a page without it speaks UTC alone.
"""

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from unfold.decorators import display

from payments.words import both_zones

__all__ = ["both_zones", "column", "use_zone"]

COOKIE = "zone"
# A cookie can say anything: a name like this never leaves the folder of zones.
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_+-]{0,31}(/[A-Za-z0-9_+-]{1,31}){0,2}", re.ASCII)


def use_zone(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Middleware: each request in the zone of who asks."""

    def in_zone(request: HttpRequest) -> HttpResponse:
        # None: the zone of the settings, whatever the request before on this thread had.
        with timezone.override(zone_of(request.COOKIES.get(COOKIE, ""))):
            return get_response(request)

    return in_zone


def zone_of(name: str) -> ZoneInfo | None:
    """A zone by its name, such as `Asia/Almaty`; None: there is none of that name."""
    if not _NAME.fullmatch(name):
        return None
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # not there, not a zone, a folder of zones
        return None


def column(field: str, description: Any) -> Callable[[Any], str]:
    """A time in both zones, for lists and pages of the admin."""

    @display(description=description, ordering=field)
    def shown(row: Any) -> str:
        at: datetime | None = getattr(row, field)
        return both_zones(at) if at else "–"

    return shown  # type: ignore[no-any-return]
