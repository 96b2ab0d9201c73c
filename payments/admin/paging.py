"""Pages of long lists: whoever looks at the newest payments doesn't wait until a million are counted."""

from typing import Any

from django.core.paginator import Paginator
from django.utils.functional import cached_property

# Nobody turns more pages than these; a filter or a search finds what is older.
COUNTED = 10_000


class BoundedPaginator(Paginator):  # type: ignore[type-arg]
    """Counts to `COUNTED` and no further. What is beyond has no page, and the list says so."""

    template_name = "admin/payments/pagination.html"
    counted = COUNTED

    @cached_property
    def found(self) -> int:
        """How many there are; one more than `COUNTED` stands for any number beyond."""
        rows: Any = self.object_list
        # Without the order, the database may count in whichever way is the shortest.
        return int(rows.order_by()[: COUNTED + 1].count())

    @cached_property
    def count(self) -> int:
        """How many rows have pages."""
        return min(self.found, COUNTED)

    @property
    def has_more(self) -> bool:
        """Whether there are rows beyond the last page."""
        return self.found > COUNTED
