"""What is sent while everything breaks: events with known content, and what may become of each.

Of 100 records 10 are sent a second time, under a new offset, and 5 nobody can understand. The others are wishes of
every kind that Stripe answers differently, in several currencies. Everything is drawn from the seed.
"""

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from billing_project.dev.simulator import Simulator

DUPLICATES, MALFORMED = 0.10, 0.05

# Nobody may read these in a log: what is personal, and a card number that somebody has sent.
PERSONAL = ("@private.example", "person-", "4242424242424242")
POISONS = (
    b"[object Object]", b"", b"{", b'{"subId":"x"}', b'\xef\xbb\xbf{"subId":"x"}', b"\xff\xfe{", b'{"subId":NaN}',
    b"[" * 200,
    b'{"subId":"p","user":{"id":"person-0","email":"a@private.example","paymentMethod":"4242424242424242"},"product":{}}',
    b'{"subId":"p","user":{"id":"person-0","email":"a@private.example","paymentMethod":"pm_1"},'
    b'"product":{"price":1.005,"currency":"USD"}}',
)  # fmt: skip

# Price as it is sent, currency, and what Stripe is to be asked for: by hand, from Stripe's table.
PRICES = (
    (4990, "KZT", 499_000), (12.5, "USD", 1_250), ("9.99", "EUR", 999), (500, "JPY", 500), ("7.250", "KWD", 7_250),
    (25_000, "HUF", 2_500_000), (150_000, "UGX", 15_000_000),
)  # fmt: skip

GOOD = ("pm_card_visa", "pm_card_mastercard", "pm_card_amex", "pm_card_de", "pm_card_riskLevelElevated")
DECLINES = (
    *(
        f"pm_card_chargeDeclined{reason}" for reason in (
            "", "InsufficientFunds", "LostCard", "StolenCard", "ExpiredCard", "IncorrectCvc", "ProcessingError",
            "Fraudulent", "VelocityLimitExceeded",
        )
    ),
    "pm_card_radarBlock", "pm_card_chargeCustomerFail",
)  # fmt: skip
ASKS_CUSTOMER = ("pm_card_authenticationRequired", "pm_card_threeDSecure2Required")

# Of 100 wishes.
SHARES = {
    "good": 58, "declined": 14, "asks customer": 5, "of a customer": 6, "missing": 2, "slow bank": 4, "fickle": 3,
    "another method": 3, "another amount": 2, "for staff": 3,
}  # fmt: skip
PAID, UNPAID = frozenset({"success"}), frozenset({"failed"})
EITHER = PAID | UNPAID


@dataclass(frozen=True, kw_only=True)
class Event:
    """One record to send. Those whose order counts have a key."""

    value: bytes
    kind: str
    subscription: str = ""
    key: bytes | None = None
    headers: Sequence[tuple[str, bytes]] = ()


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What may become of a subscription, if nobody of the staff has meddled: how it ends, and what is charged."""

    kind: str
    ends: frozenset[str]
    amounts: frozenset[tuple[int, str]]


@dataclass(kw_only=True)
class Load:
    """Events in the order in which they are sent."""

    events: list[Event] = field(default_factory=list)
    wishes: dict[str, Wish] = field(default_factory=dict)
    cards: list[Mapping[str, Any]] = field(default_factory=list)

    def of(self, kind: str) -> list[str]:
        """The subscriptions of a kind."""
        return [name for name, wish in self.wishes.items() if wish.kind == kind]

    def save_cards(self, stripe: Simulator) -> None:
        """What Stripe has to know beforehand."""
        for card in self.cards:
            stripe.control.add_payment_method(**card)


def make_load(*, payments: int, seed: int) -> Load:
    """So many wishes, and what is sent besides."""
    chance = random.Random(seed)
    load = Load(cards=[{"id": "pm_slow", "behaviour": "processing"}])
    kinds = chance.choices([*SHARES], weights=[*SHARES.values()], k=payments)
    rounds: list[list[Event]] = [_wish(load, kind, number, chance) for number, kind in enumerate(kinds)]
    plain = [events[0] for events in rounds if events[0].kind == "good"]
    again = chance.sample(plain, min(len(plain), round(payments * DUPLICATES)))
    rounds += [[Event(value=one.value, kind="duplicate", subscription=one.subscription)] for one in again]
    rounds += [
        [Event(value=POISONS[number % len(POISONS)], kind="malformed")] for number in range(round(payments * MALFORMED))
    ]
    load.events = _in_any_order(rounds, chance)
    return load


def probe(number: int) -> Event:
    """One more good one, to see how long it takes now."""
    name = f"probe_{number}"
    return Event(value=_event(name, "pm_card_visa", 100, "KZT"), kind="probe", subscription=name)


def _wish(load: Load, kind: str, number: int, chance: random.Random) -> list[Event]:
    """A wish's events, in their order."""
    name = f"{kind.replace(' ', '_')}_{number}"
    price, currency, minor = chance.choice(PRICES)
    method, ends = _card(load, kind, number, chance)
    customer = f"cus_{number}" if kind == "of a customer" and chance.random() < 0.5 else None
    headers = [("ce_id", f"event-{number}".encode())] if chance.random() < 0.3 else []
    value = _event(name, method, price, currency, customer=customer)
    events = [Event(value=value, kind=kind, subscription=name, headers=headers)]
    if kind == "another method":
        events = [Event(value=_event(name, chance.choice(DECLINES), price, currency), kind=kind), *events]
    elif kind == "another amount":
        events = [*events, Event(value=_event(name, method, 77, "KZT"), kind="conflict")]
    if len(events) > 1:
        events = [replace(one, subscription=name, key=name.encode()) for one in events]
    load.wishes[name] = Wish(kind=kind, ends=ends, amounts=frozenset({(minor, currency)}))
    return events


def _card(load: Load, kind: str, number: int, chance: random.Random) -> tuple[str, frozenset[str]]:
    """The payment method of a wish, and how it may end."""
    match kind:
        case "declined":
            return chance.choice(DECLINES), UNPAID
        case "asks customer":
            return chance.choice(ASKS_CUSTOMER), UNPAID
        case "missing":
            return "pm_missing", UNPAID
        case "slow bank":
            return "pm_slow", PAID
        case "of a customer":
            load.cards.append({"id": f"pm_owned_{number}", "customer": f"cus_{number}"})
            return f"pm_owned_{number}", PAID
        case "fickle" | "for staff":
            load.cards.append({"id": f"pm_fickle_{number}", "behaviour": ["pm_card_chargeDeclined", "success"]})
            return f"pm_fickle_{number}", EITHER
        case _:
            return chance.choice(GOOD), PAID


def _in_any_order(rounds: Sequence[Sequence[Event]], chance: random.Random) -> list[Event]:
    """Mixed, those of one wish in their order."""
    placed = []
    for events in rounds:
        places = sorted(chance.random() for _ in events)
        placed += list(zip(places, events, strict=True))
    return [event for _, event in sorted(placed, key=lambda one: one[0])]


def _event(subscription: str, method: str, price: Any, currency: str, *, customer: str | None = None) -> bytes:
    user = {"id": f"person-{subscription}", "email": f"{subscription}@private.example", "paymentMethod": method}
    if customer:
        user["customer"] = customer
    event = {"subId": subscription, "user": user, "product": {"price": price, "currency": currency}}
    return json.dumps(event, separators=(",", ":")).encode()
