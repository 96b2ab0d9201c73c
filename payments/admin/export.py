"""CSV of a filtered list: as many rows as there are, in little memory, safe to open in a spreadsheet.

Must never happen: a cell that a spreadsheet takes for a formula, as customers choose some of the text in it; or
personal data for those who may not see it. Rows are read part by part, each where the last one ended, so that a slow
download holds no transaction open: rows that are written meanwhile may be in it or not.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Q, QuerySet

from payments import money
from payments.spreadsheet import BYTE_ORDER_MARK, as_lines

# Each part is one statement. The first is small: whoever waits sees that something comes.
FIRST_PART, PART = 100, 2_000


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column: what stands above it, from which fields of the row it is made, and how."""

    title: str
    fields: tuple[str, ...]
    make: Callable[..., Any] = field(default=lambda value: value)
    personal: bool = False


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """What is exported of one list. `order`: fields, newest first, which an index serves; the last is unique.
    `prepare` adds what the columns need beside the row's own fields."""

    name: str
    columns: tuple[Column, ...]
    order: tuple[str, ...]
    prepare: Callable[[QuerySet[Any]], QuerySet[Any]] = field(default=lambda rows: rows)


def plain(title: str, name: str = "", *, personal: bool = False) -> Column:
    """A column that is one field, as it is."""
    return Column(title=title, fields=(name or title,), personal=personal)


def amount(title: str, name: str = "amount", *, currency: str = "currency") -> Column:
    """A column of an amount in major units; its currency has a column of its own."""
    return Column(title=title, fields=(name, currency), make=in_major_units)


def in_major_units(minor: int | None, currency: str) -> str:
    """`1234.50`: as a spreadsheet reads a number."""
    return "" if minor is None else f"{money.to_price(minor, currency=currency, unit='major'):f}"


def write(sheet: Sheet, rows: QuerySet[Any], *, personal: bool) -> Iterator[bytes]:
    """The file, part by part: the header at once."""
    columns = [column for column in sheet.columns if personal or not column.personal]
    yield (BYTE_ORDER_MARK + as_lines([[column.title for column in columns]])).encode()
    for part in _parts(sheet, columns, rows):
        yield as_lines(_cells(columns, values) for values in part).encode()


def _parts(sheet: Sheet, columns: Sequence[Column], rows: QuerySet[Any]) -> Iterator[list[tuple[Any, ...]]]:
    # Without what the page would fetch beside its rows, and in the order of the index.
    rows = sheet.prepare(rows.select_related(None).prefetch_related(None))
    rows = rows.order_by(*(f"-{name}" for name in sheet.order))
    wanted = [name for column in columns for name in column.fields]
    rows = rows.values_list(*sheet.order, *wanted)
    last: tuple[Any, ...] | None = None
    size = FIRST_PART
    while True:
        part = list((rows if last is None else rows.filter(_after(sheet.order, last)))[:size])
        if part:
            yield [row[len(sheet.order) :] for row in part]
        if len(part) < size:
            return
        last, size = part[-1][: len(sheet.order)], PART


def _after(order: Sequence[str], last: Sequence[Any]) -> Q:
    """Beyond the last row, newest first: older, or as old and with a smaller id."""
    first, *rest = order
    if not rest:
        return Q(**{f"{first}__lt": last[0]})
    beyond = Q(**{f"{first}__lt": last[0]}) | (Q(**{first: last[0]}) & _after(rest, last[1:]))
    # Says the same once more, in the way that lets the index begin there.
    return Q(**{f"{first}__lte": last[0]}) & beyond


def _cells(columns: Sequence[Column], values: Sequence[Any]) -> list[Any]:
    cells: list[Any] = []
    at = 0
    for column in columns:
        size = len(column.fields)
        cells.append(column.make(*values[at : at + size]))
        at += size
    return cells
