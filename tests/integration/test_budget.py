"""What an event costs in statements, commits and calls to Stripe is what is recorded: counts, which no machine changes.

Where it differs for a good reason, `make budget` records it anew, and the change of `benchmarks/budget.json` is
reviewed with the rest.
"""

import contextlib
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connection

from benchmarks import budget
from billing_project.dev.simulator import Simulator
from payments import charging, limits, outbox, tasks
from payments.charging import calls
from payments.gateway import Gateway
from payments.limits import Endpoint
from payments.models import Payment
from payments.outbox import waking
from tests.integration.events import accept, event, record
from tests.proof.inline import InlineThreads

# Enough for two full messages.
TOGETHER, ALONE = 100, 20


class Counter:
    """Counts what happens on this thread's connection and at Stripe, stage by stage."""

    def __init__(self, stripe: Simulator, events: int) -> None:
        self._stripe, self._events = stripe, events
        self._found: dict[str, dict[str, int]] = {}

    @contextlib.contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Whatever happens within belongs to this stage, beside what did before."""
        found = self._found.setdefault(name, {"statements": 0, "commits": 0, "calls to Stripe": 0})
        commit, asked = connection.commit, len(self._stripe.control.requests())

        def execute(carry_out: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
            found["statements"] += 1
            found["commits"] += not connection.in_atomic_block
            return carry_out(sql, params, many, context)

        def commit_and_count() -> None:
            found["commits"] += 1
            commit()

        with pytest.MonkeyPatch.context() as patch, connection.execute_wrapper(execute):
            patch.setattr(connection, "commit", commit_and_count)
            yield
        found["calls to Stripe"] += len(self._stripe.control.requests()) - asked

    def counts(self) -> dict[str, dict[str, float]]:
        """Per event."""
        return {
            stage: {what: count / self._events for what, count in found.items()} for stage, found in self._found.items()
        }


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch, settings: Any) -> datetime:
    """Nothing depends on how fast the machine is: tokens are there at once, and each commit wakes the relay."""
    monkeypatch.setattr(waking, "WAKE_INTERVAL", 0.0)
    settings.STRIPE_RATE_LIMIT = 10_000
    limits.connect_redis().flushdb()
    return datetime.now(UTC)


def go(counter: Counter, gateway: Gateway, now: datetime, *, size: int, names: str) -> None:
    """So many events the whole way: one batch, messages of 50, one look of the relay."""
    records = [record(event(f"{names}_{n}"), at=now) for n in range(size)]
    with counter.stage("intake"):
        due = accept(*records, now=now).due
    limits.give_back(calls=[*Endpoint] * size)
    with counter.stage("charge and settle"):
        for start in range(0, size, tasks.IDS_PER_MESSAGE):
            ids = due[start : start + tasks.IDS_PER_MESSAGE]
            charging.charge(payment_ids=ids, gateway=gateway, clock=lambda: now, pace=tasks.LIVE)
    with counter.stage("relay"):
        waiting = outbox.waiting(limit=500)
        outbox.mark_published(ids=[one.id for one in waiting], now=now)
    assert len(waiting) == size


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("way", ["together", "alone"])
def test_an_event_costs_what_is_recorded(
    way: str, stripe: Simulator, stripe_gateway: Gateway, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Together: one batch, full messages, Stripe's answers at one moment, so that all write together that can. Alone:
    each event in a batch and a message of its own, as at low load."""
    stripe_gateway.ask_account()  # once for each process
    if way == "together":
        monkeypatch.setattr(calls, "_begin", lambda call, _: InlineThreads().submit(call))
        counter = Counter(stripe, TOGETHER)
        go(counter, stripe_gateway, now, size=TOGETHER, names="sub")
    else:
        counter = Counter(stripe, ALONE)
        for number in range(ALONE):
            go(counter, stripe_gateway, now, size=1, names=f"sub_{number}")
    assert set(Payment.objects.values_list("status", flat=True)) == {"success"}
    if "WRITE_BUDGET" in os.environ:
        budget.write(way, counter.counts())
    assert budget.compare(counted=counter.counts(), budget=budget.read(way)) == [], "if that is meant: `make budget`"


def test_more_than_the_budget_is_named_and_so_is_much_less() -> None:
    """A little less is let be."""
    allowed = {"intake": {"statements": 1.0, "commits": 0.5, "calls to Stripe": 0.0}, "relay": {"statements": 1.0}}
    counted = {"intake": {"statements": 1.01, "commits": 0.39, "calls to Stripe": 0.0}, "relay": {"statements": 0.8}}
    assert budget.compare(counted=counted, budget=allowed) == [
        "intake: 1.01 statements an event, budget 1: is it worth it?",
        "intake: 0.39 commits an event, budget 0.5: well done, lower it",
    ]


def test_what_has_no_budget_or_is_no_longer_counted_is_named() -> None:
    """Nobody adds a stage that costs what it likes."""
    found = budget.compare(counted={"new": {"statements": 1.0}}, budget={"old": {"statements": 1.0}})
    assert found == ["new: 1 statements an event, and no budget", "old: has a budget, and isn't counted"]
