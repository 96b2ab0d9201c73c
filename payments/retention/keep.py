"""How long each kind of rows is kept: by settings, and for ever where one isn't set."""

from datetime import timedelta
from typing import Literal, get_args

from django.conf import settings

Kind = Literal["outbox", "jobs", "inbox", "webhooks", "personal"]
# In the order in which they are pruned: rows of the outbox and of jobs name records of the inbox.
KINDS: tuple[Kind, ...] = get_args(Kind)


def kept_for() -> dict[Kind, timedelta]:
    """The kinds that aren't kept for ever."""
    found: dict[Kind, timedelta | None] = {
        "outbox": settings.KEEP_OUTBOX,
        "jobs": settings.KEEP_JOBS,
        "inbox": settings.KEEP_INBOX,
        "webhooks": settings.KEEP_WEBHOOKS,
        "personal": settings.KEEP_PERSONAL,
    }
    return {kind: kept for kind, kept in found.items() if kept is not None}
