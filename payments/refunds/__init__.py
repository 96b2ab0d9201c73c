"""Refunds and disputes: what goes back to the customer.

Never twice holds here, too, by other means than for charges: the row comes first, its id is in the key and in the
metadata that Stripe keeps, and in doubt Stripe's own list of refunds is asked before anything is sent again. The
sum of a payment's refunds can't exceed its charge: under the payment's row lock, and at Stripe.

In the order a refund meets them: `request` (the row), `claim` (take what is due), `steps` (what to ask Stripe, and
when), `run` (many side by side), `settle` (record an outcome), `look` (what a webhook hints at), `disputes`.
While charging is paused, by whomever, nothing of this goes to Stripe either.
"""

from payments.refunds.claim import find_due
from payments.refunds.disputes import note_dispute
from payments.refunds.look import follow_up
from payments.refunds.request import NotRefundable, find_refusal, left_to_refund, request
from payments.refunds.run import AT_ONCE, alone, carry_out
from payments.refunds.settle import note_refund

__all__ = [
    "AT_ONCE",
    "NotRefundable",
    "alone",
    "carry_out",
    "find_due",
    "find_refusal",
    "follow_up",
    "left_to_refund",
    "note_dispute",
    "note_refund",
    "request",
]
