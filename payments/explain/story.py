"""What a story is made of: frozen, in words, so that a page and a command say the same."""

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from payments import words

Tone = Literal["good", "bad", "act", "wait", "rest"]
"""The colour: paid · not paid · somebody must act · nobody knows yet · over."""

Taken = Literal["yes", "no", "unknown"]

Retry = Literal["safe", "other_card", "wait", "no"]


@dataclass(frozen=True, kw_only=True)
class Conclusion:
    """What somebody must know within ten seconds. Each text is one or more whole sentences; empty: nothing to say."""

    tone: Tone
    what: str
    taken: Taken
    money: str
    retry: Retry
    retry_short: str
    retry_why: str
    customer: str
    shop: str = ""
    staff: str = ""

    @property
    def headline(self) -> str:
        """The first line of all."""
        return " ".join((self.what, self.money, self.retry_short))


@dataclass(frozen=True, kw_only=True)
class Fact:
    """One line of the facts. `personal`: only for those who may see personal data."""

    label: str
    value: str
    link: str = ""
    personal: bool = False


@dataclass(frozen=True, kw_only=True)
class Step:
    """What comes next by itself, and when."""

    at: datetime
    text: str

    @property
    def when(self) -> str:
        """For people."""
        return words.both_zones(self.at)


@dataclass(frozen=True, kw_only=True)
class Event:
    """One line of the time line, with its evidence: labels and values, as they stand in the rows."""

    at: datetime
    kind: Literal["record", "step", "try", "webhook", "notification", "staff", "books"]
    text: str
    who: str = ""
    tone: Tone = "rest"
    evidence: tuple[Fact, ...] = ()

    @property
    def when(self) -> str:
        """For people."""
        return words.both_zones(self.at)


@dataclass(frozen=True, kw_only=True)
class Back:
    """A refund or a dispute: what it is about, how it stands, what is to be done, and until when."""

    id: str
    amount: str
    state: str
    why: str
    at: datetime
    who: str = ""
    next_step: str = ""
    deadline: str = ""
    link: str = ""
    tone: Tone = "rest"

    @property
    def when(self) -> str:
        """For people."""
        return words.both_zones(self.at)


@dataclass(frozen=True, kw_only=True)
class Other:
    """Another payment of the same subscription."""

    id: uuid.UUID
    number: int
    text: str


@dataclass(frozen=True, kw_only=True)
class Story:
    """One payment's story. `told`: what the customer could read about it."""

    payment: uuid.UUID
    subscription: str
    amount: str
    conclusion: Conclusion
    told: str
    budget: str
    facts: tuple[Fact, ...]
    next_steps: tuple[Step, ...]
    refunds: tuple[Back, ...]
    disputes: tuple[Back, ...]
    differences: tuple[Step, ...]
    events: tuple[Event, ...]
    others: tuple[Other, ...]


@dataclass(frozen=True, kw_only=True)
class Notice:
    """The story of something that no payment came of: a record that was set aside, or a webhook."""

    title: str
    what: str
    next_step: str
    facts: tuple[Fact, ...]
    events: tuple[Event, ...]
    payment: uuid.UUID | None = None
