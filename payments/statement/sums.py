"""What a month comes to: sums by currency on both sides, what it came to on the balance, and what differs.

JSON, as it is kept with the statement. Amounts are integers of minor units, each beside its currency.
"""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from payments.models import BalanceLine
from payments.statement.movement import Difference, Kind, Movement, Sum

# More are in the CSV; whoever has so many has one reason for them, and no need of a longer list.
DIFFERENCES_KEPT = 500

# What each movement adds to, and whether it takes it off again.
_COLUMNS = {
    Kind.CHARGE: ("charged", 1),
    Kind.REFUND: ("refunded", 1),
    Kind.REFUND_FAILURE: ("refunded", -1),
    Kind.DISPUTE: ("disputed", 1),
    Kind.DISPUTE_REVERSAL: ("disputed", -1),
}
COLUMNS = ("charged", "refunded", "disputed")


def add_up(
    movements: Iterable[Movement], others: Iterable[BalanceLine], *, month: str, from_at: datetime, until_at: datetime,
    now: datetime,
) -> dict[str, Any]:  # fmt: skip
    """The result of one pass over the month; of each currency the sums, in the order of their letters."""
    sums: Counter[tuple[str, str, str]] = Counter()
    settled: dict[tuple[str, str], Counter[str]] = {}
    rest: dict[tuple[str, str], Counter[str]] = {}
    differences: list[dict[str, Any]] = []
    count = 0
    for movement in movements:
        column, sign = _COLUMNS[movement.kind]
        for side, said in (("here", movement.here), ("there", movement.there)):
            if said:
                sums[said.currency, column, side] += sign * said.amount
        if movement.line and movement.there:
            _add(settled.setdefault((movement.there.currency, movement.line.settled_in), Counter()), movement.line)
        if movement.difference is not Difference.NONE:
            count += 1
            if count <= DIFFERENCES_KEPT:
                differences.append(_as_json(movement))
    for line in others:
        _add(rest.setdefault((line.category, line.settled_in), Counter()), line)
    return {
        "month": month, "from": from_at.isoformat(), "until": until_at.isoformat(), "asOf": now.isoformat(),
        "currencies": _currencies(sums, settled),
        "other": [{"category": what, "currency": one, **sums} for (what, one), sums in sorted(rest.items())],
        "balance": _balance(settled, rest), "differences": differences, "differenceCount": count,
    }  # fmt: skip


def _add(to: Counter[str], line: BalanceLine) -> None:
    to.update(lines=1, gross=line.gross, fee=line.fee, net=line.net)


def _currencies(
    sums: Counter[tuple[str, str, str]], settled: dict[tuple[str, str], Counter[str]]
) -> list[dict[str, Any]]:
    return [
        {
            "currency": currency,
            **{
                column: {side: sums[currency, column, side] for side in ("here", "there")} for column in COLUMNS
            },
            "settled": [{"currency": into, **of} for (one, into), of in sorted(settled.items()) if one == currency],
        }
        for currency in sorted({currency for currency, _, _ in sums})
    ]  # fmt: skip


def _balance(*groups: dict[tuple[str, str], Counter[str]]) -> list[dict[str, Any]]:
    """By how much all lines together have changed the balance."""
    net: Counter[str] = Counter()
    for group in groups:
        for (_, currency), of in group.items():
            net[currency] += of["net"]
    return [{"currency": currency, "net": net[currency]} for currency in sorted(net)]


def _as_json(movement: Movement) -> dict[str, Any]:
    return {
        "difference": movement.difference.value, "why": movement.why.value, "kind": movement.kind.value,
        "at": movement.at.isoformat(), "source": movement.source, "intent": movement.intent,
        "payment": str(movement.payment) if movement.payment else None,
        "here": _sum(movement.here), "there": _sum(movement.there), "by": _by(movement),
    }  # fmt: skip


def _sum(said: Sum | None) -> dict[str, Any] | None:
    return {"amount": said.amount, "currency": said.currency} if said else None


def _by(movement: Movement) -> dict[str, Any] | None:
    """What is here less what is there; None where that can't be said, as the currencies differ."""
    currencies = {said.currency for said in (movement.here, movement.there) if said}
    if len(currencies) != 1:
        return None
    here, there = (said.amount if said else 0 for said in (movement.here, movement.there))
    return {"amount": here - there, "currency": currencies.pop()}
