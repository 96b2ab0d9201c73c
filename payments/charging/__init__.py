"""The state machine of a payment: the only place where money state changes.

In the order a payment meets them: `claim` (take what is due), `steps` (what to ask Stripe, and when), `run`
(many payments side by side), `settle` (record an outcome), `retry` (try a failed payment again), `pause` (stand still),
`close` (nothing more can be taken).
"""

from payments.charging.claim import Claim, claim
from payments.charging.close import NotClosed, close, reissue
from payments.charging.pause import is_paused, pause, probe, resume
from payments.charging.retry import NotReplayable, replay, request_attempt
from payments.charging.run import charge
from payments.charging.settle import settle

__all__ = [
    "Claim",
    "NotClosed",
    "NotReplayable",
    "charge",
    "claim",
    "close",
    "is_paused",
    "pause",
    "probe",
    "reissue",
    "replay",
    "request_attempt",
    "resume",
    "settle",
]
