"""One history: a behaviour and where to strike. Run it, audit it, count it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.apps import apps
from django.db import connection
from django.test import override_settings

from billing_project.dev.simulator import Simulator
from tests.proof.audit import Audit, audit_always, audit_at_rest
from tests.proof.behaviours import Behaviour
from tests.proof.crash import Operation, Session, Strike, Way, ways_at
from tests.proof.inline import InlineThreads
from tests.proof.story import tell_story
from tests.proof.tally import Tally
from tests.proof.world import NeverRests, World

# P5, in words: settled, or shown to a person, within three minutes after the last fault. Where two struck, what
# counts is the wait after the last.
SOON = timedelta(minutes=3)


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
        self.empty()
        world = World(stripe=self.stripe, behaviour=behaviour, session=self.session, strikes=strikes)
        broken: list[str] = []
        world.after_death = lambda: broken.extend(self._always(world))
        try:
            with override_settings(RETRY_SOFT_AFTER=behaviour.retries):
                world.live()
        except NeverRests as tired:
            broken += [f"P5: {tired}", *self._always(world)]
        except Exception as trouble:  # noqa: BLE001 - it is a finding, whatever it is
            # Nothing may end a process but what needs a person; the database's last line of defence ends here.
            broken += [f"unexpected: {type(trouble).__name__}: {trouble}", *self._always(world)]
        else:
            audit = audit_at_rest(world)
            audit_end(audit, behaviour, trouble_at=world.trouble_at)
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

    def empty(self) -> None:
        """Nothing is in the database, and nothing has happened at Stripe."""
        self.stripe.control.reset()
        InlineThreads.begin()
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
        tally.note_faults(self.stripe.control.faults())
        if strikes:
            tally.crash_points.add(f"{world.behaviour.name}/{strikes[0]}")


def audit_end(audit: Audit, behaviour: Behaviour, *, trouble_at: datetime) -> None:
    """One payment, or one more for each time that it was re-issued; the last one rests as it should, and soon."""
    wanted = 1 + [deed.what for deed in behaviour.deeds].count("reissue")
    audit.expect("P2", len(audit.payments) == wanted, f"{len(audit.payments)} payments, not {wanted}")
    if not audit.payments:
        return
    *earlier, last = audit.payments
    audit.expect("P1", all(one.closed_at for one in earlier), "an earlier payment is open")
    ends = sorted(behaviour.ends)
    audit.expect("P3", last.status in ends, f"rests as {last.status} ({last.code}), not as {ends}")
    if last.settled_at:
        took = last.settled_at - trouble_at
        audit.expect("P5", took <= SOON, f"settled {took} after the last fault")


def points(operations: Sequence[Operation], *, among: tuple[Way, ...]) -> Iterator[Strike]:
    """Every place at which one of these ways can strike."""
    for number, operation in enumerate(operations, start=1):
        for way in ways_at(operation, among=among):
            yield Strike(number, way)
