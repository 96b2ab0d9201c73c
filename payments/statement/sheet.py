"""The CSV of a month: every line of Stripe's balance beside our row, and what is only here; nothing of a customer."""

from collections.abc import Iterator
from itertools import chain, islice
from typing import Any

from payments import money
from payments.models import BalanceLine, Statement
from payments.spreadsheet import BYTE_ORDER_MARK, as_lines
from payments.statement.compare import movements, other_lines
from payments.statement.month import Month
from payments.statement.movement import Movement, Sum, rate_text

TITLES = (
    "created_at", "kind", "difference", "why", "payment_id", "payment_intent", "source", "balance_transaction",
    "currency_here", "amount_here", "currency_stripe", "amount_stripe", "settled_in", "gross", "fee", "net",
    "exchange_rate",
)  # fmt: skip
ROWS_AT_ONCE = 1_000


def write_sheet(*, statement: Statement) -> Iterator[str]:
    """The file, part by part, its head at once. Amounts are in major units, times in UTC."""
    window: Any = {"from_at": Month(first=statement.month).from_at, "until_at": statement.until_at}
    yield BYTE_ORDER_MARK + as_lines([TITLES])
    rows = chain(
        map(_movement, movements(**window, account=statement.account_id)),
        map(_other, other_lines(**window).iterator(chunk_size=ROWS_AT_ONCE)),
    )
    while part := list(islice(rows, ROWS_AT_ONCE)):
        yield as_lines(part)


def _movement(one: Movement) -> list[Any]:
    what = [one.at, one.kind.value, one.difference.value, one.why.value, one.payment, one.intent, one.source]
    return [*what, one.line.line_id if one.line else "", *_sum(one.here), *_sum(one.there), *_settled(one.line)]


def _other(line: BalanceLine) -> list[Any]:
    what = [line.created_at, line.category, "", "", "", line.intent_id, line.source_id, line.line_id]
    return [*what, *_sum(None), *_sum(None), *_settled(line)]


def _sum(said: Sum | None) -> tuple[Any, Any]:
    if said is None:
        return "", ""
    return said.currency, money.to_price(said.amount, currency=said.currency, unit="major")


def _settled(line: BalanceLine | None) -> list[Any]:
    if line is None:
        return [""] * 5
    amounts = (money.to_price(one, currency=line.settled_in, unit="major") for one in (line.gross, line.fee, line.net))
    return [line.settled_in, *amounts, rate_text(line.exchange_rate)]
