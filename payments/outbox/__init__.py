"""The outbox: what must be published, written in the transaction whose outcome it tells; then claimed and marked.

P4: every settled outcome is told at least once, under one id, with the same bytes each time, and never before
it is committed. The relay is this room's only reader.

In the order of a row: `told` (what is told of a payment) or `letters` (of a parked record), `waking` (the relay hears
of it), `lock` (which relay), `published` (what waits, and what became of it).
"""

from payments.heartbeats import heart_of  # for the relay, which enters payments by this door
from payments.outbox.letters import park
from payments.outbox.lock import RELAY_LOCK, release_relay_lock, try_relay_lock
from payments.outbox.published import Backlog, Waiting, count_waiting, mark_published, set_aside, waiting
from payments.outbox.told import in_price_unit, last_told, tell, tell_again, tell_back
from payments.outbox.waking import WAKE, listen, wait_for_wake, wake

__all__ = [
    "RELAY_LOCK",
    "WAKE",
    "Backlog",
    "Waiting",
    "count_waiting",
    "heart_of",
    "in_price_unit",
    "last_told",
    "listen",
    "mark_published",
    "park",
    "release_relay_lock",
    "set_aside",
    "tell",
    "tell_again",
    "tell_back",
    "try_relay_lock",
    "wait_for_wake",
    "waiting",
    "wake",
]
