"""Statements: what a month was on Stripe's balance, with its fees, beside our rows; each difference by its name.

Must never happen: sums of half a month, or a difference that is only one of clocks. Stripe's lines are kept as rows
under Stripe's ids, so whatever is interrupted or made again comes to the same.

In the order of a run: `make` (asked for, one at a time), `read` (Stripe's list), `compare` and `only_here` (line by
line), `movement` (what is compared), `sums` (what it comes to), `sheet` (all of it). `month`: those of UTC.
"""

from payments.reconcile import Interrupted
from payments.statement.make import SCHEDULE, Busy, TooEarly, ask, make, make_by_schedule
from payments.statement.month import Month, NoMonth, month_of, read_month
from payments.statement.sheet import write_sheet
from payments.statement.sums import COLUMNS, DIFFERENCES_KEPT

__all__ = [
    "COLUMNS",
    "DIFFERENCES_KEPT",
    "SCHEDULE",
    "Busy",
    "Interrupted",
    "Month",
    "NoMonth",
    "TooEarly",
    "ask",
    "make",
    "make_by_schedule",
    "month_of",
    "read_month",
    "write_sheet",
]
