"""What an endpoint is given, and the page that a list endpoint returns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from .errors import no_such
from .records import Record
from .table import Row, Table

R = TypeVar("R", bound=Row)

DEFAULT_LIMIT = 10
LARGEST_LIMIT = 100


@dataclass(frozen=True, slots=True)
class Call:
    """Checked parameters, the id that the path names (or an empty string), and whose key it is."""

    params: dict[str, Any]
    subject: str
    account: str


@dataclass(frozen=True, slots=True)
class Page:
    """Part of a list, newest first."""

    rows: list[Any]
    has_more: bool


@dataclass(frozen=True, slots=True)
class Found:
    """Part of what a search found; `next_page` is the token of the next part, if there is more."""

    rows: list[Any]
    next_page: str | None


def limit_of(call: Call) -> int:
    """Return how many rows a page is to have: 10 by default, at most 100."""
    return max(1, min(LARGEST_LIMIT, int(call.params.get("limit", DEFAULT_LIMIT))))


def page_of(table: Table[R], call: Call, *, keep: Callable[[R], bool]) -> Page:
    """Return the page that the usual list parameters ask for.

    `created` bounds, `limit` (10 by default, at most 100), `starting_after` and `ending_before`.
    """
    for param in ("starting_after", "ending_before"):
        neighbour = call.params.get(param)
        if neighbour is not None and neighbour not in table:
            raise no_such("object", neighbour, param=param, in_path=False)
    bounds: dict[str, int] = call.params.get("created", {})
    not_before = max(bounds.get("gte", 0), bounds.get("gt", -1) + 1)
    not_after = min(bounds.get("lte", 2**40), bounds.get("lt", 2**40) - 1)
    rows, has_more = table.page(
        limit=limit_of(call),
        keep=lambda row: not_before <= row.created <= not_after and keep(row),
        after=call.params.get("starting_after"),
        before=call.params.get("ending_before"),
        not_before=not_before,
    )
    return Page(rows, has_more)


Result = Record | Page | Found
