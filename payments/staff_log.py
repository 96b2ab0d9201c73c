"""What staff did and looked at."""

import uuid
from datetime import datetime
from typing import Any

import structlog

log = structlog.get_logger(__name__)


def note(
    *, who: str, what: str, payment: uuid.UUID | None = None, details: dict[str, Any] | None = None, now: datetime
) -> None:
    """Keep one thing that somebody of the staff did or looked at."""
    log.info("staff", who=who, what=what, payment=str(payment or ""), details=details or {}, at=now.isoformat())
