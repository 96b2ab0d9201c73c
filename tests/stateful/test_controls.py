"""Does the machine see anything? Each guard is switched off here, and a history that needs it must turn red."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import pytest

from payments import declines
from payments.charging import writes
from payments.charging.settling import Settling
from payments.charging.writes import Bind
from payments.models import Attempt, Payment
from tests.stateful.desk import Desk
from tests.stateful.machine import Machine
from tests.switches import without_trigger

# Of the first attempt with a method whose customer isn't known: owner, create, account; then comes the confirm.
BEFORE_CONFIRM, BEFORE_BIND = 3, 1


@pytest.fixture
def machine(desk: Desk) -> Iterator[Machine]:
    """Before its first event; it needn't come to rest."""
    made = Machine(desk)
    yield made
    for worker in made.workers:
        worker.die()
        worker.dismiss()


def lose_the_answer_to_a_charge(machine: Machine) -> None:
    """Stripe has charged, and the worker doesn't learn it."""
    machine.begin("pm_good", customer_known=False)
    machine.lose_answer(0, BEFORE_CONFIRM, carried_out=True, arrives=False)
    machine.tell_the_truth()


def bind_late(machine: Machine) -> None:
    """A worker whose lease is lost comes back with an intent of its own, after another one has charged."""
    machine.begin("pm_good", customer_known=False)
    machine.carry_out(0, BEFORE_BIND)
    machine.outlast_leases(lost=True)
    machine.work(1, 6)
    machine.work(0, 6)
    machine.tell_the_truth()


def test_with_all_guards_a_lost_answer_is_harmless(machine: Machine) -> None:
    """Or the tests below would show nothing."""
    lose_the_answer_to_a_charge(machine)


def test_with_all_guards_a_late_binding_is_harmless(machine: Machine) -> None:
    """As above."""
    bind_late(machine)
    assert len(machine.stripe.ledger.successes("sub_1")) == 1


def test_failing_what_is_unknown_is_seen(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """P3: a call without an answer says nothing."""

    def unknown(self: Any, why: str, **_: Any) -> None:
        if self.attempt.state in Attempt.OPEN:
            self._failed(Attempt.State.REJECTED, declines.UNKNOWN_REJECTION, why)

    monkeypatch.setattr(Settling, "_unknown", unknown)
    with pytest.raises(AssertionError, match="P3: failed, and money was taken"):
        lose_the_answer_to_a_charge(machine)


def test_binding_without_compare_and_set_is_seen(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """P1: whoever comes late binds a second PaymentIntent over the first."""

    def bind_all(binds: Sequence[Bind], *, now: datetime) -> list[str]:
        for one in binds:
            Payment.objects.filter(id=one.claim.payment).update(intent_id=one.made.id, livemode=one.made.livemode)
        return [one.made.id for one in binds]

    monkeypatch.setattr(writes, "bind_all", bind_all)
    with without_trigger("payment_bound_for_good", on=Payment), pytest.raises(AssertionError, match="P1: "):
        bind_late(machine)
