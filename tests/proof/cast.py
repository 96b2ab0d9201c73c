"""Who takes part in a random history: cards with their moods, subscriptions, and what their producers send."""

import json
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from tests.integration.events import event

# What a card does, time after time; the last mood lasts. With it: whether a payment with it may stay unknown for
# ever, because Stripe itself never says anything else.
MOODS: tuple[tuple[Any, ...], ...] = (
    ("success",),
    ("pm_card_chargeDeclined",),
    ("pm_card_chargeDeclined", "success"),
    ("pm_card_chargeDeclinedInsufficientFunds", "pm_card_chargeDeclined", "success"),
    ("pm_card_chargeDeclinedProcessingError", "success"),
    ("pm_card_chargeDeclinedLostCard",),
    ("pm_card_authenticationRequired", "success"),
    ("processing",),
    ("pm_card_chargeDeclined", "processing"),
    # The bank has seen this charge before, and Stripe replays that answer for as long as it keeps the key.
    ({"decline_code": "duplicate_transaction"},),
    ({"decline_code": "duplicate_transaction"}, "success"),
)
ENDLESS = MOODS[9:11]
MISSING = "pm_missing"


@dataclass(frozen=True, kw_only=True)
class Message:
    """One record as its producer sends it. `age`: how much older than now its time is; negative: ahead of it."""

    kind: str
    value: bytes | None
    event_id: bytes = b""
    age: timedelta = timedelta()


@dataclass(kw_only=True)
class Part:
    """One subscription. `sound`: whatever comes in for it, its payment can't but succeed, unless staff close it."""

    subscription: str
    messages: list[Message]
    sound: bool


@dataclass(kw_only=True)
class Cast:
    """All that take part. `cards`: for the simulator's `add_payment_method`. `endless`: methods with which a
    payment may stay unknown for ever."""

    parts: list[Part] = field(default_factory=list)
    cards: list[Mapping[str, Any]] = field(default_factory=list)
    endless: set[str] = field(default_factory=lambda: {MISSING})


def draw_cast(dice: random.Random, *, moody: bool) -> Cast:
    """Three to eight subscriptions with one to six records each. Not `moody`: every card pays at once."""
    cast = Cast()
    for number in range(dice.randint(3, 8)):
        methods = [_draw_method(cast, dice, f"{number}_{place}", moody=moody) for place in range(3)]
        cast.parts.append(_draw_part(dice, number, methods))
    return cast


def _draw_method(cast: Cast, dice: random.Random, name: str, *, moody: bool) -> tuple[str, bool]:
    """A method's id, and whether it pays at once."""
    mood = dice.choice(MOODS) if dice.random() < 0.6 else MOODS[0]
    owner = dice.choice((None, None, f"cus_{name}"))
    missing = dice.random() < 0.05
    if not moody:
        mood, missing = MOODS[0], False
    if missing:
        return MISSING, False
    method = f"pm_{name}"
    cast.cards.append({"id": method, "behaviour": list(mood), "customer": owner})
    if mood in ENDLESS:
        cast.endless.add(method)
    return method, mood == MOODS[0]


def _draw_part(dice: random.Random, number: int, methods: list[tuple[str, bool]]) -> Part:
    """One event, and then what producers do: send it again, in part or as another one, or nonsense."""
    subscription: str | int = dice.choice((f"sub_{number}", number + 100))
    price = dice.choice((100, 12.5, "99.90", 7))
    first = event(subscription, method=methods[0][0], price=price)
    named = f"event-{number}".encode() if dice.random() < 0.5 else b""
    messages = [Message(kind="first", value=_bytes(first), event_id=named)]
    used = [methods[0]]
    for place in range(dice.choice((0, 1, 2, 3, 5))):
        kind = dice.choice(("again", "same id", "same content", "other method", "other method", "other amount", "junk"))
        value: bytes | None = _bytes(first)
        event_id = b""
        if kind in ("again", "same id"):
            event_id = named or f"event-{number}-{place}".encode()
        elif kind == "other method":
            used.append(dice.choice(methods[1:]))
            value = _bytes(event(subscription, method=used[-1][0], price=price))
        elif kind == "other amount":
            value = _bytes(event(subscription, method=methods[0][0], price=200))
        elif kind == "junk":
            value = dice.choice((b"{", None, _bytes(event(subscription, price=-1)), b'{"subId": 1}'))
        messages.append(Message(kind=kind, value=value, event_id=event_id, age=_draw_age(dice, kind)))
    return Part(subscription=str(subscription), messages=messages, sound=all(pays for _, pays in used))


def _draw_age(dice: random.Random, kind: str) -> timedelta:
    if kind == "again" or dice.random() < 0.1:
        return timedelta(seconds=dice.uniform(0, 3600))
    return timedelta(seconds=-60) if dice.random() < 0.05 else timedelta()


def _bytes(value: dict[str, Any]) -> bytes:
    return json.dumps(value).encode()
