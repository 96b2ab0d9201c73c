"""The life of one payment, in one thread, so that the same history runs the same way again.

Real: PostgreSQL, the simulator over HTTP behind the real SDK, and all of the product from the bridge's loop to
the relay's. Stand-ins, for speed, at the two edges only: the topics are lists, with a committed offset, a
group's generation and a producer's epoch, as Kafka keeps them. The doorbell is a list too. HTTP calls run in the
caller's thread, one at a time.
"""

import uuid
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta

import stripe as sdk
from django.conf import settings
from django.db import OperationalError
from django.db.models import Q

from billing_project.dev.simulator import Simulator
from bridge import consumer, relay
from bridge.kafka import Delivered, Fenced, KafkaAway, Outgoing
from bridge.loop import DATABASE_ERRORS, Stop
from payments import charging, limits
from payments.gateway import Gateway
from payments.models import Payment
from tests.conftest import Clock
from tests.proof.behaviours import Behaviour, Wanted
from tests.proof.crash import Died, Gate, Session, Strike
from tests.proof.edges import SUBSCRIPTION, Sink, Source, delivered

# The history under way, for what the product reaches by name: its clock and its doorbell.
LIVING: "list[World]" = []

LONGEST_CONNECT = 5.0

# Whoever needs more rounds than this to come to rest never does.
MOST_ROUNDS = 60

# How far ahead of a process that stands still the others' clocks get: far past any lease.
STALL = timedelta(minutes=10)


class NeverRests(Exception):
    """A history that isn't over after so many rounds."""


class World:
    """What outlives every process: topics, offsets, time, and Stripe."""

    def __init__(
        self, *, stripe: Simulator, behaviour: Behaviour, session: Session, strikes: Iterable[Strike] = ()
    ) -> None:
        self.stripe, self.behaviour, self.session = stripe, behaviour, session
        self.gate = Gate(list(strikes), stalled=self._stall, struck=self._trouble)
        session.gate = self.gate
        self.clock = Clock()
        self.topic: list[Delivered] = []
        self.to_come = list(behaviour.events)
        self.committed = 0
        self.published: list[Outgoing] = []
        self.rung: list[uuid.UUID] = []
        self.generation = self.epoch = self.deaths = 0
        self.trouble_at = self.clock()
        self.after_death: Callable[[], None] = lambda: None
        LIVING[:] = [self]
        self._ahead = self.clock()
        self._faults_struck = 0
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
        return done or self._wait(until)

    def _begin(self) -> None:
        """A fresh run: nothing in memory, a place in the group, a producer that fences its predecessor."""
        self.source, self.sink, self.rung = Source(self), Sink(self), []
        http = sdk.RequestsClient(timeout=(LONGEST_CONNECT, self.behaviour.read_timeout), session=self.session)
        client = sdk.StripeClient(
            settings.STRIPE_SECRET_KEY,
            base_addresses={"api": self.stripe.url},
            http_client=http,
            max_network_retries=0,
        )
        self.gateway = Gateway(client)
        limits.breaker = limits.Breaker()

    def _round(self) -> bool:
        """Every process gets its turn. Returns whether anything was done."""
        if self.source.generation != self.generation or self.sink.epoch != self.epoch:
            self._begin()
        done = self._produce()
        done |= self._take_in() > 0
        rung, self.rung = self.rung, []
        done |= self._charge(rung) > 0
        self._probe()
        done |= self._charge(self._due()) > 0
        return self._relay() or done

    def _take_in(self) -> int:
        with suppress(*DATABASE_ERRORS):
            return consumer.run_once(source=self.source, stop=Stop())  # type: ignore[arg-type]
        return 1

    def _charge(self, ids: Sequence[uuid.UUID]) -> int:
        """As a task does: what it raises is logged, and the worker lives."""
        count = 0
        try:
            count = charging.charge(payment_ids=ids, gateway=self.gateway, clock=self.clock) if ids else 0
        except* DATABASE_ERRORS:
            count = 1
        struck = sum(fault["struck"] for fault in self.stripe.control.faults())
        if struck > self._faults_struck:
            self._faults_struck = struck
            self._trouble()
        return count

    def _probe(self) -> None:
        """As the sweep does: is what has paused charging over?"""
        with suppress(*DATABASE_ERRORS):
            charging.probe(gateway=self.gateway, now=self.clock())

    def _due(self) -> list[uuid.UUID]:
        free = Q(lease_until__isnull=True) | Q(lease_until__lte=self.clock())
        return list(Payment.objects.filter(free, due_at__lte=self.clock()).values_list("id", flat=True))

    def _relay(self) -> bool:
        count, some = 1, False
        while count:
            try:
                count = relay.run_once(sink=self.sink)  # type: ignore[arg-type]
            except (KafkaAway, Fenced, OperationalError):
                self.sink = Sink(self)
            some |= count > 0
        return some

    def _wait(self, until: datetime | None) -> bool:
        """Let time pass to the next thing that is due. False: nothing is, or not in time."""
        if self.behaviour.processes:
            self._let_the_bank_decide()
        moments = [
            max(payment.due_at, payment.lease_until or payment.due_at)
            for payment in Payment.objects.all()
            if payment.due_at and not (self.behaviour.unknowable and payment.attention)
        ]
        if not moments and not self._waits_for_events():
            return False
        soonest = max(self.clock(), min(moments, default=self.clock() + timedelta(seconds=1)))
        if until is not None and soonest > until:
            return False
        self.clock.now = soonest
        self.stripe.control.advance_clock(seconds=0)
        return True

    def _let_the_bank_decide(self) -> None:
        for intent in self.stripe.ledger.payment_intents_of("subscription_id", SUBSCRIPTION):
            if intent.status == "processing":
                self.stripe.control.resolve(payment_intent=intent.id)
                self._trouble()

    def _produce(self) -> bool:
        """The producer, whom no fault of ours concerns, sends what it is time for."""
        sent = False
        while self.to_come and self._is_time_for(self.to_come[0]):
            wanted = self.to_come.pop(0)
            self.clock.advance(seconds=1)
            self.topic.append(delivered(wanted, offset=len(self.topic), at=self.clock()))
            self.trouble_at = max(self.trouble_at, self.clock())
            sent = True
        return sent

    def _is_time_for(self, wanted: Wanted) -> bool:
        if wanted.when == "start":
            return True
        statuses = list(Payment.objects.values_list("status", flat=True))
        return bool(statuses) and (wanted.when == "accepted" or "pending" not in statuses)

    def _waits_for_events(self) -> bool:
        return bool(self.to_come) and self._is_time_for(self.to_come[0])

    def _trouble(self) -> None:
        self.trouble_at = max(self.trouble_at, self.clock())

    def _stall(self) -> None:
        """The process stands still: its lease runs out by the others' clocks, and they do what they find."""
        stands = (self.source, self.sink, self.gateway, self.rung)
        began = self.clock.now
        self.clock.now = began + STALL
        self._begin()
        for _ in range(MOST_ROUNDS):
            if not self._survive_round(until=began + 2 * STALL):
                break
        self._ahead = max(self._ahead, self.clock.now)
        self.clock.now = began
        self.trouble_at = max(self.trouble_at, self._ahead)
        self.source, self.sink, self.gateway, self.rung = stands
        self.gate.open = True
