"""Filters of the list of payments."""

import math
from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db import connection
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from payments import money
from payments.admin.filters import Choice, Chosen, Options, Range, Words
from payments.models import Dispute, Transition

# More than any shop charges in.
MOST_CURRENCIES = 60
# From one to the next in the index: one look into it for each, and none at the payments between.
CURRENCIES = """
WITH RECURSIVE walk AS (
    (SELECT currency FROM payments_payment ORDER BY currency LIMIT 1)
    UNION ALL
    SELECT (SELECT currency FROM payments_payment WHERE currency > walk.currency ORDER BY currency LIMIT 1)
    FROM walk WHERE currency IS NOT NULL
)
SELECT currency FROM walk WHERE currency IS NOT NULL LIMIT %s
"""

Named = Sequence[tuple[str, Words]]

STATUSES: Named = (
    ("pending", gettext_lazy("pending")),
    ("success", gettext_lazy("success")),
    ("failed", gettext_lazy("failed")),
)
FAULTS: Named = (
    ("customer", gettext_lazy("the customer's")),
    ("issuer", gettext_lazy("the bank's")),
    ("us", gettext_lazy("ours")),
    ("stripe", gettext_lazy("Stripe's")),
)
KINDS: Named = (
    ("soft", gettext_lazy("may pass: worth another try")),
    ("hard", gettext_lazy("for good: another card is needed")),
    ("action", gettext_lazy("the customer must authenticate")),
)
# Longer than that, and somebody asks what is going on.
WAITS = (("10m", gettext_lazy("over 10 minutes"), timedelta(minutes=10)),
         ("1h", gettext_lazy("over an hour"), timedelta(hours=1)),
         ("1d", gettext_lazy("over a day"), timedelta(days=1)))  # fmt: skip


class Status(Chosen):
    """What has become of it."""

    title = gettext_lazy("status")
    parameter_name = column = "status"
    values = STATUSES


class Fault(Chosen):
    """Whose fault a failure is. Only of what has failed, so that an impossible wish is seen to be one at once."""

    title = gettext_lazy("fault")
    parameter_name = column = "fault"
    values = FAULTS

    def conditions(self, request: HttpRequest) -> Options:
        """With the status, which narrows it down for the database."""
        return [(value, text, condition & Q(status="failed")) for value, text, condition in super().conditions(request)]


class FailureKind(Fault):
    """What helps against a failure."""

    title = gettext_lazy("kind of failure")
    parameter_name = column = "kind"
    values = KINDS


class Currency(Choice):
    """Those that there are."""

    title = gettext_lazy("currency")
    parameter_name = "currency"

    def conditions(self, request: HttpRequest) -> Options:
        """As of now, and asked for once."""
        if not hasattr(self, "_found"):
            self._found = [(one, one, Q(currency=one)) for one in currencies()]
        return self._found


class Waiting(Choice):
    """Pending for longer than it should. Since it was accepted, or since it was last tried again."""

    title = gettext_lazy("pending")
    parameter_name = "waiting"

    def conditions(self, request: HttpRequest) -> Options:
        """As of now."""
        return [(value, text, pending_since_before(timezone.now() - wait)) for value, text, wait in WAITS]


class Settled(Choice):
    """When it succeeded or failed, by the days of who looks."""

    title = gettext_lazy("settled")
    parameter_name = "settled"

    def conditions(self, request: HttpRequest) -> Options:
        """As of now."""
        today = midnight(timezone.localdate())
        yesterday = midnight(timezone.localdate() - timedelta(days=1))
        week = midnight(timezone.localdate() - timedelta(days=6))
        return [
            ("today", gettext_lazy("today"), _settled(settled_at__gte=today)),
            ("yesterday", gettext_lazy("yesterday"), _settled(settled_at__gte=yesterday, settled_at__lt=today)),
            ("week", gettext_lazy("in the last 7 days"), _settled(settled_at__gte=week)),
        ]


class Disputed(Choice):
    """What the customer's bank says."""

    title = gettext_lazy("disputed")
    parameter_name = "disputed"
    options = (
        ("yes", gettext_lazy("yes, now or before"), Q(disputed_at__isnull=False)),
        (
            "open",
            gettext_lazy("open now"),
            Q(disputed_at__isnull=False)
            & Q(Exists(Dispute.objects.filter(payment=OuterRef("pk"), ended_at__isnull=True))),
        ),
        ("no", gettext_lazy("no"), Q(disputed_at__isnull=True)),
    )


class Refunded(Choice):
    """What went back."""

    title = gettext_lazy("refunded")
    parameter_name = "refunded"

    def conditions(self, request: HttpRequest) -> Options:
        """In full, in part, or not."""
        return [
            ("yes", gettext_lazy("yes"), Q(refunded__gt=0)),
            ("full", gettext_lazy("in full"), Q(refunded__gt=0, refunded=F("amount"))),
            ("part", gettext_lazy("in part"), Q(refunded__gt=0, refunded__lt=F("amount"))),
            ("no", gettext_lazy("no"), Q(refunded=0)),
        ]


class Made(Range):
    """The days between which the event was written, both included, by the days of who looks."""

    title = gettext_lazy("date")
    parameter_name = "made"
    input_type = "date"

    def between(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """By the time of the record."""
        first, last = self.read(forms.DateField(required=False))
        if first:
            queryset = queryset.filter(created_at__gte=midnight(first))
        if last:
            queryset = queryset.filter(created_at__lt=midnight(last + timedelta(days=1)))
        return queryset


class Amount(Range):
    """In major units, as people say it: 48000 is 48 000 KZT and 48 000 JPY."""

    title = gettext_lazy("amount")
    parameter_name = "amount"
    input_type = "text"

    def between(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """In the minor units of each currency; where one is chosen, of that one alone."""
        field = forms.DecimalField(required=False, min_value=0, max_digits=15)
        least, most = self.read(field)
        if least is not None and most is not None and least > most:
            raise ValidationError(_("the first must not be greater than the second"))
        chosen = request.GET.get("currency")
        groups = _by_decimals([chosen] if chosen else currencies())
        if least is not None and least == most:
            return queryset.filter(_exactly(least, groups))
        condition = Q()
        for places, among in groups.items():
            condition |= Q(currency__in=among) & _bounds(least, most, places)
        return queryset.filter(condition) if condition else queryset.none()


def currencies() -> list[str]:
    """The currencies of the payments that there are, in order."""
    with connection.cursor() as cursor:
        cursor.execute(CURRENCIES, [MOST_CURRENCIES])
        return [currency for (currency,) in cursor.fetchall()]


def midnight(day: Any) -> datetime:
    """When this day begins where the person is who looks."""
    return timezone.make_aware(datetime.combine(day, time.min)).astimezone(UTC)


def pending_since_before(moment: datetime) -> Q:
    """Pending, and nobody has asked for it again since then."""
    asked_again = Transition.objects.filter(
        payment=OuterRef("pk"), from_status="failed", to_status="pending", at__gt=moment
    )
    return Q(status="pending", accepted_at__lte=moment) & ~Q(Exists(asked_again))


def _settled(**when: datetime) -> Q:
    """Said apart for successes and failures, as each have an index of their own by this time."""
    return Q(status="success", **when) | Q(status="failed", **when)


def _by_decimals(among: Sequence[str]) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    for currency in among:
        found.setdefault(money.decimals(currency), []).append(currency)
    return found


def _exactly(price: Decimal, groups: dict[int, list[str]]) -> Q:
    """In a form that an index answers alone, and by which the number of rows is known: ranges that are joined by "or"
    are neither."""
    amounts, condition = [], Q()
    for places, among in groups.items():
        amount = price.scaleb(places)
        if amount == int(amount):
            amounts.append(int(amount))
            condition &= ~Q(amount=int(amount)) | Q(currency__in=among)
    return Q(amount__in=amounts) & condition


def _bounds(least: Decimal | None, most: Decimal | None, places: int) -> Q:
    condition = Q()
    if least is not None:
        condition &= Q(amount__gte=math.ceil(least.scaleb(places)))
    if most is not None:
        condition &= Q(amount__lte=math.floor(most.scaleb(places)))
    return condition
