"""Who pays in the demo's past week, and what becomes of it: data, and the dice that deal it."""

import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

DAYS = 7
STEPS_A_DAY = 4
MOST_A_STEP = 7

# First names of Kazakhstan, for addresses that are nobody's.
_NAMES = (
    "aigerim alibek aliya arman asel asem azamat bauyrzhan bolat dana daniyar dinara erlan gulnara kanat karina "
    "laura madina marat nurlan olzhas saule timur yerbol zarina zhanna"
).split()
# How many of a hundred pay with which of Stripe's documented test cards.
_CARDS = {
    "pm_card_visa": 46,
    "pm_card_mastercard": 26,
    "pm_card_amex": 5,
    "pm_card_chargeDeclinedInsufficientFunds": 8,
    "pm_card_chargeDeclined": 4,
    "pm_card_authenticationRequired": 4,
    "pm_card_chargeDeclinedExpiredCard": 2,
    "pm_card_chargeDeclinedProcessingError": 2,
    "pm_card_chargeDeclinedLostCard": 1,
    "pm_card_chargeDeclinedStolenCard": 1,
    "pm_card_chargeDeclinedFraudulent": 1,
}
_PRICES = {"KZT": (4990, 9990, 14990, 29990), "USD": (9.99, 19.99, 49), "EUR": (8.25, 24.5), "JPY": (1200, 3600)}
_SHARES = {"KZT": 70, "USD": 16, "EUR": 9, "JPY": 5}


@dataclass(frozen=True, kw_only=True)
class Customer:
    """One event to come: when, and what it says."""

    at: datetime
    event: dict[str, Any]


def deal(*, until: datetime, seed: int = 7) -> list[list[Customer]]:
    """The customers of each step of the week before, more of them by day than by night."""
    dice = random.Random(seed)  # noqa: S311 - a demo
    step = timedelta(days=1) / STEPS_A_DAY
    began = until - timedelta(days=DAYS)
    steps = []
    for number in range(DAYS * STEPS_A_DAY):
        begins = began + number * step
        moments = sorted(begins + step * dice.random() for _ in range(MOST_A_STEP))
        drawn = [_draw(dice, at=at, number=1000 + 17 * (number * 10 + one)) for one, at in enumerate(moments)]
        count = dice.randint(4, MOST_A_STEP)
        steps.append(drawn[: count // 2 if begins.hour < 6 else count])
    return steps


def _draw(dice: random.Random, *, at: datetime, number: int) -> Customer:
    [card] = dice.choices(list(_CARDS), list(_CARDS.values()))
    [currency] = dice.choices(list(_SHARES), list(_SHARES.values()))
    return Customer(
        at=at,
        event=event(
            f"sub_{number}", name=f"{dice.choice(_NAMES)}.{number}", price=dice.choice(_PRICES[currency]),
            currency=currency, card=card,
        ),
    )  # fmt: skip


def event(subscription: str, *, name: str, price: float, currency: str, card: str) -> dict[str, Any]:
    """A `payment.createInitial` as a shop sends it."""
    return {
        "subId": subscription,
        "user": {"id": f"u_{name.rpartition('.')[2]}", "email": f"{name}@example.kz", "paymentMethod": card},
        "product": {"price": price, "currency": currency},
    }
