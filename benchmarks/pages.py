"""The pages of the admin that are measured: what staff search for, filter by and open."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from payments.admin.lists import ListPage
from payments.admin.paging import COUNTED
from payments.admin.saved_views import SAVED_VIEWS
from payments.metrics import Period
from payments.models import Attempt, Payment

LIST = "/admin/payments/payment/"


@dataclass(frozen=True, kw_only=True)
class Page:
    """One page of the admin by several addresses, so that no answer is only fast because it was just given.
    `streamed`: only the first rows of it are waited for. `goal_ms`: how long it may take, at the median."""

    group: str
    name: str
    urls: tuple[str, ...]
    streamed: bool = False
    goal_ms: int = 200


def pages(*, repeats: int, now: datetime, seed: int) -> Iterator[Page]:
    """All that is measured, in the order of the report."""
    chance = random.Random(seed)  # noqa: S311 - which rows are looked up, no more
    some = _some(repeats, chance)
    yield from _searches(some)
    for group, name, filters in (*_filters(now), *_combinations(now)):
        yield Page(group=group, name=name, urls=(_listed(**filters),) * repeats)
    for view in SAVED_VIEWS:
        yield Page(group="saved view", name=view.key, urls=(view.url,) * repeats)
    for period in Period:
        yield Page(
            group="front page", name=period.value, urls=(f"/admin/?period={period.value}",) * repeats, goal_ms=300
        )
    for number in sorted({min(number, _last_page()) for number in (1, 100, 400)}):
        yield Page(group="page", name=f"page {number}", urls=(_listed(p=number),) * repeats)
    yield Page(group="page", name="oldest first", urls=(_listed(o=2),) * repeats)
    yield Page(group="page", name="one payment", urls=tuple(f"{LIST}{one.id}/change/" for one in some))
    for model in ("refund", "dispute", "inboxmessage", "outboxmessage", "webhook", "break"):
        yield Page(group="other list", name=model, urls=(f"/admin/payments/{model}/",) * repeats)
    yield from _exports(repeats)


def _last_page() -> int:
    """Of the list: beyond what it counts there is none."""
    return -(-min(Payment.objects.count(), COUNTED) // ListPage.list_per_page)


def _some(repeats: int, chance: random.Random) -> list[Payment]:
    """Payments from all over the table, settled and with an address."""
    rows = Payment.objects.exclude(status="pending").exclude(email="")
    last = Payment.objects.count()
    return [rows.order_by("created_at")[chance.randrange(last // 2)] for _ in range(repeats)]


def _searches(some: list[Payment]) -> Iterator[Page]:
    cards = [Attempt.objects.filter(payment=one).exclude(last4="").latest("number").last4 for one in some]
    words: dict[str, list[Any]] = {
        "payment id": [str(one.id) for one in some],
        "pi_…": [one.intent_id for one in some],
        "e-mail": [one.email.upper() for one in some],
        "subscription": [one.subscription_id for one in some],
        "user": [one.user_id for one in some],
        "last four digits": cards,
        "nothing like it": [f"sub_nobody_{one.id}" for one in some],
    }
    for name, asked in words.items():
        yield Page(group="search", name=name, urls=tuple(_listed(q=word) for word in asked))
    urls = tuple(_listed(q=last4, status="failed", currency="KZT") for last4 in cards)
    yield Page(group="search", name="last four digits, failed, KZT", urls=urls)


def _filters(now: datetime) -> Iterator[tuple[str, str, dict[str, object]]]:
    for name, values in {
        "status": ("pending", "success", "failed"),
        "fault": ("customer", "issuer", "us", "stripe"),
        "kind": ("soft", "hard", "action"),
        "currency": ("KZT", "RUB", "JPY"),
        "settled": ("today", "yesterday", "week"),
        "waiting": ("10m", "1d"),
        "look": ("yes", "no"),
        "disputed": ("yes", "open", "no"),
        "refunded": ("yes", "full", "part", "no"),
    }.items():
        for value in values:
            yield "filter", f"{name}={value}", {name: value}
    yield "filter", "amount 990–990", {"amount_from": 990, "amount_to": 990}
    yield "filter", "amount 7000–7010", {"amount_from": 7000, "amount_to": 7010}
    yield "filter", "amount over 1", {"amount_from": 1}
    for name, days, length in (("a day", 45, 0), ("the first week", 90, 7), ("all 90 days", 90, 91)):
        first = (now - timedelta(days=days)).date()
        yield "filter", name, {"made_from": first, "made_to": first + timedelta(days=length)}


def _combinations(now: datetime) -> Iterator[tuple[str, str, dict[str, object]]]:
    day = (now - timedelta(days=60)).date()
    combinations: tuple[dict[str, object], ...] = (
        {"status": "failed", "currency": "USD", "made_from": day, "made_to": day + timedelta(days=1)},
        {"status": "failed", "kind": "hard", "currency": "JPY"},
        {"status": "success", "kind": "soft"},  # there are none: a wrong plan would read the whole table for it
        {"status": "failed", "fault": "us", "amount_from": 48_000, "amount_to": 49_000},
        {"status": "success", "refunded": "full", "currency": "KWD"},
        {"look": "yes", "currency": "RUB", "status": "success"},
        {"disputed": "open", "currency": "EUR", "amount_from": 100, "amount_to": 200},
        {"currency": "KWD", "amount_from": 990, "amount_to": 990, "status": "failed"},
        {"status": "failed", "settled": "week", "kind": "action", "refunded": "no", "disputed": "no"},
    )
    for filters in combinations:
        yield "combination", " ".join(f"{name}={value}" for name, value in filters.items()), dict(filters)


def _exports(repeats: int) -> Iterator[Page]:
    for name, filters in (("all payments", {}), ("failed", {"status": "failed"}), ("JPY", {"currency": "JPY"})):
        url = f"{LIST}export/?{urlencode(filters)}"
        yield Page(group="export, first rows", name=name, urls=(url,) * repeats, streamed=True)
    yield Page(
        group="export, first rows", name="refunds", urls=("/admin/payments/refund/export/",) * repeats, streamed=True
    )


def _listed(**query: object) -> str:
    return f"{LIST}?{urlencode(query)}"
