"""Idempotency keys as Stripe's API v1 treats them.

The first answer is stored once an endpoint has begun to execute, a 500 included, and every later request
with that key gets it again. What never executed (401, 403, 409, 429, invalid parameters) leaves no trace.
After 24 hours a key is forgotten, and the same key is a new request.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from .errors import invalid_parameter, key_in_use, key_reused

KEPT_FOR_SECONDS = 24 * 3600
LONGEST_KEY = 255


@dataclass(frozen=True, slots=True)
class Stored:
    """The first answer to a key, and what was asked."""

    key: str
    fingerprint: str
    at: float
    status: int
    body: str
    request_id: str
    subject: str | None


def fingerprint_of(method: str, path: str, pairs: Iterable[tuple[str, str]]) -> str:
    """Return what two requests must share to be the same request; the order of parameters is no part."""
    return hashlib.sha256(repr((method, path, sorted(pairs))).encode()).hexdigest()


class IdempotencyKeys:
    """The keys of one account. `begin` and `finish` (or `release`) enclose the work on one request."""

    def __init__(self, *, now: Callable[[], float], keep: Callable[[Stored], None]) -> None:
        self._now = now
        self._keep = keep
        self._stored: dict[str, Stored] = {}
        self._in_flight: dict[str, str] = {}

    def find(self, key: str, fingerprint: str) -> Stored | None:
        """Return the answer that a request would get again, or None; takes nothing."""
        stored = self._stored.get(key)
        if stored is None or self._forgotten(stored) or stored.fingerprint != fingerprint:
            return None
        return stored

    def begin(self, key: str, fingerprint: str) -> Stored | None:
        """Return the stored answer, or None when the caller is the first and owns the key from now on.

        Raises StripeError for a key that is too long, in use, or was used for another request.
        """
        if len(key) > LONGEST_KEY:
            raise invalid_parameter(
                f"Idempotency keys can be at most {LONGEST_KEY} characters long.", param="Idempotency-Key"
            )
        stored = self._stored.get(key)
        if stored is not None and self._forgotten(stored):
            del self._stored[key]
            stored = None
        known = stored.fingerprint if stored else self._in_flight.get(key)
        if known is not None and known != fingerprint:
            raise key_reused(key)
        if key in self._in_flight:
            raise key_in_use(key)
        if stored is None:
            self._in_flight[key] = fingerprint
        return stored

    def finish(self, stored: Stored) -> None:
        """Store the first answer and give the key free for replays."""
        self.release(stored.key)
        self.restore(stored)
        self._keep(stored)

    def release(self, key: str) -> None:
        """Give up the key without an answer: the request never executed."""
        self._in_flight.pop(key, None)

    def restore(self, stored: Stored) -> None:
        """Take back an answer from the journal."""
        self._stored[stored.key] = stored

    def forget(self, key: str | None = None) -> None:
        """Forget one key, or all of them, before their time."""
        if key is None:
            self._stored.clear()
        else:
            self._stored.pop(key, None)

    def _forgotten(self, stored: Stored) -> bool:
        return self._now() - stored.at >= KEPT_FOR_SECONDS
