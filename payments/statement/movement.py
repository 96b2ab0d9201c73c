"""What is compared: one movement of the balance, as Stripe has it and as our rows have it."""

import uuid
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import Enum

from payments.models import BalanceLine, Refund

# Stripe's statuses of a dispute that has taken money: an inquiry hasn't.
WITHDRAWN = ("needs_response", "under_review", "won", "lost")
RETURNED = (Refund.State.FAILED, Refund.State.CANCELED)


class Kind(Enum):
    """What is compared; its value is Stripe's reporting category. The last of each pair undoes the first."""

    CHARGE = "charge"
    REFUND = "refund"
    REFUND_FAILURE = "refund_failure"
    DISPUTE = "dispute"
    DISPUTE_REVERSAL = "dispute_reversal"


COMPARED = tuple(kind.value for kind in Kind)


class Difference(Enum):
    """How a pair differs."""

    NONE = ""
    ONLY_HERE = "only_here"
    ONLY_THERE = "only_there"
    DIFFERS = "differs"


class Why(Enum):
    """What else is known of a difference."""

    NOTHING = ""
    NOT_OURS = "not_ours"  # made by somebody else with the same account: in the dashboard, by another program
    NOT_HERE = "not_here"  # of a payment of ours, which doesn't know of it
    NOT_SO_HERE = "not_so_here"  # the row is here, and says that this hasn't happened
    AMOUNT = "amount"
    CURRENCY = "currency"
    NO_LINE = "no_line"


@dataclass(frozen=True, kw_only=True)
class Sum:
    """Minor units of a currency."""

    amount: int
    currency: str


@dataclass(frozen=True, kw_only=True)
class Movement:
    """One movement. `here` and `there`: what each side says, in the customer's currency; None: nothing.
    `line`: Stripe's, with its fee and in the currency of settlement."""

    kind: Kind
    at: datetime
    source: str
    intent: str
    payment: uuid.UUID | None
    here: Sum | None
    there: Sum | None
    line: BalanceLine | None = None
    why: Why = Why.NOTHING

    @property
    def difference(self) -> Difference:
        """How the two sides differ."""
        if self.here == self.there:
            return Difference.NONE
        if self.here is None:
            return Difference.ONLY_THERE
        return Difference.ONLY_HERE if self.there is None else Difference.DIFFERS


def rate_text(rate: Decimal | None) -> str:
    """As it is, without zeros at its end."""
    return "" if rate is None else f"{rate.normalize():f}"
