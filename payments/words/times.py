"""Times for people: in the reader's own zone, with UTC beside, as logs and Stripe speak UTC."""

from datetime import UTC, datetime, timedelta

from django.utils import timezone
from django.utils.translation import gettext, ngettext

_DAY = "%Y-%m-%d"
_SECONDS = "%H:%M:%S"


def both_zones(at: datetime) -> str:
    """`2026-01-31 17:00:05 (12:00:05 UTC)`; to readers in UTC `2026-01-31 12:00:05 UTC`.

    The reader's zone is Django's current one; the date stands in the brackets, too, where it is another one there.
    """
    there, here = at.astimezone(UTC), timezone.localtime(at)
    if here.utcoffset() == timedelta():
        return f"{there:{_DAY} {_SECONDS}} UTC"
    in_utc = f"{there:{_SECONDS}}" if there.date() == here.date() else f"{there:{_DAY} {_SECONDS}}"
    return f"{here:{_DAY} {_SECONDS}} ({in_utc} UTC)"


def from_now(at: datetime, *, now: datetime) -> str:
    """`in 3 days`, `in 2 hours`, `5 minutes ago`: the largest unit, rounded down."""
    ahead = at >= now
    seconds = int(abs(at - now).total_seconds())
    if seconds < 60:
        return gettext("in less than a minute") if ahead else gettext("just now")
    if seconds < 3600:
        count = seconds // 60
        text = (
            ngettext("in %(count)d minute", "in %(count)d minutes", count)
            if ahead
            else ngettext("%(count)d minute ago", "%(count)d minutes ago", count)
        )
    elif seconds < 86_400:
        count = seconds // 3600
        text = (
            ngettext("in %(count)d hour", "in %(count)d hours", count)
            if ahead
            else ngettext("%(count)d hour ago", "%(count)d hours ago", count)
        )
    else:
        count = seconds // 86_400
        text = (
            ngettext("in %(count)d day", "in %(count)d days", count)
            if ahead
            else ngettext("%(count)d day ago", "%(count)d days ago", count)
        )
    return text % {"count": count}
