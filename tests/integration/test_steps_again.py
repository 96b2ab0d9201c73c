"""The steps of a payment that has its PaymentIntent: what is asked anew, what is sent again, and what is kept."""

from datetime import timedelta

import pytest

from billing_project.dev.simulator import Simulator
from payments import charging
from payments.answers import Account, Answer, Declined, Misconfigured, Rejected, Reply, Seen, Unknown
from payments.gateway import Gateway
from payments.limits import Endpoint
from payments.models import Attempt, Payment
from payments.retry_policy import KEY_LIFETIME
from tests.conftest import Clock
from tests.integration.ledger_rows import restoring
from tests.integration.one_step import WISH, begin, bound, go
from tests.stepping import bind

pytestmark = pytest.mark.django_db
SECOND = timedelta(seconds=1)


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
