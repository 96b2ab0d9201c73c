"""Every look at personal data is in the staff log."""

import uuid
from datetime import UTC, datetime
from typing import Any

from django.contrib.admin.utils import unquote
from django.http import HttpRequest, HttpResponse

from payments import staff_log
from payments.models import InboxMessage, Payment


class Watched:
    """For pages of payments and of what came in; stands before ModelAdmin among the bases.

    What can't be noted isn't shown: the page fails with the log.
    """

    def change_view(self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any) -> HttpResponse:
        """The page, noted if there was one."""
        page: HttpResponse = super().change_view(request, object_id, *args, **kwargs)  # type: ignore[misc]
        if request.method == "GET" and page.status_code == 200:
            note_opened(request, model=self.model, object_id=unquote(object_id))  # type: ignore[attr-defined]
        return page


def note_opened(request: HttpRequest, *, model: type[Payment] | type[InboxMessage], object_id: str) -> None:
    """One entry: who opened which page, of which payment."""
    if issubclass(model, Payment):
        payment: uuid.UUID | None = uuid.UUID(object_id)
        details = {}
    else:
        payment = model.objects.values_list("payment_id", flat=True).get(pk=object_id)
        details = {"page": model._meta.model_name, "id": object_id}
    staff_log.note(
        who=f"staff: {request.user.get_username()}",
        what="opened",
        payment=payment,
        details=details,
        now=datetime.now(UTC),
    )
