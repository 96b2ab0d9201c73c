"""The life of one payment, in one thread, so that the same history runs the same way again.

Real: PostgreSQL, the simulator over HTTP behind the real SDK, and all of the product from the bridge's loop to
the relay's. Stand-ins, for speed, at the two edges only: the topics are lists, with a committed offset, a
group's generation and a producer's epoch, as Kafka keeps them. The doorbell is a list too. HTTP calls run in the
caller's thread, one at a time.
"""

import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta

import stripe as sdk
from django.conf import settings
from django.db import OperationalError

from billing_project.dev.simulator import Simulator
from bridge import consumer, relay
from bridge.kafka import Delivered, Fenced, KafkaAway, Outgoing
from bridge.loop import DATABASE_ERRORS, Stop
from payments import charging, limits, webhooks
from payments.charging.pause import PROBE_EVERY
from payments.gateway import Gateway
from tests.conftest import Clock
from tests.proof import rows
from tests.proof.behaviours import Behaviour
from tests.proof.crash import Died, Gate, Session, Strike
from tests.proof.edges import Sink, Source
from tests.proof.others import Others, deliver_webhooks

# The history under way, for what the product reaches by name: its clock and its doorbell.
LIVING: "list[World]" = []

LONGEST_CONNECT = 5.0

# Whoever needs more rounds than this to come to rest never does.
MOST_ROUNDS = 60

# How far ahead of a process that stands still the others' clocks get: far past any lease.
STALL = timedelta(minutes=10)

# How long nobody works where a behaviour says so: Stripe has forgotten all idempotency keys by then.
SLEEP = timedelta(hours=25)


class NeverRests(Exception):
    """A history that isn't over after so many rounds."""


class World:
    """What outlives every process: topics, offsets, time, and Stripe."""

    def __init__(
        self, *, stripe: Simulator, behaviour: Behaviour, session: Session, strikes: Iterable[Strike] = ()
    ) -> None:
        self.stripe, self.behaviour, self.session = stripe, behaviour, session
        self.gate = Gate(list(strikes), stalled=self._stall, hinted=self._hint, struck=self._trouble)
        session.gate = self.gate
        self.clock = Clock()
        self.stripe_at = self.clock()
        self.topic: list[Delivered] = []
        self.others = Others(self)
        self.heard: set[str] = set()
        self.committed = 0
        self.published: list[Outgoing] = []
        self.rung: list[uuid.UUID] = []
        self.generation = self.epoch = self.deaths = 0
        self.trouble_at = self.clock()
        self.after_death: Callable[[], None] = lambda: None
        LIVING[:] = [self]
        self._ahead = self.clock()
        self._faults_struck = 0
        self._awake = True
        self.effects_may_be_late = any(fault["kind"] == "roll_forward" for fault in behaviour.faults)
        for card in behaviour.cards:
            stripe.control.add_payment_method(**card)
        for fault in behaviour.faults:
            stripe.control.add_fault(**fault)
        self._begin()

    def live(self) -> None:
        """Drive it to rest, beginning anew after every death. Raises `NeverRests`."""
        with self.gate.watch_database():
            for _ in range(MOST_ROUNDS):
                if self._survive_round(until=None):
                    continue
                if self.committed == len(self.topic):
                    return
                # A commit was lost, and no later record has made good for it: one day the bridge starts anew.
                self._begin()
        raise NeverRests(f"not at rest after {MOST_ROUNDS} rounds")

    def ring(self, payment_ids: Sequence[uuid.UUID]) -> Sequence[uuid.UUID]:
        """The doorbell: heard in the next round, unless somebody dies."""
        self.rung += payment_ids
        return payment_ids

    def _survive_round(self, *, until: datetime | None) -> bool:
        self.gate.open = True
        try:
            done = self._round()
        except Died:
            self.deaths += 1
            self.after_death()
            self._begin()
            return True
        finally:
            self.gate.open = False
            self.clock.now = max(self.clock.now, self._ahead)
            self._note_faults()
        return done or self._wait(until)

    def _begin(self) -> None:
        """A fresh run: nothing in memory, a place in the group, a producer that fences its predecessor."""
        self.source, self.sink, self.rung = Source(self), Sink(self), []
        self.gateway = self.connect()
        limits.breaker = limits.Breaker()

    def connect(self) -> Gateway:
        """A gateway as a process has it: it knows nothing yet."""
        http = sdk.RequestsClient(timeout=(LONGEST_CONNECT, self.behaviour.read_timeout), session=self.session)
        client = sdk.StripeClient(
            settings.STRIPE_SECRET_KEY,
            base_addresses={"api": self.stripe.url},
            http_client=http,
            max_network_retries=0,
        )
        return Gateway(client)

    def _round(self) -> bool:
        """Every process gets its turn. Returns whether anything was done."""
        if self.source.generation != self.generation or self.sink.epoch != self.epoch:
            self._begin()
        done = self.others.produce()
        done |= self._take_in() > 0
        done |= self._catch_up()
        rung, self.rung = self.rung, []
        done |= self._charge(rung) > 0
        self.probe()
        done |= self._charge(self.due()) > 0
        done |= self.others.do_a_deed()
        return self._relay() or done

    def _take_in(self) -> int:
        with suppress(*DATABASE_ERRORS):
            return consumer.run_once(source=self.source, stop=Stop())  # type: ignore[arg-type]
        return 1

    def _catch_up(self) -> bool:
        """As the task of each second does. Returns whether it has to come again."""
        if not self.heard:
            return False
        try:
            self.ring(webhooks.catch_up(now=self.clock()))
        except DATABASE_ERRORS:
            return True
        return False

    def _charge(self, ids: Sequence[uuid.UUID]) -> int:
        """As a task does: what it raises is logged, and the worker lives."""
        count = 0
        try:
            count = charging.charge(payment_ids=ids, gateway=self.gateway, clock=self.clock) if ids else 0
        except* DATABASE_ERRORS:
            count = 1
        return count

    has_forgotten = False

    def find_ahead(self) -> set[int]:
        """Offsets that are committed and have no row."""
        return set(range(self.committed)).difference(rows.find_offsets())

    def find_unjudged(self) -> list[int]:
        """Offsets without exactly one row, and those that aren't committed."""
        times = Counter(rows.find_offsets())
        unjudged = [offset for offset in {*range(len(self.topic)), *times} if times[offset] != 1]
        return unjudged + list(range(self.committed, len(self.topic)))

    def probe(self) -> None:
        """As the sweep does: is what has paused charging over?"""
        with suppress(*DATABASE_ERRORS):
            charging.probe(gateway=self.gateway, now=self.clock())

    def due(self) -> list[uuid.UUID]:
        """What is due and free, oldest first."""
        return rows.find_due(now=self.clock())

    def _relay(self) -> bool:
        count, some = 1, False
        while count and rows.is_anything_to_tell():
            try:
                count = relay.run_once(sink=self.sink)  # type: ignore[arg-type]
            except (KafkaAway, Fenced, OperationalError):
                self.sink = Sink(self)
            some |= count > 0
        return some

    def _note_faults(self) -> None:
        struck = sum(fault["struck"] for fault in self.stripe.control.faults())
        if struck > self._faults_struck:
            self._faults_struck = struck
            self._trouble()
            if self.behaviour.sleeps and self._awake:
                self._awake = False
                self._move_to(self.clock() + SLEEP)
                self.stripe.control.forget_keys()
                self._trouble()

    def _wait(self, until: datetime | None) -> bool:
        """Let time pass to the next thing that is due. False: nothing is, or not in time."""
        if self.behaviour.processes:
            self._let_the_bank_decide()
        waiting = rows.find_waiting(but_given_up=self.behaviour.unknowable)
        moments = [max(at for at in one if at) for one in waiting]
        if not moments and not self.others.are_waited_for():
            return False
        soonest = max(self.clock(), min(moments, default=self.clock() + timedelta(seconds=1)))
        paused = rows.find_pause()
        if paused:
            soonest = max(soonest, (paused.probed_at or paused.began_at) + PROBE_EVERY)
        if until is not None and soonest > until:
            return False
        self._move_to(soonest)
        return True

    def _move_to(self, moment: datetime) -> None:
        """Let time pass, here and at Stripe, whose clock never goes back."""
        self.clock.now = moment
        if moment > self.stripe_at:
            self.stripe.control.advance_clock(seconds=(moment - self.stripe_at).total_seconds())
            self.stripe_at = moment

    def _let_the_bank_decide(self) -> None:
        ledger = self.stripe.ledger
        with ledger.lock:
            waiting = [intent.id for intent in ledger.payment_intents if intent.status == "processing"]
        for intent in waiting:
            self.stripe.control.resolve(payment_intent=intent)
            self._trouble()

    def _hint(self) -> None:
        self.gate.open = False
        self.rung += deliver_webhooks(stripe=self.stripe, heard=self.heard, now=self.clock())
        self.gate.open = True

    def _trouble(self) -> None:
        self.trouble_at = max(self.trouble_at, self.clock())

    def _stall(self) -> None:
        """The process stands still: its lease runs out by the others' clocks, and they do what they find."""
        stands = (self.source, self.sink, self.gateway, self.rung)
        began = self.clock.now
        self._move_to(began + STALL)
        self._begin()
        for _ in range(MOST_ROUNDS):
            if not self._survive_round(until=began + 2 * STALL):
                break
        self._ahead = max(self._ahead, self.clock.now)
        self.clock.now = began
        self.trouble_at = max(self.trouble_at, self._ahead)
        self.source, self.sink, self.gateway, self.rung = stands
        self.gate.open = True
