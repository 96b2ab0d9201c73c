"""Moments as an operator types them."""

import re
from argparse import ArgumentTypeError
from datetime import UTC, datetime, timedelta

from django.utils.dateparse import parse_date, parse_datetime

_UNITS = {"m": "minutes", "h": "hours", "d": "days"}


def read_moment(text: str) -> datetime:
    """`2h` ago, or a date, or a date and time (UTC unless it says otherwise)."""
    if match := re.fullmatch(r"(\d+)([mhd])", text):
        return datetime.now(UTC) - timedelta(**{_UNITS[match[2]]: int(match[1])})
    try:
        moment = parse_datetime(text)
        day = parse_date(text)
    except ValueError as error:
        raise ArgumentTypeError(str(error)) from None
    if moment is None and day is None:
        raise ArgumentTypeError("must be like 30m, 2h, 7d, 2026-01-31 or 2026-01-31T12:00")
    found = moment or datetime.combine(day or datetime.now(UTC).date(), datetime.min.time())
    return found if found.tzinfo else found.replace(tzinfo=UTC)
