"""What was received and how it was answered, for audits of the caller."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass
from typing import Any

# A long benchmark must not fill the memory; counters go on.
REMEMBERED_REQUESTS = 100_000


@dataclass(slots=True)
class Received:
    """One request. `status` is None while it is worked on, and 0 if it never got a whole answer."""

    request_id: str
    at: float
    method: str
    path: str
    params: dict[str, Any]
    idempotency_key: str | None
    endpoint: str = "unknown"
    payment_intent: str | None = None
    status: int | None = None
    replayed: bool = False
    fault: str | None = None


class Traffic:
    """The last requests, and counts of all of them."""

    def __init__(self) -> None:
        self.log: deque[Received] = deque(maxlen=REMEMBERED_REQUESTS)
        self.answers: Counter[tuple[str, int]] = Counter()

    def close(self, received: Received, *, status: int) -> None:
        """Note how a request was answered."""
        received.status = status
        self.answers[received.endpoint, status] += 1

    def counts(self) -> dict[str, dict[str, int]]:
        """Return endpoint -> status -> number of answers."""
        counts: dict[str, dict[str, int]] = {}
        for (endpoint, status), number in sorted(self.answers.items()):
            counts.setdefault(endpoint, {})[str(status)] = number
        return counts
