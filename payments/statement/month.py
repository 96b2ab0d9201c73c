"""Months, which are those of UTC: what belongs to one is the same wherever the reader sits."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime


class NoMonth(ValueError):
    """Not a month; the text says what one looks like."""


@dataclass(frozen=True, kw_only=True)
class Month:
    """`from_at` inclusive, `end_at` exclusive."""

    first: date

    @property
    def from_at(self) -> datetime:
        """Its first moment."""
        return datetime(self.first.year, self.first.month, 1, tzinfo=UTC)

    @property
    def end_at(self) -> datetime:
        """The first moment of the next one."""
        return self.after().from_at

    def after(self) -> "Month":
        """The next one."""
        return Month(first=date(self.first.year + self.first.month // 12, self.first.month % 12 + 1, 1))

    def before(self) -> "Month":
        """The last one."""
        return Month(first=date(self.first.year - (self.first.month == 1), (self.first.month - 2) % 12 + 1, 1))

    def __str__(self) -> str:
        return f"{self.first:%Y-%m}"


def month_of(at: datetime) -> Month:
    """The month that a moment is in."""
    return Month(first=at.astimezone(UTC).date().replace(day=1))


def read_month(text: str) -> Month:
    """`2026-10`. Raises `NoMonth`."""
    # The earliest is Stripe's own first year: years far off are mistakes.
    if not (match := re.fullmatch(r"(20[1-9]\d)-(0[1-9]|1[0-2])", text, re.ASCII)):
        raise NoMonth("must be a month like 2026-10")
    return Month(first=date(int(match[1]), int(match[2]), 1))
