"""What an action is: what it is done to, who may, what it needs to know, why not, and what it does."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from payments.models import Break, InboxMessage, Payment

Subject = Payment | InboxMessage | Break
About = Literal["payment", "record", "broken"]


@dataclass(frozen=True, kw_only=True)
class Did:
    """It is done; `text` says what, for a person. `ring`: these payments are due now."""

    text: str
    ring: tuple[uuid.UUID, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Refused:
    """Nothing was changed; `text` says why, for a person."""

    text: str


class ArgumentInvalid(Exception):
    """What somebody gave can't be used; the text says why and what to give instead."""


@dataclass(frozen=True, kw_only=True)
class Argument:
    """What a person gives with an action. `read` makes the value that is kept, or raises `ArgumentInvalid`.

    Only actions on a single thing have any: what fits one payment rarely fits another.
    """

    name: str
    label: Any
    help: Any
    required: bool
    read: Callable[[str, Subject], Any]
    is_long: bool = False
    start: Callable[[Subject], str] = field(default=lambda _: "")


@dataclass(frozen=True, kw_only=True)
class Wish:
    """One thing that somebody wants done to one subject. `arguments` as `Argument.read` made them.

    `id`: the same whenever it is done, also once more after a restore that has forgotten that it was done.
    `seen`: what `Action.takes` was in the preview that they said yes to; None: no sum is kept of it.
    """

    id: uuid.UUID
    subject: int | uuid.UUID
    who: str
    why: str
    now: datetime
    arguments: dict[str, Any]
    seen: int | None = None


@dataclass(frozen=True, kw_only=True)
class Action:
    """One thing that staff may do.

    `find_refusal`: why it can't be done to this subject now; empty if it can. `act` judges again, under its own lock.
    `in_transaction`: `act` changes rows alone, and so is committed together with the note that it was done: never
    done twice. Otherwise it asks Stripe, and doing it twice must change nothing more.
    `takes`: what it moves, in minor units of the payment's currency, for sums in previews; kept with each item.
    """

    name: str
    title: Any
    says: Any
    about: About
    permission: str
    find_refusal: Callable[[Any, datetime], str]
    act: Callable[[Wish], Did | Refused]
    takes: Callable[[Any], int] | None = None
    arguments: tuple[Argument, ...] = ()
    in_transaction: bool = True

    @property
    def in_bulk(self) -> bool:
        """Whether it may be done to many at once."""
        return not any(argument.required for argument in self.arguments)
