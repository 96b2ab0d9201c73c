"""The steps of one payment at Stripe: what is asked, in which order, and what is written in between.

Each call is carried out by the test itself, so that it can look at the rows before the next one, or put an answer of
its own in the place of Stripe's.
"""

from datetime import timedelta

import pytest

from billing_project.dev.simulator import Simulator
from payments import charging
from payments.answers import Account, Answer, Declined, Misconfigured, Rejected, Reply, Seen, Unknown
from payments.charging.claim import Claim
from payments.charging.steps import Calls
from payments.gateway import CreateIntent, Gateway
from payments.limits import Endpoint
from payments.models import Attempt, Payment
from payments.retry_policy import KEY_LIFETIME
from tests.conftest import Clock
from tests.integration.events import accept, event, record
from tests.integration.ledger_rows import restoring
from tests.stepping import bind, steps

pytestmark = pytest.mark.django_db
SECOND = timedelta(seconds=1)
WISH = CreateIntent(payment="1", subscription="s", amount=100, currency="KZT", customer="")


def begin(gateway: Gateway, clock: Clock) -> tuple[Claim, Calls]:
    """A claim of the only payment there is, and its steps; a lease of before is over."""
    Payment.objects.update(lease_until=None, due_at=clock())
    [claim] = charging.claim(payment_ids=[Payment.objects.get().id], now=clock())
    return claim, steps(claim=claim, gateway=gateway, clock=clock)


def take_in(clock: Clock, **changes: str) -> Payment:
    """One accepted payment, with changes of its row."""
    accept(record(event(method=changes.pop("method", "pm_1")), at=clock()), now=clock())
    Payment.objects.update(**changes)
    return Payment.objects.get()


def go(its_steps: Calls, *, instead: dict[Endpoint, Reply] | None = None, until: Endpoint | None = None) -> list[str]:
    """Carry out one call after the other, up to one or to the end. Returns which were made."""
    made: list[str] = []
    answer: Reply | None = None
    while True:
        try:
            call = next(its_steps) if answer is None else its_steps.send(answer)
        except StopIteration:
            return made
        made.append(call.endpoint.name)
        if call.endpoint == until:
            return made
        given = (instead or {}).get(call.endpoint)
        answer = call() if given is None else given


def test_a_first_charge_asks_whose_makes_binds_and_confirms(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock
) -> None:
    """P1: bound, and the attempt marked as sent, before the confirm; Stripe keeps our names for all of it."""
    stripe.control.add_payment_method(id="pm_saved", customer="cus_1")
    row = take_in(clock, method="pm_saved")
    Payment.objects.update(traceparent="00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
    _, its_steps = begin(stripe_gateway, clock)
    clock.advance(seconds=1)
    assert go(its_steps, until=Endpoint.CONFIRM) == ["PAYMENT_METHOD", "CREATE", "ACCOUNT", "CONFIRM"]
    row.refresh_from_db()
    [create] = stripe.control.requests(endpoint="payment_intents.create")
    assert (row.intent_customer, row.customer, row.livemode) == ("cus_1", "cus_1", False)
    assert row.account_id == stripe_gateway.account != ""
    assert Attempt.objects.get().sent_at == clock()
    assert create["idempotency_key"].startswith("create-")
    params = create["params"]
    assert (params["amount"], params["currency"], params["customer"]) == ("10000", "kzt", "cus_1")
    assert params["metadata"]["payment_id"] == str(row.id)
    assert params["metadata"]["subscription_id"] == "sub_1"
    assert params["metadata"]["traceparent"] == row.traceparent


def bound(stripe: Simulator, gateway: Gateway, clock: Clock, **changes: str) -> Payment:
    """A payment whose confirm has not left yet."""
    take_in(clock, **changes)
    go(begin(gateway, clock)[1], until=Endpoint.CONFIRM)
    with restoring():
        Attempt.objects.update(sent_at=None)
    return Payment.objects.get()


def test_who_knows_the_account_does_not_ask_for_it(stripe: Simulator, stripe_gateway: Gateway, clock: Clock) -> None:
    """Nor whose method it is, where the event says that it is nobody's."""
    stripe_gateway.ask_account()
    take_in(clock, customer="")
    assert go(begin(stripe_gateway, clock)[1]) == ["CREATE", "CONFIRM"]
    row = Payment.objects.get()
    assert (row.status, row.intent_customer, row.account_id) == ("success", "", stripe_gateway.account)
    [create] = stripe.control.requests(endpoint="payment_intents.create")
    assert "customer" not in create["params"]


@pytest.mark.parametrize("endpoint", [Endpoint.PAYMENT_METHOD, Endpoint.CREATE, Endpoint.CONFIRM])
def test_without_an_answer_nothing_further_is_asked(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock, endpoint: Endpoint
) -> None:
    """P3: unknown, and only what may have left is in doubt."""
    take_in(clock)
    made = go(begin(stripe_gateway, clock)[1], instead={endpoint: Unknown(why="reset", request="req_9")})
    assert made[-1] == endpoint.name
    tried = Attempt.objects.get()
    assert (tried.state, tried.in_doubt, tried.request_id) == ("unknown", endpoint == Endpoint.CONFIRM, "req_9")
    assert (Payment.objects.get().intent_id is not None) == (endpoint == Endpoint.CONFIRM)


def test_a_payment_is_never_bound_to_what_was_made_for_another_one(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock
) -> None:
    """P1: whatever has mixed up the answers. It is tried again, as nothing was sent that could take money."""
    take_in(clock)
    another = stripe_gateway.create(wish=WISH, key="another")
    assert go(begin(stripe_gateway, clock)[1], instead={Endpoint.CREATE: another})[-1] == "CREATE"
    tried = Attempt.objects.get()
    assert (tried.state, tried.in_doubt, Payment.objects.get().intent_id) == ("unknown", False, None)


def test_a_method_that_came_meanwhile_does_not_get_the_other_ones_customer(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock
) -> None:
    """What was learned is of the method that was asked about."""
    stripe.control.add_payment_method(id="pm_saved", customer="cus_1")
    take_in(clock, method="pm_saved")
    _, its_steps = begin(stripe_gateway, clock)
    owner = next(its_steps)()
    Payment.objects.update(payment_method="pm_other")
    its_steps.send(owner)
    assert Payment.objects.get().customer is None


def test_an_intent_that_lost_the_race_to_a_close_is_cancelled_and_never_confirmed(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock
) -> None:
    """P1: nothing is bound to a closed payment, so nothing can be taken with it."""
    stripe_gateway.ask_account()
    row = take_in(clock, customer="")
    _, its_steps = begin(stripe_gateway, clock)
    made = next(its_steps)()
    assert isinstance(made, Seen)
    assert charging.close(payment_id=row.id, who="ann", reason="", gateway=stripe_gateway, now=clock()) is None
    cancel = its_steps.send(made)
    assert cancel.endpoint == Endpoint.CANCEL
    with pytest.raises(StopIteration):
        its_steps.send(cancel())
    [left] = stripe.ledger.payment_intents_of("subscription_id", "sub_1")
    assert (left.id, left.status, Payment.objects.get().intent_id) == (made.intent.id, "canceled", None)


def test_another_customers_method_moves_the_intent_to_that_customer(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock
) -> None:
    """Once: what Stripe was told is remembered, and only when it has answered."""
    stripe.control.add_payment_method(id="pm_saved", customer="cus_2")
    bound(stripe, stripe_gateway, clock, customer="")
    Payment.objects.update(customer="cus_2")
    unanswered = begin(stripe_gateway, clock)[1]
    assert go(unanswered, instead={Endpoint.UPDATE: Unknown(why="reset")}) == ["UPDATE"]
    assert Payment.objects.get().intent_customer == ""
    assert go(begin(stripe_gateway, clock)[1]) == ["RETRIEVE", "UPDATE", "CONFIRM"]
    row = Payment.objects.get()
    assert row.intent_customer == "cus_2"
    [update] = stripe.control.requests(endpoint="payment_intents.update")
    assert (update["payment_intent"], update["params"]) == (row.intent_id, {"customer": "cus_2"})


def test_the_first_time_that_a_confirm_may_have_left_is_kept(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock
) -> None:
    """It is what tells whether money may have moved since."""
    bound(stripe, stripe_gateway, clock)
    clock.advance(seconds=1)
    sent_at = clock()
    go(begin(stripe_gateway, clock)[1], instead={Endpoint.CONFIRM: Unknown(why="reset")})
    clock.advance(seconds=9)
    go(begin(stripe_gateway, clock)[1], until=Endpoint.CONFIRM)
    assert Attempt.objects.get().sent_at == sent_at


@pytest.mark.parametrize(
    ("age", "is_spent", "is_new"),
    [(KEY_LIFETIME, False, False), (KEY_LIFETIME + SECOND, False, True), (SECOND, True, True)],
)
def test_a_key_is_replaced_when_it_is_spent_or_may_be_forgotten(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock, age: timedelta, is_spent: bool, is_new: bool
) -> None:
    """P5: and never before, as the old one brings the answer that Stripe has stored."""
    bound(stripe, stripe_gateway, clock)
    Attempt.objects.update(key_is_spent=is_spent)
    before = Attempt.objects.get()
    clock.now += age
    go(begin(stripe_gateway, clock)[1])
    after = Attempt.objects.get()
    assert (after.idempotency_key != before.idempotency_key) == is_new
    assert (after.key_made_at, after.key_is_spent) == (clock() if is_new else before.key_made_at, False)
    assert stripe.control.requests(endpoint="payment_intents.confirm")[-1]["idempotency_key"] == after.idempotency_key


def test_an_attempt_that_was_settled_meanwhile_is_not_sent(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock
) -> None:
    """P1: whoever comes late finds it ended."""
    row = bound(stripe, stripe_gateway, clock)
    claim, its_steps = begin(stripe_gateway, clock)
    charging.settle(attempt_id=claim.attempt, answer=Declined(code="card_declined"), now=clock())
    assert go(its_steps) == []
    row.refresh_from_db()
    assert row.status == "failed"


def test_what_is_bound_stays_bound(stripe: Simulator, stripe_gateway: Gateway, clock: Clock) -> None:
    """P1: whoever comes later is told which one it is, or that there is none any more."""
    row = bound(stripe, stripe_gateway, clock)
    claim, _ = begin(stripe_gateway, clock)
    other = stripe_gateway.create(wish=WISH, key="create-1")
    assert isinstance(other, Seen)
    with restoring():
        Attempt.objects.update(sent_at=clock() - SECOND)
    assert bind(claim=claim, made=other.intent, account="acct_2", now=clock()) == row.intent_id
    assert Attempt.objects.get().sent_at == clock() - SECOND
    assert Payment.objects.get().account_id == row.account_id
    charging.close(payment_id=row.id, who="ann", reason="", gateway=stripe_gateway, now=clock())
    assert bind(claim=claim, made=other.intent, account="acct_2", now=clock()) is None


@pytest.mark.parametrize(
    ("refused", "probed", "calls", "is_paused"),
    [
        (Misconfigured(http_status=403), Misconfigured(http_status=403), ["CONFIRM", "LIST"], True),
        (Misconfigured(http_status=403), True, ["CONFIRM", "LIST"], False),
        (Misconfigured(http_status=403), Unknown(why="reset"), ["CONFIRM", "LIST"], False),
        (Misconfigured(http_status=401), True, ["CONFIRM"], True),
        (Rejected(code="resource_missing", missing=True), Account(id="other"), ["CONFIRM", "ACCOUNT"], True),
        (Rejected(code="resource_missing", missing=True), Account(id="acct_simulator"), ["CONFIRM", "ACCOUNT"], False),
        (Rejected(code="resource_missing", missing=True), Unknown(why="reset"), ["CONFIRM", "ACCOUNT"], False),
    ],
)
def test_before_our_key_is_blamed_for_everyone_it_is_asked_whether_it_is_everyones_trouble(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock, refused: Answer, probed: Reply, calls: list[str],
    is_paused: bool,
) -> None:  # fmt: skip
    """Nothing is settled either way; a person is shown the one that Stripe doesn't have."""
    bound(stripe, stripe_gateway, clock)
    instead = {Endpoint.CONFIRM: refused, Endpoint.LIST: probed, Endpoint.ACCOUNT: probed}
    assert go(begin(stripe_gateway, clock)[1], instead=instead) == calls
    row = Payment.objects.get()
    assert (row.status, charging.is_paused()) == ("pending", is_paused)
    status = refused.http_status if isinstance(refused, Misconfigured) else 404
    assert f"({status})" in row.attention


def test_a_method_that_is_missing_is_not_taken_for_a_missing_intent(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock
) -> None:
    """The first answer is about the method: our fault, and this payment's alone. The account isn't asked for."""
    bound(stripe, stripe_gateway, clock)
    Payment.objects.update(payment_method="pm_nobody", customer=None)
    Attempt.objects.update(payment_method="pm_nobody")
    assert go(begin(stripe_gateway, clock)[1]) == ["PAYMENT_METHOD"]
    row = Payment.objects.get()
    assert (row.status, row.code, charging.is_paused()) == ("failed", "resource_missing", False)
