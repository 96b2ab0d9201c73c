"""Stripe's own faults, by the simulator's script: each strikes a few requests, or for a few seconds."""

import random
import time
from collections.abc import Iterator, Mapping
from typing import Any

from tests.chaos.fault import Fault, InVain, Strike, away
from tests.chaos.parts import SECRETS
from tests.chaos.system import System

# The simulator's script is waited for, so that it strikes someone; then it is over.
STRIKES_WITHIN = 6.0

# By name: what a line of the script says.
SCRIPT: Mapping[str, Mapping[str, Any]] = {
    "confirm reset before": {"kind": "reset", "endpoint": "confirm", "effect": "before"},
    "confirm reset after": {"kind": "reset", "endpoint": "confirm", "effect": "after"},
    "create reset after": {"kind": "reset", "endpoint": "create", "effect": "after"},
    "anything reset": {"kind": "reset", "effect": "after"},
    "stored 500 without effect": {"kind": "status", "endpoint": "confirm", "effect": "before", "status": 500},
    "stored 500 with effect": {"kind": "status", "endpoint": "confirm", "effect": "after", "status": 500},
    "stored 500, carried out later": {"kind": "roll_forward", "endpoint": "confirm", "seconds": 8.0},
    "503": {"kind": "status", "effect": "none", "status": 503},
    "429": {"kind": "rate_limit", "effect": "none"},
    "object locked": {"kind": "lock_timeout", "endpoint": "confirm", "effect": "none"},
    "409": {"kind": "conflict", "endpoint": "confirm", "effect": "none"},
    "body cut": {"kind": "cut", "effect": "after"},
    "no JSON": {"kind": "garble", "effect": "after"},
    "confirm takes 30 s": {"kind": "timeout", "endpoint": "confirm", "effect": "after", "seconds": 30.0},
    "retrieve takes 8 s": {"kind": "timeout", "endpoint": "retrieve", "effect": "after", "seconds": 8.0},
}


def scripted(line: Mapping[str, Any]) -> Strike:
    """A few requests in a row."""

    def strike(system: System, chance: random.Random) -> None:
        wanted = chance.randint(1, 8)
        system.stripe.control.add_fault(**line, count=wanted)
        deadline = time.monotonic() + STRIKES_WITHIN
        while any(not fault["struck"] for fault in system.stripe.control.faults()) and time.monotonic() < deadline:
            time.sleep(0.1)
        away(chance)
        has_struck = any(fault["struck"] for fault in system.stripe.control.faults())
        system.stripe.control.clear_faults()
        if not has_struck:
            raise InVain

    return strike


def is_slow(system: System, chance: random.Random) -> None:
    """Every answer takes a second, some of them eight."""
    system.stripe.control.set_latency(ms=1000, slow_share=0.2, slow_ms=8000)
    away(chance, (3.0, 8.0))
    system.stripe.control.set_latency()


def refuses_our_key(system: System, chance: random.Random) -> None:
    """401 for everything: charging pauses for all, until a probe finds that the key is good again."""
    key = SECRETS["STRIPE_SECRET_KEY"]
    system.stripe.control.set_api_key(key=key, state="revoked")
    away(chance, (2.0, 5.0))
    system.stripe.control.set_api_key(key=key, state="accepted")


def faults_of_stripe() -> Iterator[Fault]:
    """All of them."""
    for name, line in SCRIPT.items():
        yield Fault(kind="stripe", name=f"Stripe: {name}", on="stripe", strike=scripted(line))
    yield Fault(kind="stripe", name="Stripe: slow", on="stripe", strike=is_slow)
    yield Fault(kind="stripe", name="Stripe: refuses our key", on="stripe", strike=refuses_our_key)
