"""A random history: many subscriptions, several workers, and all troubles at once, drawn from one integer.

The same `World` as a single life has. Time goes by in ticks: at each, one process, person or accident gets its turn.
Every ingredient draws from dice of its own, so that one that is left out changes the others as little as can be.
After the last tick all troubles end, and everything has to come to rest.
"""

import random
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta

from billing_project.dev.simulator import Simulator
from payments.charging.pause import PROBE_EVERY
from tests.proof import rows
from tests.proof.accidents import Accidents
from tests.proof.behaviours import Behaviour
from tests.proof.cast import draw_cast
from tests.proof.chance import Chance
from tests.proof.crash import Died, Session
from tests.proof.crew import Crew
from tests.proof.crowd_edges import Edges
from tests.proof.mail import Mail, Producers
from tests.proof.money_back import MoneyBack
from tests.proof.staff import Staff
from tests.proof.world import NeverRests, World

# What can be left out. Each history leaves out some by itself: of those that have everything, most look the same.
INGREDIENTS = (
    "strikes", "standstills", "late", "faults", "outages", "keys", "jumps", "skew", "webhooks", "rewinds", "zombies",
    "staff", "pauses", "moods", "retries", "lost rings", "refunds",
)  # fmt: skip
SHARE_LEFT_OUT = 0.3

FEWEST_TICKS, MOST_TICKS = 40, 200

# Ticks between two audits.
AUDIT_EVERY = 40

# P5: by then everything is settled or shown to a person.
SOON = timedelta(minutes=3)

# Payments whose outcome Stripe never tells are asked about hourly for ever; the audit waits for a few of these.
PATIENCE = timedelta(hours=3)

# What is due within so long of each other is done together.
TOGETHER = timedelta(seconds=15)

MOST_ROUNDS_TO_REST = 300
DEEPEST = 2


class Crowd(World):
    """One random history. `ticks`: only so many of them, for a shorter one that is still red."""

    def __init__(
        self,
        *,
        stripe: Simulator,
        session: Session,
        seed: int,
        without: frozenset[str] = frozenset(),
        ticks: int | None = None,
    ) -> None:
        self.seed = seed
        left_out = {one for one in INGREDIENTS if self.dice(f"has {one}").random() < SHARE_LEFT_OUT}
        self.on = set(INGREDIENTS) - left_out - without
        length = self.dice("length").randint(FEWEST_TICKS, MOST_TICKS)
        self.ticks = length if ticks is None else ticks
        self.cast = draw_cast(self.dice("cast"), moody="moods" in self.on)
        behaviour = Behaviour(
            name="random", ends=frozenset({"success", "failed", "pending"}), events=(), cards=tuple(self.cast.cards),
            retries=(timedelta(minutes=1), timedelta(hours=1)) if "retries" in self.on else (), processes=True,
        )  # fmt: skip
        super().__init__(stripe=stripe, behaviour=behaviour, session=session)
        self.gate: Chance = Chance(self.dice("gate"), meanwhile=self._meanwhile, now=self.clock)
        session.gate = self.gate
        self.gate.dangers = self.on & {"strikes", "standstills", "late"}
        self.happened: Counter[str] = self.gate.happened
        self._turns = self.dice("turns")
        self._depth = 0
        self.peace_at = self._patient_until = self.clock()
        self.when_soon: Callable[[], None] = lambda: None
        self.edges = Edges(self, self.dice("edges"))
        self.effects_may_be_late = bool({"late", "faults"} & self.on)
        self.producers = Producers(self, self.dice("producers"))
        self.mail = Mail(self, self.dice("mail"))
        self.staff = Staff(self, self.dice("staff"))
        self.money_back = MoneyBack(self, self.dice("money back"))
        self.accidents = Accidents(self, self.dice("accidents"))
        self.crew = Crew(self, self.dice("crew"))
        self._table = self._turn_table()

    def dice(self, name: str) -> random.Random:
        """Dice of their own for whoever draws; the same again for the same seed."""
        return random.Random(f"{self.seed}/{name}")

    def note(self, what: str, words: str = "") -> None:
        """Count an ingredient, and write it into the story."""
        self.happened[what] += 1
        self.gate.log.append(f"   {what} {words}")

    def live(self) -> None:
        """All the ticks, then to rest. Raises `NeverRests`."""
        with self.gate.watch_database():
            self.gate.open = True
            for _ in range(self._turns.randint(1, len(self.cast.parts))):
                self.producers.send()
            for tick in range(1, self.ticks + 1):
                self._tick()
                if tick % AUDIT_EVERY == 0:
                    self.after_death()
            self._make_peace()
            self._come_to_rest()
            self.gate.open = False

    # The turns

    def _turn_table(self) -> tuple[list[tuple[str, Callable[[], object]]], list[int]]:
        table: tuple[tuple[int, str, Callable[[], object]], ...] = (
            (10, "", self.producers.send),
            (14, "", self.edges.bridge),
            (2, "rewinds", self.edges.rewind),
            (2, "zombies", self.edges.take_over),
            (25, "", self.crew.claim),
            (50, "", self.crew.step),
            (4, "", self.crew.sweep),
            (6, "", self.edges.relay),
            (6, "webhooks", self.mail.deliver),
            (2, "webhooks", self.mail.catch_up),
            (4, "staff", self.staff.act),
            (1, "pauses", self.staff.pause_or_resume),
            (3, "refunds", self.money_back.ask),
            (2, "refunds", self.money_back.act_at_stripe),
            (4, "refunds", self.money_back.carry_out),
            (5, "faults", self.accidents.add_fault),
            (1, "outages", self.accidents.begin_outage),
            (1, "keys", self.accidents.turn_key),
            (8, "", self.accidents.let_seconds_pass),
            (5, "jumps", self.accidents.let_time_jump),
            (2, "skew", self.crew.set_clock),
            (2, "strikes", self.crew.kill_one),
            (3, "", self._let_the_bank_decide),
        )
        return [(name, turn) for _, name, turn in table], [weight for weight, _, _ in table]

    def _tick(self) -> None:
        turns, weights = self._table
        ((name, turn),) = self._turns.choices(turns, weights)
        if name and name not in self.on:
            return
        self.clock.now += timedelta(milliseconds=1)
        try:
            turn()
        except Died:
            self.deaths += 1
            self._begin()  # all of them: whoever only stood still is a process of its own, and goes on
            if not self._depth:
                self.after_death()

    def _meanwhile(self) -> None:
        """One process stands still; the others go on."""
        if self._depth >= DEEPEST:
            return
        self._depth += 1
        for _ in range(self._turns.randint(1, 8)):
            self._tick()
        self._depth -= 1

    # The end

    def _make_peace(self) -> None:
        """All troubles end, and whoever stood still finds out, or dies."""
        self.gate.dangers = set()
        self.accidents.end()
        self.staff.end()
        self.money_back.end()
        self.producers.send_all()
        self.gate.let_arrive()
        self.crew.set_clocks_right()
        self.peace_at, self._patient_until = self.clock(), self.clock() + PATIENCE

    def _come_to_rest(self) -> None:
        """Moment by moment while P5 is to be seen; afterwards in leaps, as looks at what has failed take a day."""
        self._begin()
        soon = self.clock() + SOON
        judged = False
        for _ in range(MOST_ROUNDS_TO_REST):
            done = self._peaceful_round()
            moments = self._moments()
            if self.clock() < soon:
                self._move_to(min([soon, *(moment + TOGETHER for moment in moments)]))
            elif not judged:
                judged = True
                self.when_soon()
            elif moments:
                self._move_to(max([self.clock(), *moments]))
            elif not done:
                return
        raise NeverRests(f"not at rest after {MOST_ROUNDS_TO_REST} rounds")

    def _peaceful_round(self) -> bool:
        """Everybody gets a turn. Returns whether anything was done."""
        done = self._take_in() > 0
        done |= self.mail.deliver_all()
        if "webhooks" in self.on:
            self.mail.catch_up()
        done |= self.crew.go_on()
        self._let_the_bank_decide()
        if rows.find_pause():
            self.probe()
        done |= self._charge(self.due()) > 0
        if "refunds" in self.on:
            done |= self.money_back.carry_out()
        return self._relay() or done

    def _moments(self) -> list[datetime]:
        """When something is due. What Stripe never tells is asked about for ever, so not for long here."""
        now, paused = self.clock(), rows.find_pause()
        if paused:
            return [max(now, (paused.probed_at or now) + PROBE_EVERY)]
        waiting = rows.find_waiting(but_given_up=now > self._patient_until)
        if "refunds" in self.on:
            waiting += rows.find_waiting_refunds()
        return [max(now, *(at for at in one if at)) for one in waiting]

    def pass_time(self, until: datetime) -> None:
        """Nothing happens until then."""
        self._move_to(until)
