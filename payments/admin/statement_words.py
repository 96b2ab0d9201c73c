"""A statement's result in words and numbers for people, in their language."""

from datetime import datetime
from typing import Any

from django.urls import reverse
from django.utils.translation import gettext as _

from payments import money, statement
from payments.admin.times import both_zones


def describe(result: dict[str, Any]) -> dict[str, Any]:
    """What the template shows of it."""
    until, end = (datetime.fromisoformat(result[name]) for name in ("until", "asOf"))
    month = statement.read_month(result["month"])
    return {
        "as_of": both_zones(end),
        "so_far": both_zones(until) if until < month.end_at else "",
        "currencies": [_currency(one) for one in result["currencies"]],
        "others": [_settled(one) | {"category": one["category"], "lines": one["lines"]} for one in result["other"]],
        "balance": [_amount(one["net"], one["currency"]) for one in result["balance"]],
        "differences": [_difference(one) for one in result["differences"]],
        "difference_count": result["differenceCount"],
        "more_differences": result["differenceCount"] - len(result["differences"]),
    }


def _amount(minor: int, currency: str) -> str:
    return money.for_people(minor, currency=currency)


def _currency(one: dict[str, Any]) -> dict[str, Any]:
    """Of each column both sides, and whether they are the same."""
    currency = one["currency"]
    columns = [
        {
            "here": _amount(one[name]["here"], currency),
            "there": _amount(one[name]["there"], currency),
            "same": one[name]["here"] == one[name]["there"],
        }
        for name in statement.COLUMNS
    ]
    return {"currency": currency, "columns": columns, "settled": [_settled(of) for of in one["settled"]]}


def _settled(of: dict[str, Any]) -> dict[str, Any]:
    amounts = {name: _amount(of[name], of["currency"]) for name in ("gross", "fee", "net")}
    return {"settled_in": of["currency"], **amounts}


def _difference(one: dict[str, Any]) -> dict[str, Any]:
    sums = {
        name: _amount(said["amount"], said["currency"]) if (said := one[name]) else "–"
        for name in ("here", "there", "by")
    }
    return {
        "words": _words(one["why"]), "kind": _kind(one["kind"]), "at": both_zones(datetime.fromisoformat(one["at"])),
        "source": one["source"] or one["intent"], "payment": one["payment"],
        "link": reverse("admin:payments_payment_change", args=[one["payment"]]) if one["payment"] else "", **sums,
    }  # fmt: skip


def _words(why: str) -> str:
    return {
        "not_ours": _("Only at Stripe: made in its dashboard or by another program."),
        "not_here": _("Only at Stripe: it is about a payment of ours that doesn't know of it."),
        "not_so_here": _("Only at Stripe: by our rows it hasn't happened."),
        "no_line": _("Only here: Stripe's balance has no line of it."),
        "amount": _("Another amount."),
        "currency": _("Another currency."),
    }.get(why, why)


def _kind(kind: str) -> str:
    return {
        "charge": _("charge"),
        "refund": _("refund"),
        "refund_failure": _("refund that came back"),
        "dispute": _("dispute"),
        "dispute_reversal": _("dispute that was won"),
    }.get(kind, kind)
