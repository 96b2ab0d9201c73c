"""What is due, in its order: unknown outcomes, then what was never tried, then replays, then looks."""

import uuid
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from billing_project.dev.simulator import Simulator
from payments import charging
from payments.charging.due import GRACE
from payments.gateway import Event, Gateway
from payments.intake.accept import FRESH_FOR
from payments.models import Attempt, Payment, Subscription
from payments.retry_policy import FAILED_LOOKS
from payments.webhooks import receive
from tests.conftest import Clock
from tests.integration.events import accept, event, record
from tests.integration.ledger_rows import FAILED, NOW, attempt, payment, restoring

pytestmark = pytest.mark.django_db
MOMENT = timedelta(microseconds=1)
LATER = NOW + timedelta(minutes=1)


def take_in(clock: Clock, name: str, **changes: Any) -> uuid.UUID:
    """One payment."""
    [one] = accept(record(event(name, **({"method": "pm_1"} | changes)), at=clock()), now=clock()).due
    return one


def charge(gateway: Gateway, clock: Clock, *ids: uuid.UUID) -> None:
    """As a worker does."""
    charging.charge(payment_ids=ids, gateway=gateway, clock=clock)


def find(clock: Clock, limit: int = 100) -> list[str]:
    """The subscriptions of what is due, in its order."""
    names = dict(Payment.objects.values_list("id", "subscription_id"))
    return [names[one] for one in charging.find_due(limit=limit, now=clock())]


@pytest.fixture
def crowd(stripe: Simulator, stripe_gateway: Gateway, clock: Clock) -> Clock:
    """Two of each kind, those that matter most due last. The clock stands where all are due."""
    for name in ("look 1", "look 2", "replay 1", "replay 2"):
        charge(stripe_gateway, clock, take_in(clock, name, method="pm_card_chargeDeclined"))
        clock.advance(seconds=1)
    clock.advance(seconds=10)
    for one in Payment.objects.filter(subscription__id__startswith="replay").order_by("subscription_id"):
        charging.replay(payment_id=one.id, who="staff: ann", reason="asked", now=clock.advance(seconds=1))
    for name in ("late 1", "late 2"):
        clock.advance(seconds=60)
        take_in(clock, name)
    # One whose confirm got no answer, and one that got none before it had an intent.
    for name, endpoint in (("unknown 1", "confirm"), ("unknown 2", "create")):
        stripe.control.add_fault(kind="reset", endpoint=endpoint, effect="after")
        clock.advance(seconds=1)
        charge(stripe_gateway, clock, take_in(clock, name))
    clock.advance(minutes=2)
    return clock


def test_unknown_outcomes_come_first_then_the_never_tried_then_replays_then_looks(crowd: Clock) -> None:
    """Money may have moved; then who asked first; what Stripe has refused can wait."""
    assert find(crowd) == [
        "unknown 1", "unknown 2", "late 1", "late 2", "replay 1", "replay 2", "look 1", "look 2",
    ]  # fmt: skip


def test_within_a_kind_the_longest_due_comes_first(crowd: Clock) -> None:
    """Whatever else is new about it; of the unknown outcomes the oldest attempt."""
    for name, minutes in (("unknown 2", 50), ("late 2", 40), ("replay 2", 30), ("look 2", 20)):
        Payment.objects.filter(subscription_id=name).update(due_at=crowd() - timedelta(minutes=minutes))
    assert find(crowd) == [
        "unknown 1", "unknown 2", "late 2", "late 1", "replay 2", "replay 1", "look 2", "look 1",
    ]  # fmt: skip


@pytest.mark.parametrize(("limit", "last"), [(1, "unknown 1"), (2, "unknown 2"), (3, "late 1"), (7, "look 1")])
def test_a_limit_takes_the_first_of_all(crowd: Clock, limit: int, last: str) -> None:
    """No kind is asked for once there are enough; none comes twice."""
    with CaptureQueriesContext(connection) as queries:
        found = list(charging.find_due(limit=limit, now=crowd()))
    assert len(queries) <= 4
    assert len(found) == len(set(found)) == limit
    assert str(Payment.objects.get(id=found[-1]).subscription_id) == last


def test_what_is_taken_closed_or_not_due_is_not_found(crowd: Clock) -> None:
    """A lease that ran out is no lease."""
    soon, past = crowd() + timedelta(minutes=1), crowd() - timedelta(seconds=1)
    Payment.objects.filter(subscription_id__in=["unknown 1", "late 1"]).update(lease_until=soon)
    Payment.objects.filter(subscription_id__in=["unknown 2", "replay 1"]).update(lease_until=past)
    Payment.objects.filter(subscription_id__in=["late 2", "look 1"]).update(due_at=soon)
    assert find(crowd) == ["unknown 2", "replay 1", "replay 2", "look 2"]


def test_a_record_that_has_waited_is_left_to_the_sweep(clock: Clock) -> None:
    """After an outage of ours: whoever asks just now must not stand behind all those who had to wait."""
    old = record(event("old"), at=clock() - FRESH_FOR - timedelta(seconds=1))
    new = record(event("new"), at=clock() - FRESH_FOR)
    accepted = accept(old, new, now=clock())
    names = dict(Payment.objects.values_list("id", "subscription_id"))
    assert [names[one] for one in accepted.due] == ["old", "new"]
    assert [names[one] for one in accepted.fresh] == ["new"]
    clock.advance(seconds=3)
    assert find(clock) == ["old", "new"]


def test_another_event_for_a_failed_payment_is_fresh_too(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock
) -> None:
    """The customer has just come back with another card."""
    charge(stripe_gateway, clock, take_in(clock, "a", method="pm_card_chargeDeclined"))
    clock.advance(minutes=1)
    again = accept(record(event("a", method="pm_1"), at=clock()), now=clock())
    assert again.fresh == again.due == list(Payment.objects.values_list("id", flat=True))
    old = accept(record(event("b"), at=clock() - timedelta(hours=1)), now=clock())
    assert old.fresh == []


def test_a_hint_right_after_a_failure_takes_no_look_of_the_schedule_away(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock
) -> None:
    """Stripe tells of something within the first minute: the looks after a minute, an hour and a day still come."""
    one = take_in(clock, "a", method="pm_card_chargeDeclined")
    charge(stripe_gateway, clock, one)
    failed_at = clock()
    row = Payment.objects.get()
    about = {"id": row.intent_id, "object": "payment_intent", "status": "requires_capture"}
    content = {"id": "evt_1", "type": "payment_intent.of_a_new_kind", "livemode": False, "data": {"object": about}}
    clock.advance(seconds=20)
    assert receive(event=Event(id="evt_1", type="payment_intent.of_a_new_kind", content=content), now=clock()) == one
    before = len(stripe.control.requests(endpoint="payment_intents.retrieve"))
    charge(stripe_gateway, clock, one)
    assert len(stripe.control.requests(endpoint="payment_intents.retrieve")) == before + 1
    row.refresh_from_db()
    assert row.due_at == failed_at + FAILED_LOOKS[0]
    pauses = []
    while row.due_at:
        pauses.append(row.due_at - clock())
        clock.now = row.due_at
        charge(stripe_gateway, clock, one)
        row.refresh_from_db()
    assert pauses == [timedelta(seconds=40), *FAILED_LOOKS[1:]]


@pytest.mark.parametrize(
    ("since", "status", "is_asked_about", "is_found"),
    [
        (timedelta(0), "pending", True, True),
        (-MOMENT, "pending", True, False),
        (GRACE, "pending", False, True),
        (GRACE - MOMENT, "pending", False, False),
        (GRACE, "failed", False, True),
        (GRACE - MOMENT, "failed", False, False),
    ],
)
@pytest.mark.parametrize("intent", [None, "pi_1"])
def test_what_was_just_rung_for_is_left_alone_for_a_while(
    since: timedelta, status: str, is_asked_about: bool, is_found: bool, intent: str | None
) -> None:
    """But for what has an attempt under way: nobody else rings for that."""
    state = FAILED if status == "failed" else {}
    with restoring():
        row = payment(**state | {"due_at": NOW - since, "intent_id": intent, "deliveries": 3})
        if is_asked_about:
            attempt(row, state="unknown")
    assert charging.find_due(limit=9, now=NOW) == ({row.id: 3} if is_found else {})


@pytest.mark.parametrize(
    ("of_payment", "of_attempt"),
    [({}, {}), ({}, {"state": "unknown"}), ({"intent_id": True}, {}), (FAILED, {"state": "declined", "ended_at": NOW})],
)
def test_of_those_that_are_due_at_once_the_oldest_comes_first(
    of_payment: dict[str, Any], of_attempt: dict[str, Any]
) -> None:
    """Whatever the order in which their rows were written."""
    ids = []
    for minutes in (3, 1, 2):
        Subscription.objects.create(id=str(minutes))
        made_at = NOW + timedelta(minutes=minutes)
        with restoring():
            intent = f"pi_{minutes}" if "intent_id" in of_payment else None
            changes = of_payment | {"intent_id": intent, "due_at": NOW, "created_at": made_at}
            row = payment(subscription_id=str(minutes), **changes)
            if of_attempt:
                attempt(row, created_at=made_at, **of_attempt)
        ids.append(row.id)
    assert list(charging.find_due(limit=9, now=NOW + timedelta(hours=1))) == [ids[1], ids[2], ids[0]]


@pytest.mark.parametrize(
    ("state", "in_doubt", "asks"),
    [
        ("sending", False, False), ("sending", True, True), ("unknown", False, True), ("processing", False, True),
        ("declined", False, False), ("declined", True, False), ("action_required", True, False),
    ],
)  # fmt: skip
def test_a_hint_may_start_a_question_and_no_attempt(state: str, in_doubt: bool, asks: bool) -> None:
    """P1: what can't have been sent would be sent, and what has ended would be tried once more."""
    assert charging.only_asks(Attempt(state=state, in_doubt=in_doubt)) == asks


@pytest.mark.parametrize(
    ("before", "meanwhile", "is_due", "due_at", "looks"),
    [
        ({"due_at": NOW - MOMENT}, {}, True, NOW - MOMENT, 2),
        ({"due_at": NOW}, {"lease_until": NOW + MOMENT}, True, NOW, 2),
        ({"due_at": LATER}, {}, True, NOW, 1),
        ({"due_at": LATER, "looks": 0}, {}, True, NOW, 0),
        ({"due_at": None}, {}, True, NOW, 1),
        ({"due_at": LATER, "lease_until": NOW}, {}, True, NOW, 1),
        ({"due_at": LATER, "lease_until": NOW + MOMENT}, {}, False, LATER, 2),
        ({"due_at": LATER}, {"due_at": LATER + MOMENT}, False, LATER + MOMENT, 2),
        ({"due_at": LATER}, {"status": "pending", "settled_at": None}, False, LATER, 2),
        ({"due_at": None, "closed_at": NOW}, {}, False, None, 2),
    ],
)
def test_a_hint_makes_due_what_nobody_has_in_hands(
    before: dict[str, Any], meanwhile: dict[str, Any], is_due: bool, due_at: datetime | None, looks: int
) -> None:
    """By compare and set; a look that was hinted at is none of the schedule's. Other payments stay as they are."""
    Subscription.objects.create(id="other")
    with restoring():
        row = payment(**FAILED | {"looks": 2} | before)
        other = payment(subscription_id="other", **FAILED | {"looks": 2, "due_at": LATER})
        Payment.objects.filter(id=row.id).update(**meanwhile)
    assert charging.make_due(payment=row, now=NOW) == is_due
    row.refresh_from_db()
    other.refresh_from_db()
    assert (row.due_at, row.looks) == (due_at, looks)
    assert (other.due_at, other.looks) == (LATER, 2)
