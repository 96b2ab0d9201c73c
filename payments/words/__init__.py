"""Words: what codes and states mean, for staff who are not engineers. Pure, and tables where that is possible.

Must never happen: a word that says more than is known. A code that no table knows is quoted, so that whoever reads it
can look it up. `declines` (why money was not taken), `states` (of all rows), `disputes`, `attention` (why a person
should look), `history` (each step in words), `times` (the reader's zone, with UTC beside).
"""

from payments.words.attention import in_words as attention
from payments.words.declines import Decline, decline
from payments.words.disputes import DISPUTE_REASONS, DISPUTE_STATUSES, dispute_next_step
from payments.words.history import change, person
from payments.words.states import (
    ATTEMPTS,
    BREAKS,
    CHANNELS,
    FAULTS,
    ITEMS,
    KINDS,
    PAUSES,
    REFUNDS,
    STATUSES,
    VERDICTS,
    WEBHOOKS,
    word,
)
from payments.words.times import both_zones, from_now

__all__ = [
    "ATTEMPTS",
    "BREAKS",
    "CHANNELS",
    "DISPUTE_REASONS",
    "DISPUTE_STATUSES",
    "FAULTS",
    "ITEMS",
    "KINDS",
    "PAUSES",
    "REFUNDS",
    "STATUSES",
    "VERDICTS",
    "WEBHOOKS",
    "Decline",
    "attention",
    "both_zones",
    "change",
    "decline",
    "dispute_next_step",
    "from_now",
    "person",
    "word",
]
