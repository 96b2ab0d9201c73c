"""Two workers and everybody else at one subscription, in whatever order Hypothesis thinks of.

The rules are what may happen at any time. Each is over when it returns, and then the truth is looked at. What one
process does not survive, is told too late, or learns never, is a rule as well; so that all interleavings of calls,
commits and answers that the product can get into are reachable, and a red one is shrunk to its shortest.
"""

import itertools
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from payments import charging, intake, limits, webhooks
from payments.answers import Unknown
from payments.charging.claim import LEASE
from payments.charging.pause import PROBE_EVERY
from payments.charging.steps import Call
from payments.gateway import Event
from payments.models import Payment
from tests.conftest import Clock
from tests.integration.events import event, record
from tests.stateful.desk import Desk
from tests.stateful.truth import SUBSCRIPTION, UNKNOWABLE, Truth
from tests.stateful.worker import Worker

CARDS: tuple[dict[str, Any], ...] = (
    {"id": "pm_good"},
    {"id": "pm_owned", "customer": "cus_1"},
    {"id": "pm_soft", "like": "pm_card_chargeDeclined"},
    {"id": "pm_hard", "like": "pm_card_chargeDeclinedLostCard"},
    {"id": "pm_sca", "like": "pm_card_authenticationRequired"},
    {"id": "pm_fickle", "behaviour": ["pm_card_chargeDeclined", "success"]},
    {"id": "pm_slow", "behaviour": "processing"},
)
METHODS = st.sampled_from([*(str(card["id"]) for card in CARDS), "pm_missing"])
FAULTS = st.sampled_from([
    {"kind": "reset", "effect": "before"},
    {"kind": "reset", "effect": "after"},
    {"kind": "cut", "effect": "after"},
    {"kind": "status", "status": 500, "effect": "before"},
    {"kind": "status", "status": 500, "effect": "after"},
    {"kind": "status", "status": 429, "effect": "none"},
    {"kind": "status", "status": 409, "effect": "none"},
])  # fmt: skip
ENDPOINTS = st.sampled_from(["create", "confirm", "confirm", "retrieve", "cancel"])
TYPES = st.sampled_from(["payment_intent.succeeded", "payment_intent.payment_failed", "payment_intent.canceled"])
WHICH = st.sampled_from([0, 1])

# A call is on its way, or its process stands still, for no longer: far past any lease, and far below a key's life.
LONGEST_DELAY = timedelta(minutes=10)
MOST_ROUNDS = 60
LOST = Unknown(why="no_answer")
"""What a worker is told whose call is lost, or took too long: it can't know which."""


class Machine(RuleBasedStateMachine):
    """One history. Made anew for each, in an empty database and at an empty Stripe."""

    def __init__(self, desk: Desk) -> None:
        super().__init__()
        self.stripe, self.gateway = desk.open()
        limits.breaker.forget()  # as in a process that has just begun
        self.clock = Clock()
        self.truth = Truth(self.stripe)
        self.workers = [Worker(gateway=self.gateway, clock=self.clock) for _ in range(2)]
        self.late: list[tuple[datetime, Call]] = []
        self.asked_at: dict[int, datetime] = {}
        self.records: list[intake.Record] = []
        self.numbers = itertools.count(1)
        for card in CARDS:
            self.stripe.control.add_payment_method(**card)

    # what comes in

    @initialize(method=METHODS, customer_known=st.booleans())
    def begin(self, method: str, customer_known: bool) -> None:
        """The first event."""
        self._send(method, **({"customer": "cus_1"} if customer_known else {}))

    @rule(method=METHODS, known=st.one_of(st.none(), st.integers(0, 20)), moved=st.booleans())
    def deliver(self, method: str, known: int | None, moved: bool) -> None:
        """A newer event of the same subscription; or one that is known, at its place or, sent again, at another."""
        if known is None:
            self._send(method)
            return
        record = self.records[known % len(self.records)]
        again = replace(record, offset=next(self.numbers) + 1_000_000) if moved else record
        intake.accept(records=[again], group="test-group", now=self.clock())

    # what two workers do

    @rule(which=WHICH, calls=st.integers(1, 6))
    def work(self, which: int, calls: int) -> None:
        """A doorbell or the sweep, for who has nothing in hand; then so many calls, each answered and heard."""
        self._claim(which)
        for _ in range(calls):
            if self.workers[which].call is None:
                return
            self._hear(which)

    @rule(which=WHICH, calls=st.integers(0, 5))
    def carry_out(self, which: int, calls: int) -> None:
        """Stripe carries out the call after these; its answer is under way."""
        self.work(which, calls)
        worker = self.workers[which]
        if worker.call and worker.answer is None:
            worker.ask()

    @rule(which=WHICH, calls=st.integers(0, 5), carried_out=st.booleans(), arrives=st.booleans())
    def lose_answer(self, which: int, calls: int, carried_out: bool, arrives: bool) -> None:
        """The worker gives up waiting. The call after these may have been carried out, or be still, or never."""
        if carried_out:
            self.carry_out(which, calls)
        else:
            self.work(which, calls)
        worker = self.workers[which]
        if worker.call:
            self._leave_behind(worker, arrives)
            worker.hear(LOST)
            self.asked_at[which] = self.clock()

    @rule(which=WHICH, calls=st.integers(0, 5), arrives=st.booleans())
    def kill(self, which: int, calls: int, arrives: bool) -> None:
        """A worker is killed between any two of its steps."""
        self.work(which, calls)
        worker = self.workers[which]
        self._leave_behind(worker, arrives)
        worker.die()

    @precondition(lambda self: self.late)
    @rule(which=st.integers(0, 20))
    def arrive_late(self, which: int) -> None:
        """A call that nobody waits for any more reaches Stripe."""
        _, call = self.late.pop(which % len(self.late))
        call()

    # time, and what others do

    @rule(lost=st.booleans())
    def outlast_leases(self, lost: bool) -> None:
        """A worker stands still past its lease, or it is lost: whoever rests safety on a lease is found out."""
        if lost:
            Payment.objects.filter(lease_until__isnull=False).update(lease_until=None)
        else:
            self._wait(LEASE)

    @rule()
    def wait_until_due(self) -> None:
        """The next moment at which there is something to do."""
        soonest = Payment.objects.filter(due_at__gt=self.clock()).order_by("due_at").first()
        if soonest and soonest.due_at:
            self._wait(soonest.due_at - self.clock())

    @rule(deed=st.sampled_from(["replay", "close", "reissue", "pause", "resume"]))
    def act_as_staff(self, deed: str) -> None:
        """Whatever staff can do, at any time."""
        latest, now = Payment.objects.order_by("-number")[0].id, self.clock()
        match deed:
            case "replay":
                charging.replay(payment_id=latest, who="aida", reason="called", now=now)
            case "close":
                charging.close(payment_id=latest, who="aida", reason="left", gateway=self.gateway, now=now)
            case "reissue":
                charging.reissue(payment_id=latest, who="aida", reason="agreed", now=now)
            case "pause":
                charging.pause(cause="staff", reason="lunch", who="aida", now=now)
            case _:
                charging.resume(cause="staff", who="aida", now=now)

    @rule(fault=FAULTS, endpoint=ENDPOINTS)
    def disturb(self, fault: dict[str, Any], endpoint: str) -> None:
        """The next call of this kind goes wrong."""
        self.stripe.control.add_fault(**fault, endpoint=f"payment_intents.{endpoint}")

    @rule(type=TYPES, decide=st.booleans())
    def hint(self, type: str, decide: bool) -> None:
        """A webhook, true or not: no more than a hint. Perhaps a bank has decided."""
        if decide:
            self._let_the_bank_decide()
        for intent in Payment.objects.filter(intent_id__isnull=False).values_list("intent_id", flat=True):
            about = {"id": intent, "object": "payment_intent"}
            content = {"livemode": False, "data": {"object": about}}
            webhooks.receive(event=Event(id=f"evt_{next(self.numbers)}", type=type, content=content), now=self.clock())
        webhooks.catch_up(now=self.clock())

    @invariant()
    def tell_the_truth(self) -> None:
        """After every step."""
        self.truth.check()

    def teardown(self) -> None:
        """Faults end, nothing is on its way any more, and all that can be done is done."""
        try:
            self._come_to_rest()
            self.truth.check_at_rest()
        finally:
            for worker in self.workers:
                worker.die()
                worker.dismiss()

    def _come_to_rest(self) -> None:
        self.stripe.control.clear_faults()
        charging.resume(cause="staff", who="aida", now=self.clock())
        self.late.clear()
        for _ in range(MOST_ROUNDS):
            self._let_the_bank_decide()
            if charging.is_paused():
                # Stripe gave no answer ten times in a row: it is asked whether that is over, as the sweep does.
                self.clock.now += PROBE_EVERY
                charging.probe(gateway=self.gateway, now=self.clock())
            for which in (0, 1):
                self._claim(which)
                while self.workers[which].call:
                    self._hear(which)
                self.truth.check()
            waiting = Payment.objects.filter(due_at__isnull=False).exclude(UNKNOWABLE)
            due = [max(one.due_at, one.lease_until or one.due_at) for one in waiting if one.due_at]
            if not due:
                return
            self.clock.now = max(self.clock(), min(due))
        raise AssertionError(f"P5: not at rest after {MOST_ROUNDS} rounds")

    def _send(self, method: str, **changes: Any) -> None:
        self.clock.advance(seconds=1)
        value = event(SUBSCRIPTION, method=method, **changes)
        self.records.append(record(value, at=self.clock(), offset=next(self.numbers)))
        intake.accept(records=[self.records[-1]], group="test-group", now=self.clock())

    def _claim(self, which: int) -> None:
        if self.workers[which].call is None:
            self.workers[which].claim(list(Payment.objects.values_list("id", flat=True)))
            self.asked_at[which] = self.clock()

    def _hear(self, which: int) -> None:
        worker = self.workers[which]
        if worker.answer is None:
            worker.ask()
        assert worker.answer is not None
        worker.hear(worker.answer)
        self.asked_at[which] = self.clock()

    def _let_the_bank_decide(self) -> None:
        for intent in self.stripe.ledger.payment_intents_of("subscription_id", SUBSCRIPTION):
            if intent.status == "processing":
                self.stripe.control.resolve(payment_intent=intent.id)

    def _leave_behind(self, worker: Worker, arrives: bool) -> None:
        if worker.call and worker.answer is None and arrives:
            self.late.append((self.clock(), worker.call))

    def _wait(self, long: timedelta) -> None:
        self.clock.now += long
        self.late = [(at, call) for at, call in self.late if self.clock() - at < LONGEST_DELAY]
        for which, worker in enumerate(self.workers):
            if worker.call and self.clock() - self.asked_at[which] >= LONGEST_DELAY:
                worker.die()
