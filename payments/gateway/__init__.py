"""Stripe, and the only room that imports its SDK: every answer becomes one of a closed set.

Must never happen: an answer that proves nothing taken for one that proves something. Whatever is not listed
as proof is `Unknown`. The SDK's own retries are off: when and what to send again is `charging`'s decision.
Facts: Stripe's API reference for errors and idempotent requests; time-outs are ours.

`account` (the calls), `question` (one, not made yet), `http` and `event_loop` (how they are sent, and where they
wait), `reading` (what an answer proves), `listing` (Stripe's books), `balance` (what came in and went out),
`webhook_signature`, `condition` (what our key may do).
"""

from payments.gateway.account import (
    CONNECT_TIMEOUT,
    CONNECTIONS,
    READ_TIMEOUT,
    WITH_CHARGE,
    CreateIntent,
    Gateway,
    connect,
)
from payments.gateway.condition import Condition, look_at_key
from payments.gateway.event_loop import start
from payments.gateway.listing import LARGEST_PAGE, Part
from payments.gateway.question import Question
from payments.gateway.reading import LOCK_TIMEOUT
from payments.gateway.webhook_signature import WEBHOOK_TOLERANCE, Event, Refused, verify

__all__ = [
    "CONNECTIONS",
    "CONNECT_TIMEOUT",
    "LARGEST_PAGE",
    "LOCK_TIMEOUT",
    "READ_TIMEOUT",
    "WEBHOOK_TOLERANCE",
    "WITH_CHARGE",
    "Condition",
    "CreateIntent",
    "Event",
    "Gateway",
    "Part",
    "Question",
    "Refused",
    "connect",
    "look_at_key",
    "start",
    "verify",
]
