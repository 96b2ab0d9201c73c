"""Whose turn it is: tokens for just those calls that a payment makes, taken before it is claimed."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from billing_project.dev.simulator import Simulator
from payments import charging, limits
from payments.charging import Pace
from payments.charging.turns import connections, plan
from payments.gateway import CONNECTIONS, Gateway
from payments.limits import Endpoint, Priority
from payments.models import Payment
from tests.integration.events import accept, event, record

pytestmark = pytest.mark.django_db

LIVE = Pace(live=True, patience=5)
BACKLOG = Pace(live=False, patience=0)
OF_STRIPE = {
    "payment_intents.create": Endpoint.CREATE,
    "payment_intents.confirm": Endpoint.CONFIRM,
    "payment_intents.retrieve": Endpoint.RETRIEVE,
    "payment_intents.update": Endpoint.UPDATE,
    "payment_intents.cancel": Endpoint.CANCEL,
    "payment_intents.list": Endpoint.LIST,
    "payment_methods.retrieve": Endpoint.PAYMENT_METHOD,
    "account.retrieve": Endpoint.ACCOUNT,
}


@pytest.fixture(autouse=True)
def _empty_redis() -> None:
    """This worker's own Redis database, empty."""
    limits.connect_redis().flushdb()
    limits.breaker.forget()


@pytest.fixture
def now() -> datetime:
    """Tokens come by the real clock."""
    return datetime.now(UTC)


def take_in(count: int, now: datetime, **changes: Any) -> list[uuid.UUID]:
    """So many payments, due since a minute."""
    made = accept(
        *(record(event(f"sub_{n}", **({"method": "pm_1"} | changes)), at=now) for n in range(count)),
        now=now - timedelta(minutes=1),
    )
    return made.due


def charge(gateway: Gateway, ids: list[uuid.UUID], now: datetime, pace: Pace = LIVE) -> int:
    """As a worker does."""
    return charging.charge(payment_ids=ids, gateway=gateway, clock=lambda: now, pace=pace)


def fill() -> None:
    """All buckets are as full as they can be."""
    limits.give_back(calls=[*Endpoint] * 5000)


def asked(stripe: Simulator) -> list[Endpoint]:
    """What Stripe was asked for so far."""
    return [OF_STRIPE[request["endpoint"]] for request in stripe.control.requests()]


def tokens_of(ids: list[uuid.UUID], gateway: Gateway, now: datetime) -> list[Endpoint]:
    """What the plan takes for these."""
    wishes = plan(payment_ids=ids, live=True, knows_account=bool(gateway.account), now=now)
    return sorted((call for wish in wishes.values() for call in wish.calls), key=lambda call: call.value)


def assert_planned_is_asked(stripe: Simulator, gateway: Gateway, ids: list[uuid.UUID], now: datetime) -> set[Endpoint]:
    """Charge these; every call had its token before the claim. Returns what was planned."""
    planned = tokens_of(ids, gateway, now)
    before = len(stripe.control.requests())
    charge(gateway, ids, now)
    made = sorted(asked(stripe)[before:], key=lambda call: call.value)
    assert set(made) <= set(planned)
    assert len(made) == len(set(made)), "each at most once, as there was one token"
    return set(planned) - set(made)


def test_a_first_attempt_takes_a_token_of_each_endpoint_that_it_calls(
    stripe: Simulator, stripe_gateway: Gateway, now: datetime
) -> None:
    """Whose payment method, create, confirm; and once per process, which account."""
    first, second = take_in(2, now)
    assert Endpoint.ACCOUNT in tokens_of([first], stripe_gateway, now)
    assert assert_planned_is_asked(stripe, stripe_gateway, [first], now) == set()
    assert tokens_of([second], stripe_gateway, now) == [Endpoint.CONFIRM, Endpoint.CREATE, Endpoint.PAYMENT_METHOD]
    assert assert_planned_is_asked(stripe, stripe_gateway, [second], now) == set()
    assert set(Payment.objects.values_list("status", flat=True)) == {"success"}


def test_a_customer_that_came_with_the_event_saves_a_token(
    stripe: Simulator, stripe_gateway: Gateway, now: datetime
) -> None:
    """Nobody is asked whose method it is."""
    stripe.control.add_payment_method(id="pm_1", customer="cus_1")
    [one] = take_in(1, now, customer="cus_1")
    assert Endpoint.PAYMENT_METHOD not in tokens_of([one], stripe_gateway, now)
    assert assert_planned_is_asked(stripe, stripe_gateway, [one], now) == set()


def test_an_unknown_outcome_takes_tokens_for_the_look_and_for_the_confirm_that_may_follow(
    stripe: Simulator, stripe_gateway: Gateway, now: datetime
) -> None:
    """Before the effect the confirm is sent again; after it, the look is enough."""
    stripe.control.add_fault(kind="reset", endpoint="confirm", effect="before")
    ids = take_in(1, now)
    charge(stripe_gateway, ids, now)
    now += timedelta(seconds=5)
    assert tokens_of(ids, stripe_gateway, now) == [Endpoint.CONFIRM, Endpoint.RETRIEVE]
    assert assert_planned_is_asked(stripe, stripe_gateway, ids, now) == set()
    assert Payment.objects.get().status == "success"


def test_a_look_at_a_failed_payment_takes_one_token(stripe: Simulator, stripe_gateway: Gateway, now: datetime) -> None:
    """It is no attempt."""
    ids = take_in(1, now, method="pm_card_chargeDeclined")
    charge(stripe_gateway, ids, now)
    now += timedelta(minutes=2)
    assert tokens_of(ids, stripe_gateway, now) == [Endpoint.RETRIEVE]
    assert assert_planned_is_asked(stripe, stripe_gateway, ids, now) == set()


def test_another_customers_method_takes_tokens_for_moving_the_intent(
    stripe: Simulator, stripe_gateway: Gateway, now: datetime
) -> None:
    """A second event with another method, after a decline."""
    stripe.control.add_payment_method(id="pm_poor", decline_code="insufficient_funds")
    stripe.control.add_payment_method(id="pm_rich", customer="cus_rich")
    ids = take_in(1, now, method="pm_poor")
    charge(stripe_gateway, ids, now)
    now += timedelta(minutes=5)
    accept(record(event("sub_0", method="pm_rich"), at=now), now=now)
    assert assert_planned_is_asked(stripe, stripe_gateway, ids, now) == set()
    assert Payment.objects.get().status == "success"


def test_a_call_that_nobody_planned_waits_for_its_token(
    stripe: Simulator, stripe_gateway: Gateway, now: datetime
) -> None:
    """A 403 is asked about once more, by a call that no plan has: that keeps to the rate all the same."""
    stripe.control.add_fault(kind="status", status=403, effect="none", endpoint="confirm", count=None)
    for _ in range(60):
        limits.reserve(endpoint=Endpoint.LIST)
    charge(stripe_gateway, take_in(1, now), now)
    [refused, probe] = stripe.control.requests()[-2:]
    assert [OF_STRIPE[one["endpoint"]] for one in (refused, probe)] == [Endpoint.CONFIRM, Endpoint.LIST]
    assert probe["at"] - refused["at"] > 1.0


def test_a_payment_that_is_taken_or_not_due_costs_no_tokens(
    stripe: Simulator, stripe_gateway: Gateway, now: datetime
) -> None:
    """Doorbells may be rung twice; that must not slow down anybody."""
    ids = take_in(4, now)
    Payment.objects.filter(id=ids[0]).update(lease_until=now + timedelta(minutes=1))
    Payment.objects.filter(id=ids[1]).update(due_at=now + timedelta(minutes=1))
    charge(stripe_gateway, [ids[2]], now)
    assert list(plan(payment_ids=ids, live=True, knows_account=True, now=now)) == [ids[3]]


def test_what_cannot_be_claimed_gives_its_tokens_back(
    stripe: Simulator, stripe_gateway: Gateway, now: datetime
) -> None:
    """Charging is paused between the look and the claim: nothing is asked, and nothing is used up."""
    ids = take_in(3, now)
    charging.pause(cause="staff", reason="lunch", who="staff", now=now)
    assert charge(stripe_gateway, ids, now) == 0
    assert stripe.control.requests() == []
    confirm = limits.Wish(calls=frozenset({Endpoint.CONFIRM}), priority=Priority.LIVE)
    assert limits.take(wishes=[confirm]).places == (0,)


def test_a_message_in_hand_does_not_wait_on_while_charging_is_paused(
    stripe_gateway: Gateway, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would go on as live the moment that an outage ends, ahead of the outcomes that nobody knows."""
    ids = take_in(60, now)
    charging.pause(cause="staff", reason="lunch", who="staff", now=now)
    taken: list[int] = []
    take = limits.take

    def counted(*, wishes: list[limits.Wish]) -> limits.Granted:
        taken.append(len(wishes))
        return take(wishes=wishes)

    monkeypatch.setattr(limits, "take", counted)
    assert charge(stripe_gateway, ids, now) == 0
    assert len(taken) == 1


def test_the_order_is_who_waits_then_unknown_then_never_tried_then_replays_then_looks(
    stripe: Simulator, stripe_gateway: Gateway, now: datetime
) -> None:
    """Each has its place by its row. What has just been rung for is live, but for looks that Stripe gave a hint for."""
    unknown, late, replayed, failed = take_in(4, now)
    stripe.control.add_fault(kind="reset", endpoint="confirm", effect="after")
    charge(stripe_gateway, [unknown], now)
    for one in (replayed, failed):
        Payment.objects.filter(id=one).update(payment_method="pm_card_chargeDeclined")
        charge(stripe_gateway, [one], now)
    now += timedelta(minutes=2)
    charging.replay(payment_id=replayed, who="staff: ann", reason="asked", now=now)
    ids = [unknown, late, replayed, failed]
    wishes = plan(payment_ids=ids, live=False, knows_account=True, now=now)
    assert [wishes[one].priority for one in ids] == [
        Priority.UNKNOWN,
        Priority.LATE,
        Priority.REPLAY,
        Priority.LOOK,
    ]
    fresh = plan(payment_ids=ids, live=True, knows_account=True, now=now)
    assert [fresh[one].priority for one in ids] == [Priority.UNKNOWN, Priority.LIVE, Priority.LIVE, Priority.LOOK]


def test_a_message_takes_one_look_and_one_claim_however_many_payments_it_names(
    stripe: Simulator, stripe_gateway: Gateway, now: datetime, settings: Any
) -> None:
    """What is asked of PostgreSQL and Redis for all of them together doesn't grow with their number."""
    settings.STRIPE_RATE_LIMIT = 10_000
    ids = take_in(20, now)
    with CaptureQueriesContext(connection) as queries:
        wishes = plan(payment_ids=ids, live=True, knows_account=True, now=now)
    assert len(wishes) == 20
    assert len(queries) == 1


def test_without_tokens_the_backlog_is_left_to_the_next_doorbell(
    stripe: Simulator, stripe_gateway: Gateway, now: datetime
) -> None:
    """It holds no slot of the worker, and no lease of a payment."""
    ids = take_in(3, now)
    limits.reserve(endpoint=Endpoint.CONFIRM)
    limits.reserve(endpoint=Endpoint.CONFIRM)
    assert charge(stripe_gateway, ids, now, BACKLOG) == 0
    assert not Payment.objects.filter(lease_until__isnull=False).exists()
    fill()
    assert charge(stripe_gateway, ids, now, BACKLOG) == 3


def test_payments_begin_while_others_of_their_message_are_under_way(
    stripe: Simulator, stripe_gateway: Gateway, now: datetime, settings: Any
) -> None:
    """A slow answer to the first one keeps nobody waiting whose token has come."""
    settings.STRIPE_RATE_LIMIT = 5
    stripe.control.add_fault(kind="timeout", endpoint="payment_methods.retrieve", effect="before", seconds=4)
    assert charge(stripe_gateway, take_in(3, now), now) == 3
    first, second, third = stripe.control.requests(endpoint="payment_methods.retrieve")
    assert second["at"] - first["at"] < 3
    assert third["at"] - first["at"] < 3.5
    assert set(Payment.objects.values_list("status", flat=True)) == {"success"}


def test_the_backlog_leaves_half_of_the_connections_to_those_who_just_came_in(
    stripe: Simulator, stripe_gateway: Gateway, now: datetime, settings: Any
) -> None:
    """However slow Stripe is: a live event finds one. All are free again afterwards."""
    settings.STRIPE_RATE_LIMIT = 10_000
    ids = take_in(2, now)
    fill()
    half = connections.take(wanted=CONNECTIONS, leave=CONNECTIONS // 2)
    assert half == CONNECTIONS // 2
    try:
        assert charge(stripe_gateway, ids, now, BACKLOG) == 0
        assert charge(stripe_gateway, ids[:1], now) == 1
    finally:
        connections.free(half)
    assert charge(stripe_gateway, ids, now, BACKLOG) == 1
    assert connections.take(wanted=2 * CONNECTIONS, leave=0) == CONNECTIONS
    connections.free(CONNECTIONS)
