"""Addresses of lists, narrowed down to what a number on the dashboard counts."""

from datetime import UTC, datetime
from urllib.parse import urlencode

from django.urls import reverse


def list_of(model: str, **lookups: str | int | datetime | None) -> str:
    """The list of a model of ours; lookups as Django's admin takes them, those that are None left out."""
    asked = {name: _text(value) for name, value in lookups.items() if value is not None}
    address = reverse(f"admin:payments_{model}_changelist")
    return f"{address}?{urlencode(asked)}" if asked else address


def _text(value: str | int | datetime) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S+00:00")
    return str(value)
