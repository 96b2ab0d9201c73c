"""What befalls a random history from outside: Stripe's faults, refused keys, and time."""

import random
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.conf import settings

from billing_project.dev.simulator.access import State

if TYPE_CHECKING:
    from tests.proof.crowd import Crowd

ENDPOINTS = (
    None, None, "create", "confirm", "confirm", "confirm", "retrieve", "cancel", "update", "list",
    "payment_methods.retrieve", "account.retrieve",
)  # fmt: skip

# Kinds of the simulator with what may differ in them. A time-out would take real time: what makes it worse than a
# reset, that the request arrives later, is `chance`'s.
FAULTS: tuple[dict[str, Any], ...] = (
    *({"kind": kind, "effect": effect} for kind in ("reset", "cut", "garble") for effect in ("before", "after")),
    *(
        {"kind": "status", "effect": effect, "status": status}
        for effect in ("before", "after", "none")
        for status in (500, 503)
    ),
    # 402 with a body that doesn't say which card error: no proof.
    *({"kind": "status", "effect": "none", "status": status} for status in (402, 409, 429, 401, 403, 502)),
    {"kind": "rate_limit", "effect": "none"},
    {"kind": "lock_timeout", "effect": "none"},
    {"kind": "conflict", "effect": "none"},
    {"kind": "roll_forward"},
)
OUTAGE: tuple[dict[str, Any], ...] = (
    {"kind": "reset", "effect": "before"},
    {"kind": "reset", "effect": "after"},
    {"kind": "status", "effect": "none", "status": 503},
)

JUMPS = (60, 130, 300, 900, 3 * 3600, 25 * 3600, 3 * 24 * 3600)


class Accidents:
    """Draws what goes wrong, and ends it."""

    def __init__(self, world: "Crowd", dice: random.Random) -> None:
        self._world, self._dice = world, dice
        self._key_works = True
        self.script: list[dict[str, Any]] = []

    def add_fault(self) -> None:
        """One more line in the simulator's script, for the next call or the next few."""
        fault = dict(self._dice.choice(FAULTS))
        if fault["kind"] == "roll_forward":
            fault |= {"seconds": float(self._dice.choice((2, 40, 400, 4000))), "endpoint": "confirm"}
        else:
            fault |= {"endpoint": self._dice.choice(ENDPOINTS), "count": self._dice.choice((1, 1, 1, 2, 4))}
        self._world.stripe.control.add_fault(**fault)
        self._world.note("faults", str(fault))

    def begin_outage(self) -> None:
        """Nothing of Stripe works any more, or works and doesn't say so."""
        fault = self._dice.choice(OUTAGE) | {"count": self._dice.randint(4, 16)}
        self._world.stripe.control.add_fault(**fault)
        self._world.note("outages", str(fault))

    def turn_key(self) -> None:
        """Our key is refused, or may do nothing; the next time it is accepted again."""
        refused: tuple[State, ...] = ("revoked", "restricted")
        state: State = "accepted" if not self._key_works else self._dice.choice(refused)
        self._key_works = state == "accepted"
        self._world.stripe.control.set_api_key(key=settings.STRIPE_SECRET_KEY, state=state)
        self._world.note("keys", state)

    def mend_key(self) -> None:
        """Our key is accepted again."""
        if not self._key_works:
            self.turn_key()

    def let_seconds_pass(self) -> None:
        """As long as an answer or a pause takes."""
        self._pass(self._dice.uniform(0.1, 20))

    def let_time_jump(self) -> None:
        """Past a lease, past a pause, past the life of an idempotency key."""
        seconds = self._dice.choice(JUMPS)
        self._world.note("jumps", f"{seconds} s")
        self._pass(seconds)

    def end(self) -> None:
        """Stripe is well again."""
        control = self._world.stripe.control
        self.script = control.faults()
        control.clear_faults()
        control.set_api_key(key=settings.STRIPE_SECRET_KEY, state="accepted")
        control.roll_forward()

    def _pass(self, seconds: float) -> None:
        until = self._world.clock() + timedelta(seconds=seconds)
        self._world.gate.let_arrive(until=until)
        self._world.pass_time(until)
