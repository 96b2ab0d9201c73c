"""When to ask again and whether to try again: pure functions of counts, kinds and times."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

# After an unknown outcome: soon, because most are settled by the first look, then rarer, and hourly for ever,
# because nobody else will find out.
UNKNOWN_LOOKS = tuple(timedelta(seconds=seconds) for seconds in (5, 30, 60, 120, 600, 3600))

# A failed payment is looked at again, as Stripe may complete late what it has refused or lost.
FAILED_LOOKS = (timedelta(minutes=1), timedelta(hours=1), timedelta(days=1))

# A refund that the bank hasn't carried out yet: days, and a month at worst; Stripe tells by itself, too.
PENDING_REFUND_LOOKS = (timedelta(minutes=1), timedelta(hours=1), timedelta(days=1))

# A send whose answer was lost may still be on its way: for less than the two minutes that the look before the one
# after so many has waited. Until then a refund is neither called refused, nor sent under another key.
TRIES_IN_DOUBT = 4

# An idempotency key may be forgotten after 24 h; the old one is given up an hour before that.
KEY_LIFETIME = timedelta(hours=23)

# A payment whose claim ended without an answer this often is rung alone, then shown to a person: whatever
# kills its worker must not take its neighbours along.
DELIVERIES_TOGETHER = 2
DELIVERIES_BEFORE_A_LOOK = 5

# P5: what isn't settled by then is shown to a person.
UNKNOWN_BEFORE_A_LOOK = timedelta(minutes=3)

Who = Literal["event", "staff", "schedule"]

# Card networks count declined tries per card and fine whoever overdoes it: Visa 15 in 30 days is the lowest.
NETWORK_CAP = 15
NETWORK_WINDOW = timedelta(days=30)


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """Why a failed payment may not be tried again, for the person who asked."""

    code: str
    text: str


def pause_after_unknown(tries: int) -> timedelta:
    """How long to wait after the `tries`-th answer (from 1) that proved nothing."""
    return UNKNOWN_LOOKS[min(tries, len(UNKNOWN_LOOKS)) - 1]


def pause_after_failed_look(looks: int) -> timedelta | None:
    """How long until a failed payment is looked at again, `looks` looks after it failed; None: never again."""
    return FAILED_LOOKS[looks] if looks < len(FAILED_LOOKS) else None


def pause_after_pending_refund(looks: int) -> timedelta:
    """How long until a refund that the bank hasn't carried out is looked at again, after `looks` looks."""
    return PENDING_REFUND_LOOKS[min(looks, len(PENDING_REFUND_LOOKS) - 1)]


def pause_before_retry(*, kind: str, failures: int, schedule: Sequence[timedelta]) -> timedelta | None:
    """When a payment that failed for the `failures`-th time (from 1) is tried again by itself; None: it isn't.

    Only soft declines ever are, and none by default: the customer is told at once, and decides.
    """
    return schedule[failures - 1] if kind == "soft" and failures <= len(schedule) else None


def refusal_to_retry(*, kind: str, same_method: bool, asked_by: Who, card_declines: int = 0) -> Refusal | None:
    """Whether another attempt at a failed payment is out of the question; None: go ahead.

    `card_declines`: how often this card was declined within `NETWORK_WINDOW`, over all payments.
    """
    if same_method and card_declines >= NETWORK_CAP:
        return Refusal(
            code="network_cap",
            text=f"this card was declined {NETWORK_CAP} times in 30 days: the card networks allow no more for now",
        )
    if kind == "hard" and same_method:
        return Refusal(
            code="declined_for_good",
            text="this payment method was declined for good: another one is needed",
        )
    if kind == "action" and same_method and asked_by == "staff":
        return Refusal(
            code="customer_must_act",
            text="the customer must confirm the payment with their bank: charging again without them fails again",
        )
    return None
