"""Who of the staff did or looked at what: a row for each, which nobody can change or remove again."""

import uuid
from datetime import datetime
from typing import Any

from payments.models import StaffEntry

# Of the things that people type there is no end; what is kept of each is enough to recognise it.
LONGEST_TEXT = 500


def note(
    *,
    who: str,
    what: str,
    payment: uuid.UUID | None = None,
    details: dict[str, Any] | None = None,
    now: datetime,
) -> None:
    """Add one entry, in the caller's transaction: what can't be noted must not be done or shown.

    `who`: 'staff: <username>'. `what`: one of StaffEntry.What. `details`: small, JSON, no personal data, as it
    can't be removed again. Raises IntegrityError for another `what`, or without `who`.
    """
    StaffEntry.objects.create(at=now, who=who, what=what, payment_id=payment, details=_cut(details or {}))


def _cut(details: dict[str, Any]) -> dict[str, Any]:
    return {name: value[:LONGEST_TEXT] if isinstance(value, str) else value for name, value in details.items()}
