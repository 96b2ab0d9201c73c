"""The front page: how payments go, what waits for a person, and how the machinery is; each number leads to its list."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _

from payments import declines, metrics, money
from payments.admin import machinery_words
from payments.admin.cards import Card, open_cards
from payments.admin.charts import Chart, Column, Part, draw, share
from payments.admin.places import list_of
from payments.admin.times import both_zones
from payments.metrics import Bar, OverTime, Period

# Charts of more currencies than that would push the rest off the page; the table has all.
CURRENCIES_DRAWN = 3
REASONS_SHOWN = 10
# The count is made every few seconds; when it is older, nobody makes it.
STALE_AFTER = timedelta(seconds=60)


@dataclass(frozen=True, kw_only=True)
class Reason:
    """Why payments were declined: the code, what customers read, how many, and how long its bar is."""

    code: str
    text: str
    fault: str
    payments: str
    width: str
    link: str


def fill(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """What the template shows; without numbers for whoever may not see payments."""
    context["title"] = _("Dashboard")
    if not request.user.has_perm("payments.view_payment"):
        return context
    now = datetime.now(UTC)
    period = _asked(request)
    over = metrics.look_back(period=period, now=now, zone=timezone.get_current_timezone())
    context |= {
        "dashboard": True,
        "periods": [(one.value, _short_name(one), one is period) for one in Period],
        "period_name": _period_name(period),
        "counted_at": over.counted_at,
        "counted": both_zones(over.counted_at) if over.counted_at else "",
        "stale": over.counted_at is not None and over.counted_at < now - STALE_AFTER,
        "empty": not any(bar.total for bar in over.bars),
        "over": _cards(over),
        "chart": _payments_chart(over),
        "volumes": _volume_charts(over),
        "currencies": _currencies(over),
        "reasons": _reasons(over),
        "more_reasons": max(0, len(over.declines) - REASONS_SHOWN),
        "open": open_cards(now=now),
        **machinery_words.describe(metrics.look_at_machinery(now=now), now=now),
    }
    return context


def _whole(value: int) -> str:
    return f"{value:,}".replace(",", "\N{NO-BREAK SPACE}")


def _asked(request: HttpRequest) -> Period:
    try:
        return Period(request.GET.get("period", "day"))
    except ValueError:
        return Period.DAY


def _short_name(period: Period) -> str:
    return {
        Period.HOUR: _("Hour"),
        Period.DAY: _("Day"),
        Period.WEEK: _("Week"),
        Period.MONTH: _("Month"),
    }[period]


def _period_name(period: Period) -> str:
    return {
        Period.HOUR: _("Last hour"),
        Period.DAY: _("Last 24 hours"),
        Period.WEEK: _("Last 7 days"),
        Period.MONTH: _("Last 30 days"),
    }[period]


def _payments(since: datetime, **lookups: Any) -> str:
    return list_of("payment", created_at__gte=since, **lookups)


def _cards(over: OverTime) -> list[Card]:
    paid, failed, pending = (over.count(status) for status in ("success", "failed", "pending"))
    rate, known = over.success_rate, {"paid": _whole(paid), "known": _whole(paid + failed)}
    amounts = " · ".join(
        money.for_people(volume.amount["success"], currency=volume.currency)
        for volume in over.volumes
        if volume.amount["success"]
    )
    since = over.since
    return [
        Card(
            label=_("Success rate"), value="–" if rate is None else f"{100 * rate:.1f}\N{NO-BREAK SPACE}%",
            note=_("%(paid)s of %(known)s with a known outcome") % known,
            link=_payments(since, status__in="success,failed"), tone="empty" if rate is None else "",
        ),
        Card(label=_("Paid"), value=_whole(paid), note=amounts, tone="good" if paid else "empty",
             link=_payments(since, status__exact="success")),
        Card(label=_("Not paid"), value=_whole(failed), note=_("declined, or refused for another reason"),
             tone="bad" if failed else "empty", link=_payments(since, status__exact="failed")),
        Card(label=_("Pending"), value=_whole(pending), note=_("under way, or not known yet"),
             tone="wait" if pending else "empty", link=_payments(since, status__exact="pending")),
    ]  # fmt: skip


def _legend() -> list[tuple[str, str]]:
    return [("success", _("paid")), ("failed", _("not paid")), ("pending", _("pending"))]


def _span(bar: Bar, period: Period) -> tuple[str, str]:
    """The label of its axis, and all of it."""
    since, until = timezone.localtime(bar.since), timezone.localtime(bar.until)
    if period in (Period.HOUR, Period.DAY):
        return f"{since:%H:%M}", f"{since:%d.%m. %H:%M}\N{EN DASH}{until:%H:%M}"
    return f"{since:%d.%m.}", f"{since:%d.%m.%Y}"


def _payments_chart(over: OverTime) -> Chart:
    columns = []
    for bar in over.bars:
        label, span = _span(bar, over.period)
        here = {"created_at__lt": bar.until}
        parts = [
            Part(name=name, value=bar.payments[name], text=_whole(bar.payments[name]),
                 link=_payments(bar.since, status__exact=name, **here))
            for name, _text in _legend()
        ]  # fmt: skip
        link = _payments(bar.since, **here)
        columns.append(Column(label=label, span=span, link=link, total=_whole(bar.total), parts=parts))
    highest = max(over.bars, key=lambda bar: bar.total)
    summary = _("Most payments: %(number)s, %(when)s.") % {
        "number": _whole(highest.total), "when": _span(highest, over.period)[1],
    }  # fmt: skip
    return draw(title=_("Payments"), summary=summary, most=_whole(highest.total), legend=_legend(), columns=columns)


def _volume_charts(over: OverTime) -> list[Chart]:
    return [
        _volume_chart(over, volume.currency) for volume in over.volumes[:CURRENCIES_DRAWN] if volume.amount["success"]
    ]


def _volume_chart(over: OverTime, currency: str) -> Chart:
    columns = []
    for bar in over.bars:
        label, span = _span(bar, over.period)
        text = money.for_people(bar.paid[currency], currency=currency)
        link = _payments(bar.since, created_at__lt=bar.until, status__exact="success", currency__exact=currency)
        part = Part(name="success", value=bar.paid[currency], text=text, link=link)
        columns.append(Column(label=label, span=span, link=link, total=text, parts=[part]))
    most = money.for_people(max(bar.paid[currency] for bar in over.bars), currency=currency)
    total = money.for_people(sum(bar.paid[currency] for bar in over.bars), currency=currency)
    return draw(
        title=_("Paid in %(currency)s") % {"currency": currency}, summary=_("%(total)s in all.") % {"total": total},
        most=most, legend=[], columns=columns,
    )  # fmt: skip


def _currencies(over: OverTime) -> list[dict[str, str]]:
    return [
        {
            "currency": volume.currency,
            "paid": money.for_people(volume.amount["success"], currency=volume.currency),
            "paid_link": _payments(over.since, status__exact="success", currency__exact=volume.currency),
            "failed": money.for_people(volume.amount["failed"], currency=volume.currency),
            "failed_link": _payments(over.since, status__exact="failed", currency__exact=volume.currency),
            "payments": _whole(sum(volume.payments.values())),
            "payments_link": _payments(over.since, currency__exact=volume.currency),
        }
        for volume in over.volumes
    ]


def _reasons(over: OverTime) -> list[Reason]:
    most = max((decline.payments for decline in over.declines), default=0)
    faults = {
        "customer": _("the customer's card or account"),
        "issuer": _("the customer's bank"),
        "us": _("our own fault"),
        "stripe": _("Stripe"),
    }
    return [
        Reason(
            code=decline.code, text=declines.BY_CODE[decline.code].text if decline.code in declines.BY_CODE else "",
            fault=faults.get(decline.fault, decline.fault), payments=_whole(decline.payments),
            width=share(value=decline.payments, of=most),
            link=_payments(over.since, status__exact="failed", code__exact=decline.code, fault__exact=decline.fault),
        )
        for decline in over.declines[:REASONS_SHOWN]
    ]  # fmt: skip
