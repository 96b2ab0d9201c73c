"""The relay under watch: what waits in the outbox, also while it stands by."""

import time
from datetime import UTC, datetime

from bridge import metrics
from bridge.watch.health import Health
from payments import outbox

# Counting goes through what waits, which after an outage may be a million rows.
LOOK_EVERY = 5.0


class RelayWatch:
    """Watches one relay through all its sessions. Use from the loop's own thread."""

    def __init__(self, *, health: Health | None = None) -> None:
        self._health = health or Health(None)
        self._looked_at = 0.0

    def round(self) -> None:
        """One turn of the loop. Raises Django's database errors."""
        self._health.touch()
        at = time.monotonic()
        if at < self._looked_at + LOOK_EVERY:
            return
        self._looked_at = at
        backlog = outbox.count_waiting(now=datetime.now(UTC))
        metrics.OUTBOX_ROWS.set(backlog.rows)
        metrics.OUTBOX_AGE.set(backlog.oldest.total_seconds())
