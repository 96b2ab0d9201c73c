"""Times for people: in the zone of whoever looks, with UTC beside it."""

from datetime import UTC, datetime

from django.utils import timezone


def both_zones(at: datetime) -> str:
    """`31 Jan 2026 17:00 (12:00 UTC)`; in UTC alone where that is the zone."""
    here, there = timezone.localtime(at), at.astimezone(UTC)
    text = f"{here.day} {here:%b %Y %H:%M}"
    if here.utcoffset() == there.utcoffset():
        return f"{text} UTC"
    beside = f"{there:%H:%M}" if here.date() == there.date() else f"{there.day} {there:%b} {there:%H:%M}"
    return f"{text} ({beside} UTC)"
