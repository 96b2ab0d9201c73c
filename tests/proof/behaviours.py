"""How Stripe behaves, and what comes in: data. Each row is one life, which is then cut at every point.

`ends` is what the payment may rest at, however often it was interrupted. Only where Stripe never lets the outcome
be known may it stay pending, and then a person must be shown it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

Moment = Literal["start", "accepted", "settled"]

SUCCESS = frozenset({"success"})
FAILED = frozenset({"failed"})

# What a held answer is waited for; only where an answer is held, as a busy machine would trip over it elsewhere.
SHORT = 0.2
LONG = 20.0


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """An event that comes in: what differs from the README's example, and when its producer sends it."""

    changes: Mapping[str, Any]
    when: Moment = "start"
    event_id: bytes = b""


@dataclass(frozen=True, kw_only=True)
class Deed:
    """Something that staff do when the payment is settled, again and again until it is done."""

    what: Literal["close", "reissue", "replay"]


@dataclass(frozen=True, kw_only=True)
class Behaviour:
    """One way in which Stripe, a card, and the producers of events behave."""

    name: str
    ends: frozenset[str]
    events: tuple[Wanted, ...] = (Wanted(changes={"method": "pm_1"}),)
    cards: tuple[Mapping[str, Any], ...] = ()
    faults: tuple[Mapping[str, Any], ...] = ()
    read_timeout: float = LONG
    unknowable: bool = False
    processes: bool = False
    """The bank takes its time, and decides while nobody looks."""
    deeds: tuple[Deed, ...] = ()
    retries: tuple[timedelta, ...] = ()
    """RETRY_SOFT_AFTER."""
    sleeps: bool = False
    """After the first trouble nobody works for a day, and Stripe forgets its idempotency keys."""


def _event(method: str, **more: Any) -> tuple[Wanted, ...]:
    return (Wanted(changes={"method": method, **more}),)


def _fault(kind: str, effect: str, **more: Any) -> tuple[Mapping[str, Any], ...]:
    return ({"kind": kind, "endpoint": "confirm", "effect": effect, **more},)


SOFT = {"id": "pm_soft", "like": "pm_card_chargeDeclined"}
HARD = {"id": "pm_hard", "like": "pm_card_chargeDeclinedLostCard"}
SCA = {"id": "pm_sca", "like": "pm_card_authenticationRequired"}
OWNED = {"id": "pm_owned", "customer": "cus_1"}
OWNED_SOFT = {"id": "pm_owned_soft", "like": "pm_card_chargeDeclined", "customer": "cus_0"}
FICKLE = {"id": "pm_fickle", "behaviour": ["pm_card_chargeDeclined", "success"]}
SLOW = {"id": "pm_slow", "behaviour": "processing"}

ONE_EVENT = (
    Behaviour(name="success", ends=SUCCESS),
    Behaviour(name="decline", ends=FAILED, cards=(SOFT,), events=_event("pm_soft")),
    Behaviour(name="hard decline", ends=FAILED, cards=(HARD,), events=_event("pm_hard")),
    Behaviour(name="authentication", ends=FAILED, cards=(SCA,), events=_event("pm_sca")),
    Behaviour(name="method missing", ends=FAILED, events=_event("pm_missing")),
    Behaviour(
        # A second refusal, after one whose answer was lost, proves nothing about the first: pending, and shown.
        name="method refused at confirm",
        ends=FAILED | {"pending"},
        cards=(OWNED,),
        events=_event("pm_missing", customer="cus_1"),
        unknowable=True,
    ),
    Behaviour(name="method of a customer", ends=SUCCESS, cards=(OWNED,), events=_event("pm_owned")),
    Behaviour(name="processing", ends=SUCCESS, cards=(SLOW,), events=_event("pm_slow"), processes=True),
)
FAULTS = (
    Behaviour(name="reset before", ends=SUCCESS, faults=_fault("reset", "before")),
    Behaviour(name="reset after", ends=SUCCESS, faults=_fault("reset", "after")),
    Behaviour(
        name="decline lost", ends=FAILED, cards=(SOFT,), events=_event("pm_soft"), faults=_fault("reset", "after")
    ),
    Behaviour(name="stored 500 without effect", ends=SUCCESS, faults=_fault("status", "before", status=500)),
    Behaviour(name="stored 500 with effect", ends=SUCCESS, faults=_fault("status", "after", status=500)),
    Behaviour(
        name="declined, stored 500",
        ends=FAILED,
        cards=(SOFT,),
        events=_event("pm_soft"),
        faults=_fault("status", "after", status=500),
    ),
    Behaviour(name="cut body", ends=SUCCESS, faults=_fault("cut", "after")),
    Behaviour(name="no JSON", ends=SUCCESS, faults=_fault("garble", "after")),
    Behaviour(name="too many requests", ends=SUCCESS, faults=_fault("status", "none", status=429)),
    Behaviour(name="conflict", ends=SUCCESS, faults=_fault("status", "none", status=409)),
    Behaviour(name="time-out before", ends=SUCCESS, faults=_fault("timeout", "before"), read_timeout=SHORT),
    Behaviour(name="time-out after", ends=SUCCESS, faults=_fault("timeout", "after"), read_timeout=SHORT),
)
TWO_EVENTS = (
    Behaviour(
        name="changes its mind",
        ends=SUCCESS,
        cards=(FICKLE,),
        events=(
            Wanted(changes={"method": "pm_fickle"}),
            Wanted(changes={"method": "pm_fickle"}, when="settled"),
        ),
    ),
    Behaviour(
        name="sent twice",
        ends=SUCCESS,
        events=(
            Wanted(changes={"method": "pm_1"}, event_id=b"event-1"),
            Wanted(changes={"method": "pm_1"}, event_id=b"event-1", when="accepted"),
            Wanted(changes={"method": "pm_1"}, event_id=b"event-1", when="settled"),
        ),
    ),
    Behaviour(
        name="another method meanwhile",
        ends=SUCCESS,
        cards=(SOFT,),
        events=(
            Wanted(changes={"method": "pm_soft"}),
            Wanted(changes={"method": "pm_1"}, when="accepted"),
        ),
    ),
    Behaviour(
        name="another customer's method",
        ends=SUCCESS,
        cards=(OWNED_SOFT, OWNED),
        events=(
            Wanted(changes={"method": "pm_owned_soft"}),
            Wanted(changes={"method": "pm_owned"}, when="settled"),
        ),
    ),
    Behaviour(
        name="missing method afterwards",
        ends=FAILED,
        cards=(SOFT,),
        events=(
            Wanted(changes={"method": "pm_soft"}),
            Wanted(changes={"method": "pm_missing"}, when="settled"),
        ),
    ),
    Behaviour(
        name="refused again",
        ends=FAILED,
        cards=(HARD,),
        events=(
            Wanted(changes={"method": "pm_hard"}),
            Wanted(changes={"method": "pm_hard"}, when="settled"),
        ),
    ),
    Behaviour(
        name="another amount",
        ends=SUCCESS,
        events=(
            Wanted(changes={"method": "pm_1"}),
            Wanted(changes={"method": "pm_1", "price": 200}, when="accepted"),
        ),
    ),
)
KEY = {"kind": "status", "effect": "none", "status": 401}
TROUBLES = (
    # The second answer is the probe's: the key is refused for a while, and taken again.
    Behaviour(name="key refused", ends=SUCCESS, faults=({**KEY, "endpoint": "confirm"}, {**KEY, "endpoint": "list"})),
    Behaviour(name="key refused from the start", ends=SUCCESS, faults=({**KEY, "count": 3},)),
    # The probe is answered, so that it is this payment's trouble alone.
    Behaviour(name="one method forbidden", ends=SUCCESS, faults=_fault("status", "none", status=403)),
    Behaviour(name="rate limited", ends=SUCCESS, faults=_fault("rate_limit", "none", count=2)),
    Behaviour(name="object locked", ends=SUCCESS, faults=_fault("lock_timeout", "none")),
    Behaviour(name="stored 500, carried out later", ends=SUCCESS, faults=_fault("roll_forward", "after", seconds=40)),
    Behaviour(name="no answer, then nobody for a day", ends=SUCCESS, faults=_fault("reset", "after"), sleeps=True),
    Behaviour(name="nothing done, then nobody for a day", ends=SUCCESS, faults=_fault("reset", "before"), sleeps=True),
    Behaviour(
        name="declined, then nobody for a day",
        ends=FAILED,
        cards=(SOFT,),
        events=_event("pm_soft"),
        faults=_fault("reset", "after"),
        sleeps=True,
    ),
)
DEEDS = (
    Behaviour(
        name="closed and re-issued",
        ends=SUCCESS,
        cards=(FICKLE,),
        events=_event("pm_fickle"),
        deeds=(Deed(what="close"), Deed(what="reissue")),
    ),
    Behaviour(
        name="replayed by staff",
        ends=SUCCESS,
        cards=(FICKLE,),
        events=_event("pm_fickle"),
        deeds=(Deed(what="replay"),),
    ),
    Behaviour(
        name="retried by schedule",
        ends=SUCCESS,
        cards=(FICKLE,),
        events=_event("pm_fickle"),
        # With a lease that has to run out first it is still soon.
        retries=(timedelta(seconds=50),),
    ),
)
BEHAVIOURS = ONE_EVENT + FAULTS + TWO_EVENTS + TROUBLES + DEEDS
