"""One history: a behaviour and where to strike. Run it, audit it, count it."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.apps import apps
from django.db import connection

from billing_project.dev.simulator import Simulator
from tests.proof.audit import audit_always, audit_at_rest, tell_story
from tests.proof.behaviours import Behaviour
from tests.proof.crash import Operation, Session, Strike, Way, ways_at
from tests.proof.world import NeverRests, World


@dataclass(kw_only=True)
class Tally:
    """What a run has looked at. Adds up over the workers of pytest-xdist as plain JSON."""

    histories: Counter[str] = field(default_factory=Counter)
    """By number of strikes."""
    ways: Counter[str] = field(default_factory=Counter)
    operations: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    checks: Counter[str] = field(default_factory=Counter)
    behaviours: Counter[str] = field(default_factory=Counter)
    crash_points: set[str] = field(default_factory=set)

    def add(self, other: dict[str, Any]) -> None:
        """Add what another worker has sent."""
        for name, value in other.items():
            getattr(self, name).update(value)

    def as_json(self) -> str:
        """What a worker sends."""
        return json.dumps(vars(self) | {"crash_points": sorted(self.crash_points)})


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a history went. `following`: the operations after its last strike, each a place for one more."""

    following: tuple[Operation, ...]
    broken: tuple[str, ...]
    story: str


@dataclass(kw_only=True)
class Laboratory:
    """Runs histories one after the other, each in an empty world."""

    stripe: Simulator
    session: Session
    tally: Tally

    def run(self, behaviour: Behaviour, strikes: Sequence[Strike] = ()) -> Outcome:
        """Live one history to its rest and audit it."""
        self._empty()
        world = World(stripe=self.stripe, behaviour=behaviour, session=self.session, strikes=strikes)
        broken: list[str] = []
        world.after_death = lambda: broken.extend(self._always(world))
        try:
            world.live()
        except NeverRests as tired:
            broken += [f"P5: {tired}", *self._always(world)]
        except Exception as trouble:  # noqa: BLE001 - it is a finding, whatever it is
            # Nothing may end a process but what needs a person; the database's last line of defence ends here.
            broken += [f"unexpected: {type(trouble).__name__}: {trouble}", *self._always(world)]
        else:
            audit = audit_at_rest(world)
            self.tally.checks.update(audit.checked)
            broken += audit.broken
        self._count(world, strikes)
        return Outcome(
            following=tuple(world.gate.seen) if not world.gate.strikes else (),
            broken=tuple(dict.fromkeys(broken)),
            story=tell_story(world) if broken else "",
        )

    def _always(self, world: World) -> list[str]:
        audit = audit_always(world)
        self.tally.checks.update(audit.checked)
        return audit.broken

    def _empty(self) -> None:
        self.stripe.control.reset()
        tables = [model._meta.db_table for model in apps.get_app_config("payments").get_models()]
        with connection.cursor() as cursor:
            # History is append-only for everyone who minds triggers; without them nothing is slower than this.
            cursor.execute("SET session_replication_role = replica")
            cursor.execute(";".join(f"DELETE FROM {table}" for table in tables))  # noqa: S608 - names of models
            cursor.execute("SET session_replication_role = origin")

    def _count(self, world: World, strikes: Sequence[Strike]) -> None:
        tally = self.tally
        tally.histories[str(len(strikes) - len(world.gate.strikes))] += 1
        tally.behaviours[world.behaviour.name] += 1
        tally.operations.update(world.gate.counts)
        tally.ways.update(strike.way.value for strike in strikes[: len(strikes) - len(world.gate.strikes)])
        for fault in self.stripe.control.faults():
            if fault["struck"]:
                tally.faults[f"{fault['kind']} {fault['effect']}"] += fault["struck"]
        if strikes:
            tally.crash_points.add(f"{world.behaviour.name}/{strikes[0]}")


def points(operations: Sequence[Operation], *, among: tuple[Way, ...]) -> Iterator[Strike]:
    """Every place at which one of these ways can strike."""
    for number, operation in enumerate(operations, start=1):
        for way in ways_at(operation, among=among):
            yield Strike(number, way)
