"""The state machine of a payment: the only place where money state changes.

In the order a payment meets them: `claim` (take what is due), `steps` (what to ask Stripe, and when), `run`
(many payments side by side), `settle` (record an outcome), `retry` (try a failed payment again).
"""

from payments.charging.claim import Claim, claim
from payments.charging.retry import NotReplayable, replay, request_attempt
from payments.charging.run import charge
from payments.charging.settle import settle

__all__ = ["Claim", "NotReplayable", "charge", "claim", "replay", "request_attempt", "settle"]
