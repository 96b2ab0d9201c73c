"""Reconcile: Stripe's books beside ours, both ways; what doesn't agree is kept, shown and grows older until it does.

Must never happen: money state changed by a list. A list only says where to look; what is looked at is settled by
`charging`, noted by `refunds`, or becomes a break for a person.

In the order of a run: `run` (windows, one at a time, where it goes on), `course` (its cursor and counts), `books`
(Stripe's lists), `charges` (both directions), `examine` and `compare` (one payment), `returned` (refunds, disputes),
`abandoned` (PaymentIntents of lost races), `open_breaks` (once more), `breaks`; and after a restore `adopt`. `refresh`
is for one payment that somebody asks about.
"""

from payments.reconcile.adopt import LEFT, TooLate
from payments.reconcile.books import Books, Interrupted, stop_reading
from payments.reconcile.breaks import NotOpen, settle_break
from payments.reconcile.refresh import refresh
from payments.reconcile.run import Busy, Result, open_breaks, reconcile, reconcile_by_schedule

__all__ = [
    "LEFT",
    "Books",
    "Busy",
    "Interrupted",
    "NotOpen",
    "Result",
    "TooLate",
    "open_breaks",
    "reconcile",
    "reconcile_by_schedule",
    "refresh",
    "settle_break",
    "stop_reading",
]
