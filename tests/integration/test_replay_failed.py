"""`manage.py replay_failed`: a dry run unless told otherwise, and never what must not be tried again."""

import re
import uuid
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from billing_project.dev.simulator import Simulator
from payments import charging, limits, tasks
from payments.gateway import Gateway
from payments.models import Payment, Transition
from tests.conftest import Clock
from tests.integration.events import accept, event, record

pytestmark = pytest.mark.django_db

CARDS = {
    "poor": "pm_card_chargeDeclinedInsufficientFunds",
    "lost": "pm_card_chargeDeclinedLostCard",
    "sca": "pm_card_authenticationRequired",
    "paid": "pm_1",
}


@pytest.fixture
def payments(stripe: Simulator, stripe_gateway: Gateway, clock: Clock) -> dict[str, Payment]:
    """One payment for each card, charged now, and one whose outcome is unknown."""
    clock.now = datetime.now(UTC)
    limits.connect_redis().flushdb()
    stripe.control.add_fault(kind="reset", endpoint="confirm", metadata={"subscription_id": "unknown"})
    for name, method in (CARDS | {"unknown": "pm_1"}).items():
        accept(record(event(name, method=method), at=clock()), now=clock())
    ids = list(Payment.objects.values_list("id", flat=True))
    charging.charge(payment_ids=ids, gateway=stripe_gateway, clock=clock)
    return {payment.subscription_id: payment for payment in Payment.objects.all()}


def replay(*arguments: str) -> str:
    """Run the command; what it prints."""
    out = StringIO()
    call_command("replay_failed", *arguments, stdout=out)
    return out.getvalue()


def test_a_dry_run_says_what_would_happen_and_changes_nothing(payments: dict[str, Payment]) -> None:
    """Who is refused, and why, stands beside who isn't."""
    before = list(Payment.objects.order_by("id").values())
    printed = replay()
    assert "1 would be tried again for 100.00\N{NO-BREAK SPACE}KZT." in printed
    assert "1 refused: this payment method was declined for good: another one is needed." in printed
    assert "1 refused: the customer must confirm the payment with their bank" in printed
    assert "Nothing was changed. Add --yes to act." in printed
    assert list(Payment.objects.order_by("id").values()) == before
    assert tasks.queued(queue=limits.BACKLOG_QUEUE) == 0


def test_with_yes_they_are_due_now_rung_and_have_it_in_their_history(payments: dict[str, Payment]) -> None:
    """Only the one that may be tried again; what is unknown or paid isn't even chosen."""
    assert "1 are tried again now" in replay("--yes", "--reason", "bank was down")
    statuses = dict(Payment.objects.values_list("subscription_id", "status"))
    assert statuses == {"poor": "pending", "lost": "failed", "sca": "failed", "paid": "success", "unknown": "pending"}
    step = Transition.objects.filter(payment=payments["poor"]).latest("id")
    assert (step.who, step.why) == ("staff: command line", "bank was down")
    assert tasks.queued(queue=limits.BACKLOG_QUEUE) == 1


def test_a_replay_charges_on_the_same_intent_and_tells_again(
    payments: dict[str, Payment], stripe: Simulator, stripe_gateway: Gateway, clock: Clock
) -> None:
    """P1: another attempt, not another PaymentIntent."""
    poor = payments["poor"]
    stripe.control.add_payment_method(id="pm_rich")
    Payment.objects.filter(id=poor.id).update(payment_method="pm_rich")
    replay("--yes", "--code", "insufficient_funds")
    clock.now = datetime.now(UTC)
    charging.charge(payment_ids=[poor.id], gateway=stripe_gateway, clock=clock)
    poor.refresh_from_db()
    assert poor.status == "success"
    assert len(stripe.ledger.payment_intents_of("subscription_id", "poor")) == 1
    assert len(stripe.ledger.successes("poor")) == 1


@pytest.mark.parametrize(
    ("arguments", "count"),
    [
        (["--since", "1h"], 3),
        (["--since", (datetime.now(UTC) + timedelta(days=1)).date().isoformat()], 0),
        (["--code", "lost_card"], 1),
        (["--code", "lost_card", "--code", "insufficient_funds"], 2),
        (["--limit", "2"], 2),
    ],
)
def test_what_is_chosen(payments: dict[str, Payment], arguments: list[str], count: int) -> None:
    """By time, code and number; the counts of all classes add up."""
    printed = replay(*arguments)
    assert sum(int(number) for number in re.findall(r"^(\d+) ", printed, re.MULTILINE)) == count


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--since", "yesterday"], "argument --since: must be like 30m, 2h, 7d, 2026-01-31 or 2026-01-31T12:00"),
        (["--since", "2026-02-31"], "argument --since: day is out of range for month"),
        (["--limit", "0"], "argument --limit: must be a whole number above 0"),
        (["--limit", "many"], "argument --limit: must be a whole number above 0"),
    ],
)
def test_a_wrong_argument_is_one_line(arguments: list[str], line: str) -> None:
    """Names the option and the fix."""
    with pytest.raises(CommandError, match=re.escape(line)):
        replay(*arguments)


@pytest.mark.parametrize("name", ["paid", "unknown"])
def test_what_is_paid_or_unknown_can_not_be_replayed_by_any_way(payments: dict[str, Payment], name: str) -> None:
    """P1: refused where it is done, not only where it is chosen."""
    refusal = charging.replay(payment_id=payments[name].id, who="staff", reason="", now=datetime.now(UTC))
    assert isinstance(refusal, charging.NotReplayable)
    assert refusal.code == name


def test_a_closed_payment_can_not_be_replayed(payments: dict[str, Payment]) -> None:
    """Nothing leaves a closed payment."""
    poor = payments["poor"]
    Payment.objects.filter(id=poor.id).update(closed_at=datetime.now(UTC), due_at=None)
    refusal: Any = charging.replay(payment_id=poor.id, who="staff", reason="", now=datetime.now(UTC))
    assert refusal.code == "closed"
    assert isinstance(poor.id, uuid.UUID)
