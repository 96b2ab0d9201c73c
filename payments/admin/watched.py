"""Every look at a record as it came is in the staff log: it has everything of the customer in it."""

from datetime import UTC, datetime
from typing import Any

from django.contrib.admin.utils import unquote
from django.http import HttpRequest, HttpResponse

from payments import staff_log
from payments.models import InboxMessage


class Watched:
    """For pages of what came in; stands before ModelAdmin among the bases. Those of payments note it themselves.

    What can't be noted isn't shown: the page fails with the log.
    """

    def change_view(self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any) -> HttpResponse:
        """The page, noted if there was one."""
        page: HttpResponse = super().change_view(request, object_id, *args, **kwargs)  # type: ignore[misc]
        if request.method == "GET" and page.status_code == 200:
            note_opened(request, record_id=unquote(object_id))
        return page


def note_opened(request: HttpRequest, *, record_id: str) -> None:
    """One entry: who opened which record, of which payment."""
    staff_log.note(
        who=f"staff: {request.user.get_username()}",
        what="opened",
        payment=InboxMessage.objects.values_list("payment_id", flat=True).get(pk=record_id),
        details={"page": InboxMessage._meta.model_name, "id": record_id},
        now=datetime.now(UTC),
    )
