"""From an accepted payment to a settled one, at the simulator, through the real SDK.

Outcomes that nobody knows at first are in `test_charging_in_doubt.py`.
"""

import pytest

from billing_project.dev.simulator import Simulator
from payments import charging
from payments.answers import Answer, Declined, Rejected, Seen, Unknown
from payments.charging.claim import LEASE
from payments.gateway import Gateway
from payments.models import Attempt, Payment, Transition
from tests.conftest import Clock
from tests.integration.events import accept, event, record
from tests.integration.ledger_rows import restoring
from tests.integration.one_payment import charge, take_in, told
from tests.stepping import bind, steps

pytestmark = pytest.mark.django_db

PAID, DECLINED = ("pm_1", "success", "succeeded"), ("pm_card_chargeDeclined", "failed", "declined")
NO, REFUSAL, NOTHING = Declined(code="card_declined"), Rejected(code="resource_missing"), Unknown(why="reset")


def test_a_good_card_is_charged_once_and_told(stripe: Simulator, stripe_gateway: Gateway, clock: Clock) -> None:
    """P1, P3, P4 on the path without faults."""
    accept(record(event(), at=clock()), now=clock())
    payment = charge(stripe_gateway, clock)
    assert (payment.status, payment.due_at, payment.lease_until) == ("success", None, None)
    assert payment.account_id.startswith("acct_")
    assert payment.livemode is False
    [charged] = stripe.ledger.successes("sub_1")
    assert (charged.amount, charged.currency) == (10_000, "kzt")
    assert told() == [
        {
            "payment": {
                "id": str(payment.id),
                "subscriptionId": "sub_1",
                "amount": 100,
                "currency": "KZT",
                "status": "success",
                "transactionId": payment.intent_id,
                "metadata": {"attempt": 1},
                "createdAt": "2026-01-31T12:00:00.000Z",
            },
            "user": {"id": "u_1", "email": "a@b.kz"},
        }
    ]


def test_a_declined_card_fails_with_a_reason_that_a_customer_may_read(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock
) -> None:
    """P3: failed only on a definite no, and the text gives nothing away."""
    accept(record(event(method="pm_card_chargeDeclinedLostCard"), at=clock()), now=clock())
    payment = charge(stripe_gateway, clock)
    assert (payment.status, payment.kind, payment.code) == ("failed", "hard", "lost_card")
    assert stripe.ledger.successes("sub_1") == []
    [notification] = told()
    assert notification["payment"]["status"] == "failed"
    assert notification["payment"]["metadata"] == {
        "attempt": 1,
        "reason": "Your card was declined. Please use another card or contact your bank.",
        "actionRequired": False,
        "willRetryAt": None,
    }


def test_of_two_workers_that_made_an_intent_one_binds_and_the_other_one_is_cancelled(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock
) -> None:
    """P1: the loser's intent can never take money, and both go on with the winner's."""
    payment = take_in(clock, method="pm_1")
    Payment.objects.update(customer="")
    [slow] = charging.claim(payment_ids=[payment.id], now=clock())
    its_steps = steps(claim=slow, gateway=stripe_gateway, clock=clock)
    made = next(its_steps)()
    clock.advance(seconds=LEASE.total_seconds())
    assert charge(stripe_gateway, clock).status == "success"
    call = its_steps.send(made)
    while True:
        try:
            call = its_steps.send(call())
        except StopIteration:
            break
    assert isinstance(made, Seen)
    lost = stripe_gateway.retrieve(intent=made.intent.id)
    assert isinstance(lost, Seen)
    assert lost.intent.status == "canceled"
    assert len(stripe.ledger.successes("sub_1")) == 1
    assert Payment.objects.get().intent_id != made.intent.id


def test_binding_again_what_is_bound_already_is_told_so(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock
) -> None:
    """Our own COMMIT may have been acknowledged late: the same id is not a lost race."""
    take_in(clock, method="pm_1")
    payment = charge(stripe_gateway, clock)
    seen = stripe_gateway.retrieve(intent=payment.intent_id or "")
    assert isinstance(seen, Seen)
    with restoring():
        Payment.objects.update(status="pending", settled_at=None, due_at=clock())
    [claim] = charging.claim(payment_ids=[payment.id], now=clock())
    assert bind(claim=claim, made=seen.intent, account="acct_1", now=clock()) == payment.intent_id


def test_a_claim_holds_until_its_lease_ends(stripe_gateway: Gateway, clock: Clock) -> None:
    """Two workers don't do the same work; a dead one's is taken over."""
    payment = take_in(clock)
    assert len(charging.claim(payment_ids=[payment.id], now=clock())) == 1
    assert charging.claim(payment_ids=[payment.id], now=clock()) == []
    clock.advance(seconds=LEASE.total_seconds())
    [taken_over] = charging.claim(payment_ids=[payment.id], now=clock())
    assert taken_over.attempt == Attempt.objects.get().id, "the same attempt goes on"


def test_a_payment_whose_worker_dies_every_time_is_shown_to_a_person(clock: Clock) -> None:
    """A poisonous payment is found by its deliveries, not by its neighbours' deaths."""
    payment = take_in(clock)
    for _ in range(5):
        charging.claim(payment_ids=[payment.id], now=clock())
        clock.advance(seconds=LEASE.total_seconds())
    payment.refresh_from_db()
    assert payment.deliveries == 5
    assert payment.attention == "its worker died each time it was tried"


def test_a_missing_payment_method_is_our_fault_and_not_the_cards(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock
) -> None:
    """P3: rejected takes nothing, and the customer isn't told that the bank declined."""
    take_in(clock, method="pm_nobody_has_this")
    payment = charge(stripe_gateway, clock)
    assert (payment.status, payment.fault, payment.code) == ("failed", "us", "resource_missing")
    assert Attempt.objects.get().state == "rejected"
    assert told()[0]["payment"]["metadata"]["reason"] == "Your saved card can't be charged any more. Please add a card."


def test_a_customer_who_must_confirm_is_told_so(stripe: Simulator, stripe_gateway: Gateway, clock: Clock) -> None:
    """Nothing is taken until the customer acts; if they do, success follows under another id."""
    take_in(clock, method="pm_card_authenticationRequired")
    payment = charge(stripe_gateway, clock)
    assert (payment.status, payment.kind) == ("failed", "action")
    assert Attempt.objects.get().state == "action_required"
    assert told()[0]["payment"]["metadata"]["actionRequired"] is True


def test_a_method_of_a_customer_is_charged_for_that_customer(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock
) -> None:
    """Learned with one look where the event doesn't say, and remembered."""
    stripe.control.add_payment_method(id="pm_saved", customer="cus_1")
    take_in(clock, method="pm_saved")
    payment = charge(stripe_gateway, clock)
    assert (payment.status, payment.customer) == ("success", "cus_1")
    assert len(stripe.control.requests(endpoint="payment_methods.retrieve")) == 1


@pytest.mark.parametrize("answer", [NO, REFUSAL, NOTHING], ids=lambda answer: type(answer).__name__)
@pytest.mark.parametrize("settled", [PAID, DECLINED], ids=lambda settled: settled[1])
def test_a_late_answer_to_a_settled_attempt_changes_nothing(
    stripe_gateway: Gateway, clock: Clock, settled: tuple[str, str, str], answer: Answer
) -> None:
    """`success` never changes, whatever arrives afterwards, nor is a decline told twice."""
    method, *ends = settled
    take_in(clock, method=method)
    charge(stripe_gateway, clock)
    attempt = Attempt.objects.get()
    before = list(Transition.objects.values_list("id", flat=True))
    charging.settle(attempt_id=attempt.id, answer=answer, now=clock())
    attempt.refresh_from_db()
    assert [Payment.objects.get().status, attempt.state] == ends
    assert list(Transition.objects.values_list("id", flat=True)) == before
    assert len(told()) == 1


def test_one_payments_trouble_never_touches_its_neighbours(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock
) -> None:
    """Of three payments in one message two are charged although the third gets no answer."""
    for number in range(3):
        accept(record(event(f"sub_{number}", method="pm_1"), at=clock()), now=clock())
    ids = list(Payment.objects.order_by("subscription_id").values_list("id", flat=True))
    stripe.control.add_fault(kind="reset", endpoint="confirm", metadata={"subscription_id": "sub_1"}, count=None)
    charging.charge(payment_ids=ids, gateway=stripe_gateway, clock=clock)
    assert list(Payment.objects.order_by("subscription_id").values_list("status", flat=True)) == [
        "success",
        "pending",
        "success",
    ]
