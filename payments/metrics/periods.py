"""An hour, a day, a week or a month: what came in then, and what has become of it by now.

By the record's time. The hour is counted where it stands; the others are read from the hourly counts.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, tzinfo
from enum import Enum
from typing import assert_never

from django.db.models import Count, DateTimeField, F, Func, QuerySet, Sum, Value
from django.db.models.functions import Trunc

from payments.models import CountedUntil, HourlyCount, Payment

FIVE_MINUTES = timedelta(minutes=5)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)

Kind = tuple[datetime, str, str, str, str, int, int]
"""Bar, currency, status, fault, code, payments, amount."""


class Period(Enum):
    """How far back; its value is what stands in the page's address."""

    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"


@dataclass(kw_only=True)
class Bar:
    """A stretch of time, `until` exclusive: payments by status, and what was paid by currency, in minor units."""

    since: datetime
    until: datetime
    payments: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    paid: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    @property
    def total(self) -> int:
        """Payments of any status."""
        return sum(self.payments.values())


@dataclass(kw_only=True)
class Volume:
    """One currency: payments and amounts in minor units, by status."""

    currency: str
    payments: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    amount: dict[str, int] = field(default_factory=lambda: defaultdict(int))


@dataclass(kw_only=True)
class Decline:
    """A code with which payments have failed, and whose fault that is."""

    code: str
    fault: str
    payments: int = 0


@dataclass(frozen=True, kw_only=True)
class OverTime:
    """What a period comes to. `counted_at`: as of when; None: nothing was counted yet."""

    period: Period
    since: datetime
    counted_at: datetime | None
    bars: list[Bar]
    volumes: list[Volume]
    declines: list[Decline]

    def count(self, status: str) -> int:
        """Payments that are in this status."""
        return sum(bar.payments[status] for bar in self.bars)

    @property
    def success_rate(self) -> float | None:
        """Of the payments whose outcome is known, the share that was paid; None where none is known."""
        paid, failed = self.count("success"), self.count("failed")
        return paid / (paid + failed) if paid + failed else None


def look_back(*, period: Period, now: datetime, zone: tzinfo) -> OverTime:
    """The period that ends now; days are those of `zone`."""
    bars = _empty_bars(period, now, zone)
    since = bars[0].since
    if period is Period.HOUR:
        kinds: Iterable[Kind] = _from_payments(since)
        counted_at: datetime | None = now
    else:
        kinds = _from_hours(since, zone if period is not Period.DAY else None)
        counted_at = CountedUntil.objects.values_list("counted_at", flat=True).first()
    volumes, declines = _add_up(kinds, bars)
    return OverTime(
        period=period, since=since, counted_at=counted_at, bars=bars,
        volumes=sorted(volumes.values(), key=lambda one: (-sum(one.payments.values()), one.currency)),
        declines=sorted(declines.values(), key=lambda one: (-one.payments, one.code)),
    )  # fmt: skip


def _empty_bars(period: Period, now: datetime, zone: tzinfo) -> list[Bar]:
    """Of five minutes, an hour or a day; the last one is under way."""
    match period:
        case Period.HOUR:
            step, last = FIVE_MINUTES, _floor(now, FIVE_MINUTES)
            starts = [last - step * back for back in reversed(range(12))]
        case Period.DAY:
            step, last = HOUR, _floor(now, HOUR)
            starts = [last - step * back for back in reversed(range(24))]
        case Period.WEEK | Period.MONTH:
            days = 7 if period is Period.WEEK else 30
            today = now.astimezone(zone).date()
            # By the calendar: a day on which clocks change has 23 or 25 hours.
            starts = [_midnight(today - DAY * back, zone) for back in reversed(range(days))]
            return [
                Bar(since=start, until=until)
                for start, until in zip(starts, [*starts[1:], _midnight(today + DAY, zone)], strict=True)
            ]
        case _:
            assert_never(period)
    return [Bar(since=start, until=start + step) for start in starts]


def _floor(at: datetime, step: timedelta) -> datetime:
    seconds = int(at.timestamp())
    return datetime.fromtimestamp(seconds - seconds % int(step.total_seconds()), at.tzinfo)


def _midnight(day: date, zone: tzinfo) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=zone)


def _from_payments(since: datetime) -> Iterable[Kind]:
    grid = Func(Value(FIVE_MINUTES), F("created_at"), Value(since), function="date_bin", output_field=DateTimeField())
    found: QuerySet[Payment] = Payment.objects.filter(created_at__gte=since).order_by()
    return (
        found.annotate(bar=grid).values("bar", "currency", "status", "fault", "code")
        .annotate(payments=Count("*"), worth=Sum("amount"))
        .values_list("bar", "currency", "status", "fault", "code", "payments", "worth")
    )  # fmt: skip


def _from_hours(since: datetime, zone: tzinfo | None) -> Iterable[Kind]:
    """By hour, or by day of a zone."""
    bar: Trunc | F = Trunc("hour", "day", tzinfo=zone) if zone else F("hour")
    return (
        HourlyCount.objects.filter(hour__gte=since).order_by().annotate(bar=bar)
        .values("bar", "currency", "status", "fault", "code")
        .annotate(number=Sum("payments"), worth=Sum("amount"))
        .values_list("bar", "currency", "status", "fault", "code", "number", "worth")
    )  # fmt: skip


def _add_up(kinds: Iterable[Kind], bars: list[Bar]) -> tuple[dict[str, Volume], dict[tuple[str, str], Decline]]:
    by_start = {bar.since: bar for bar in bars}
    volumes: dict[str, Volume] = {}
    declines: dict[tuple[str, str], Decline] = {}
    for start, currency, status, fault, code, payments, amount in kinds:
        # A record's time is capped at receipt, so nothing lies after the last bar.
        bar = by_start.get(start, bars[-1])
        volume = volumes.setdefault(currency, Volume(currency=currency))
        bar.payments[status] += payments
        volume.payments[status] += payments
        volume.amount[status] += int(amount)
        if status == Payment.Status.SUCCESS:
            bar.paid[currency] += int(amount)
        if status == Payment.Status.FAILED:
            declines.setdefault((code, fault), Decline(code=code, fault=fault)).payments += payments
    return volumes, declines
