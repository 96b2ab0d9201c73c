"""What staff may do, each with its own permission: the one list that pages, jobs and commands read.

`action` (what an action is), `offers` (who may do what to what), `on_payments`, `on_records` (parked records, and
breaks with Stripe's books). An action adds nothing of its own to what happens: it calls the room that does it, and says
in words how that ended.
"""

from datetime import datetime

from payments.actions.action import About, Action, Argument, ArgumentInvalid, Did, Refused, Subject, Wish
from payments.actions.offers import Offer, Person, about, may
from payments.actions.on_payments import ON_PAYMENTS
from payments.actions.on_records import ON_BREAKS, ON_RECORDS

ACTIONS = {action.name: action for action in (*ON_PAYMENTS, *ON_RECORDS, *ON_BREAKS)}


def title(name: str) -> str:
    """What an action is called; its name, where a version before had one that is gone."""
    return str(ACTIONS[name].title) if name in ACTIONS else name.replace("_", " ")


def find_offers(*, person: Person, subject: Subject, now: datetime) -> list[Offer]:
    """Everything that this person may do to things of this kind; what can't be done to this one says why."""
    return [
        Offer(action=action, why_not=action.find_refusal(subject, now))
        for action in ACTIONS.values()
        if action.about == about(type(subject)) and may(person, action)
    ]


__all__ = [
    "ACTIONS",
    "ON_BREAKS",
    "ON_PAYMENTS",
    "ON_RECORDS",
    "About",
    "Action",
    "Argument",
    "ArgumentInvalid",
    "Did",
    "Offer",
    "Person",
    "Refused",
    "Subject",
    "Wish",
    "about",
    "find_offers",
    "may",
    "title",
]
