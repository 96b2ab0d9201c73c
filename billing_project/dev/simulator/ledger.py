"""What happened at the simulated Stripe: every object, every change, and questions for an audit.

The ledger must never lie about money: it is what tests hold the product's promises against. It is written
by the server's event loop only; reads are safe from any thread, each under one lock.
"""

from __future__ import annotations

import copy
import random
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from .cards import Behaviour, Card, Returns, Success, fingerprint_of
from .journal import Journal
from .records import (
    BalanceTransaction,
    Charge,
    Customer,
    Dispute,
    Event,
    PaymentIntent,
    PaymentMethod,
    Record,
    Refund,
    Subject,
)
from .searchable import Searchable
from .table import Table

SUBSCRIPTION = "subscription_id"
# The README's example pays with it, as a customer's saved card.
SAVED_VISA = "pm_1"


class Ledger:
    """Tables, a clock that can be moved forward, from `behind` seconds ago, and an optional journal. `lock` guards all
    of it."""

    def __init__(self, *, journal: Journal | None = None, seed: int | None = None, behind: float = 0.0) -> None:
        self.lock = threading.RLock()
        self._journal = journal
        self._random = random.Random(seed)  # noqa: S311 - made-up ids, nothing secret
        self._offset = -behind
        # Request id and idempotency key of the request at work, for its events.
        self.cause: tuple[str | None, str | None] = (None, None)
        # Hears each event; webhooks are sent from there.
        self.listener: Callable[[Event], None] | None = None
        self.clear()

    def clear(self) -> None:
        """Forget every object, keep the clock, and put the README's saved card back."""
        self.customers: Table[Customer] = Table()
        self.payment_methods: Table[PaymentMethod] = Table()
        self.payment_intents: Table[PaymentIntent] = Table()
        self.charges: Table[Charge] = Table()
        self.refunds: Table[Refund] = Table()
        self.disputes: Table[Dispute] = Table()
        self.balance_transactions: Table[BalanceTransaction] = Table()
        self.events: Table[Event] = Table()
        self.searchable = Searchable(now=self.now)
        # What every refund meets, whatever the card says.
        self.returns: Returns | None = None
        self._tables: dict[type[Any], Table[Any]] = {
            Customer: self.customers,
            PaymentMethod: self.payment_methods,
            PaymentIntent: self.payment_intents,
            Charge: self.charges,
            Refund: self.refunds,
            Dispute: self.disputes,
            BalanceTransaction: self.balance_transactions,
            Event: self.events,
        }
        self.restore(
            PaymentMethod(
                id=SAVED_VISA,
                created=int(self.now()),
                card=Card("visa", "4242"),
                fingerprint=fingerprint_of("visa4242"),
                steps=[Success()],
                single_use=False,
            )
        )

    # Clock and names

    def now(self) -> float:
        """Return the simulator's time in seconds since 1970."""
        return time.time() + self._offset

    def advance(self, seconds: float) -> None:
        """Move the clock forward; never backward, lists rely on the order of creation."""
        if seconds < 0:
            raise ValueError("the simulator's clock only moves forward")
        self._offset += seconds

    def new_id(self, prefix: str) -> str:
        """Return a fresh id, such as `pi_3…`."""
        return f"{prefix}_3{self._random.getrandbits(92):023x}"

    # Changes, made by the server

    def save(self, record: Record) -> None:
        """Keep the record as it is now."""
        self.restore(record)
        self.write(record)

    def restore(self, record: Record) -> None:
        """Keep a record that the journal already has."""
        self._tables[type(record)].put(record)
        if isinstance(record, PaymentIntent):
            self.searchable.note(record)

    def write(self, record: object) -> None:
        """Append to the journal, if there is one."""
        if self._journal is not None:
            self._journal.write(record)

    def flush(self) -> None:
        """Let the journal survive the process; called once per request."""
        if self._journal is not None:
            self._journal.flush()

    def tell(self, kind: str, subject: Subject) -> None:
        """Append an event with a snapshot of the subject, for the list of events and for webhooks."""
        event = Event(
            id=self.new_id("evt"),
            created=int(self.now()),
            type=kind,
            snapshot=copy.copy(subject),
            request_id=self.cause[0],
            idempotency_key=self.cause[1],
        )
        self.save(event)
        if self.listener is not None:
            self.listener(event)

    def next_step(self, method: PaymentMethod) -> Behaviour:
        """Return what this attempt to charge the card meets, and move the card on to its next mood."""
        step = method.steps[min(method.taken, len(method.steps) - 1)]
        method.taken += 1
        method.used_up = method.single_use and method.customer is None
        self.save(method)
        return step

    # Audit, from any thread

    def payment_intents_of(self, key: str, value: str) -> list[PaymentIntent]:
        """Return copies of the PaymentIntents with this metadata, oldest first."""
        with self.lock:
            return [copy.copy(i) for i in self.payment_intents if i.metadata.get(key) == value]

    def charges_of(self, key: str, value: str) -> list[Charge]:
        """Return copies of all charges, failed ones too, of the PaymentIntents with this metadata."""
        with self.lock:
            intents = [i for i in self.payment_intents if i.metadata.get(key) == value]
            return [charge for intent in intents for charge in self._charges(intent)]

    def successes(self, subscription_id: str) -> list[Charge]:
        """Return the successful charges of a subscription; more than one is the broken promise."""
        return [c for c in self.charges_of(SUBSCRIPTION, subscription_id) if c.status == "succeeded"]

    def successes_by(self, key: str = SUBSCRIPTION) -> dict[str, list[Charge]]:
        """Return all successful charges, grouped by a metadata key of their PaymentIntents."""
        with self.lock:
            groups: dict[str, list[Charge]] = defaultdict(list)
            for intent in self.payment_intents:
                paid = [c for c in self._charges(intent) if c.status == "succeeded"]
                if paid and (value := intent.metadata.get(key)) is not None:
                    groups[value] += paid
            return dict(groups)

    def twice_charged(self, key: str = SUBSCRIPTION) -> dict[str, list[Charge]]:
        """Return the subscriptions that were charged more than once, with their charges. Best empty."""
        return {value: paid for value, paid in self.successes_by(key).items() if len(paid) > 1}

    def refunds_of(self, payment_intent: str) -> list[Refund]:
        """Return copies of the refunds of one PaymentIntent, oldest first."""
        with self.lock:
            return [copy.copy(r) for r in self.refunds if r.payment_intent == payment_intent]

    def refunded(self, payment_intent: str) -> int:
        """Return the minor units that were or are being given back, failed refunds not counted."""
        gone = {"failed", "canceled"}
        return sum(refund.amount for refund in self.refunds_of(payment_intent) if refund.status not in gone)

    def disputes_of(self, payment_intent: str) -> list[Dispute]:
        """Return copies of the disputes of one PaymentIntent, oldest first."""
        with self.lock:
            return [copy.copy(d) for d in self.disputes if d.payment_intent == payment_intent]

    def report(self, *, key: str | None = None, value: str | None = None) -> dict[str, Any]:
        """Return everything about the PaymentIntents (with that metadata), and totals, as JSON values."""
        with self.lock:
            chosen = [i for i in self.payment_intents if key is None or i.metadata.get(key) == value]
            refunds: dict[str, list[dict[str, Any]]] = defaultdict(list)
            for refund in self.refunds:
                row = {"id": refund.id, "amount": refund.amount, "status": refund.status}
                refunds[refund.payment_intent].append(row)
            rows = [self._row(intent, refunds.get(intent.id, [])) for intent in chosen]
            totals = {
                "payment_intents": len(rows),
                "charges": sum(len(row["charges"]) for row in rows),
                "successful_charges": sum(row["successful_charges"] for row in rows),
                "refunds": sum(len(row["refunds"]) for row in rows),
                "twice_charged": sorted(self.twice_charged()),
            }
            return {"payment_intents": rows, "totals": totals}

    def _charges(self, intent: PaymentIntent) -> list[Charge]:
        return [copy.copy(c) for c in map(self.charges.get, intent.charges) if c is not None]

    def _row(self, intent: PaymentIntent, refunds: list[dict[str, Any]]) -> dict[str, Any]:
        charges = self._charges(intent)
        return {
            "id": intent.id,
            "metadata": intent.metadata,
            "amount": intent.amount,
            "currency": intent.currency,
            "status": intent.status,
            "payment_method": intent.payment_method,
            "customer": intent.customer,
            "amount_received": intent.amount_received,
            "successful_charges": sum(charge.status == "succeeded" for charge in charges),
            "amount_refunded": sum(charge.amount_refunded for charge in charges),
            "disputed": any(charge.disputed for charge in charges),
            "charges": [charge.id for charge in charges],
            "refunds": refunds,
        }
