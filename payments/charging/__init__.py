"""The state machine of a payment: the only place where money state changes.

In the order a payment meets them: `due` (what waits, and who first), `turns` (wait for tokens), `claim` (take what is
due), `steps` (what to ask Stripe, and when), `run` with `message` and `calls` (many payments side by side), `in_hand`
(all messages of a process, in one thread), `writes` and `together` (what payments write between their calls, for many
at once), `settle` with `settling` and `notes` (record an outcome), `retry` (try a failed payment again), `pause` (stand
still), `close` (nothing more can be taken), `adoption` (bind again what a restored database has forgotten).
"""

from payments.charging.adoption import NotAdopted, adopt
from payments.charging.claim import Claim, claim
from payments.charging.close import NotClosed, close, reissue
from payments.charging.due import find_due, find_passed_over, make_due, only_asks
from payments.charging.in_hand import InHand
from payments.charging.pause import (
    CLOCKS_DIFFER,
    NOT_ADOPTED,
    heed,
    is_paused,
    may_have_forgotten,
    pause,
    pause_for_lost_commits,
    probe,
    resume,
)
from payments.charging.retry import NotReplayable, not_replayable, replay, request_attempt
from payments.charging.run import charge
from payments.charging.settle import settle
from payments.charging.turns import Pace

__all__ = [
    "CLOCKS_DIFFER",
    "NOT_ADOPTED",
    "Claim",
    "InHand",
    "NotAdopted",
    "NotClosed",
    "NotReplayable",
    "Pace",
    "adopt",
    "charge",
    "claim",
    "close",
    "find_due",
    "find_passed_over",
    "heed",
    "is_paused",
    "make_due",
    "may_have_forgotten",
    "not_replayable",
    "only_asks",
    "pause",
    "pause_for_lost_commits",
    "probe",
    "reissue",
    "replay",
    "request_attempt",
    "resume",
    "settle",
]
