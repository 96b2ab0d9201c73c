"""What staff may do, each with its own permission: the one list that pages, jobs and commands read.

`action` (what an action is), `on_payments`, `on_records` (parked records, and breaks with Stripe's books). An action
adds nothing of its own to what happens: it calls the room that does it, and says in words how that ended.
"""

from payments.actions.action import About, Action, Argument, ArgumentInvalid, Did, Refused, Subject, Wish
from payments.actions.on_payments import ON_PAYMENTS
from payments.actions.on_records import ON_BREAKS, ON_RECORDS

ACTIONS = {action.name: action for action in (*ON_PAYMENTS, *ON_RECORDS, *ON_BREAKS)}

__all__ = ["ACTIONS", "About", "Action", "Argument", "ArgumentInvalid", "Did", "Refused", "Subject", "Wish"]
