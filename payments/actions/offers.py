"""What one person may do to one thing: all that they have the permission for, with the reason where it can't be."""

from dataclasses import dataclass
from typing import Protocol

from payments.actions.action import About, Action, Subject
from payments.models import Break, InboxMessage, Payment

_ABOUT: dict[type, About] = {Payment: "payment", InboxMessage: "record", Break: "broken"}


class Person(Protocol):
    """A user, as far as it matters here."""

    def has_perm(self, perm: str, /) -> bool:
        """Whether they may."""
        ...


@dataclass(frozen=True, kw_only=True)
class Offer:
    """One button. `why_not`: why it can't be used just now; empty if it can."""

    action: Action
    why_not: str


def may(person: Person, action: Action) -> bool:
    """Whether this person may do this at all."""
    return person.has_perm(action.permission)


def about(kind: type[Subject]) -> About:
    """What an action on things of this kind is about."""
    return _ABOUT[kind]
