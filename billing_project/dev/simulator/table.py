"""Records of one kind in the order of their creation, read newest first and by the page, as Stripe lists."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Generic, Protocol, TypeVar


class Row(Protocol):
    @property
    def id(self) -> str: ...

    @property
    def created(self) -> int: ...


R = TypeVar("R", bound=Row)


class Table(Generic[R]):
    """Rows by id. The place of a row is its turn of creation and never changes."""

    def __init__(self) -> None:
        self._rows: dict[str, R] = {}
        self._order: list[str] = []
        self._places: dict[str, int] = {}

    def put(self, row: R) -> None:
        """Add the row, or replace the one with its id."""
        if row.id not in self._rows:
            self._places[row.id] = len(self._order)
            self._order.append(row.id)
        self._rows[row.id] = row

    def get(self, identifier: str) -> R | None:
        """Return the row or None."""
        return self._rows.get(identifier)

    def __contains__(self, identifier: object) -> bool:
        return identifier in self._rows

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[R]:
        """Oldest first."""
        return (self._rows[identifier] for identifier in self._order)

    def page(
        self,
        *,
        limit: int,
        keep: Callable[[R], bool],
        after: str | None = None,
        before: str | None = None,
        not_before: int = 0,
    ) -> tuple[list[R], bool]:
        """Return up to `limit` kept rows, newest first, and whether there are more.

        `after` and `before` are ids of the page's neighbours (Stripe's `starting_after`, `ending_before`).
        `not_before`: no kept row is older than this second, so that the search can end there.
        """
        if before is not None:
            places = iter(range(self._places[before] + 1, len(self._order)))
        else:
            places = iter(range(self._places[after] if after else len(self._order))[::-1])
        found: list[R] = []
        for place in places:
            row = self._rows[self._order[place]]
            if row.created < not_before and before is None:
                break
            if keep(row):
                found.append(row)
            if len(found) > limit:
                break
        page = found[:limit]
        return (page[::-1] if before is not None else page), len(found) > limit
