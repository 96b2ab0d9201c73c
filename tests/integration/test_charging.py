"""From an accepted payment to a settled one, at the simulator, through the real SDK."""

import json
from datetime import timedelta
from typing import Any

import pytest

from billing_project.dev.simulator import Simulator
from payments import charging
from payments.answers import Declined, Seen
from payments.charging.claim import LEASE
from payments.charging.steps import bind, steps
from payments.gateway import Gateway
from payments.models import Attempt, OutboxMessage, Payment, Transition
from tests.conftest import Clock
from tests.integration.events import accept, event, record
from tests.integration.ledger_rows import restoring

pytestmark = pytest.mark.django_db


def charge(gateway: Gateway, clock: Clock) -> Payment:
    """Charge whatever is due, and return the one payment there is."""
    ids = list(Payment.objects.values_list("id", flat=True))
    charging.charge(payment_ids=ids, gateway=gateway, clock=clock)
    return Payment.objects.get()


def told() -> list[dict[str, Any]]:
    """What the outbox says, oldest first."""
    return [json.loads(bytes(row.value or b"")) for row in OutboxMessage.objects.order_by("id")]


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


def take_in(clock: Clock, **changes: Any) -> Payment:
    """One accepted payment."""
    accept(record(event(**changes), at=clock()), now=clock())
    return Payment.objects.get()


def requests(stripe: Simulator, endpoint: str) -> list[dict[str, Any]]:
    """What Stripe received of one kind."""
    return stripe.control.requests(endpoint=f"payment_intents.{endpoint}")


@pytest.mark.parametrize("effect", ["before", "after"])
def test_a_reset_confirm_is_pending_until_stripe_says_what_happened(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock, effect: str
) -> None:
    """P1, P3: no answer is neither success nor failure; after the look the charge was made exactly once."""
    take_in(clock, method="pm_1")
    stripe.control.add_fault(kind="reset", endpoint="confirm", effect=effect)
    payment = charge(stripe_gateway, clock)
    assert (payment.status, payment.due_at) == ("pending", clock() + timedelta(seconds=5))
    assert told() == []
    assert charge(stripe_gateway, clock).status == "pending", "it isn't due before its time"
    clock.advance(seconds=5)
    assert charge(stripe_gateway, clock).status == "success"
    assert len(stripe.ledger.successes("sub_1")) == 1
    assert [one["payment"]["status"] for one in told()] == ["success"]


def test_an_attempt_in_doubt_is_sent_again_with_its_own_key_and_bytes(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock
) -> None:
    """So that Stripe's stored answer comes back if there is one, and the decline can be believed."""
    take_in(clock, method="pm_card_chargeDeclined")
    stripe.control.add_fault(kind="cut", endpoint="confirm", effect="after")
    assert charge(stripe_gateway, clock).status == "pending"
    clock.advance(seconds=5)
    payment = charge(stripe_gateway, clock)
    assert (payment.status, payment.code) == ("failed", "generic_decline")
    first, second = requests(stripe, "confirm")
    assert (first["idempotency_key"], first["params"]) == (second["idempotency_key"], second["params"])


def test_a_look_never_settles_a_decline(stripe: Simulator, stripe_gateway: Gateway, clock: Clock) -> None:
    """P3: `requires_payment_method` may be an attempt that is still on its way; only the attempt's own 402 counts."""
    take_in(clock, method="pm_card_chargeDeclined")
    stripe.control.add_fault(kind="reset", endpoint="confirm", effect="after", count=2)
    charge(stripe_gateway, clock)
    clock.advance(seconds=5)
    payment = charge(stripe_gateway, clock)
    intent = stripe_gateway.retrieve(intent=payment.intent_id or "")
    assert isinstance(intent, Seen)
    assert intent.intent.status == "requires_payment_method"
    assert payment.status == "pending"


def test_after_a_stored_500_the_attempt_gets_another_key(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock
) -> None:
    """Stripe replays a stored 500 for as long as the key lives: with it alone nothing would ever be known."""
    take_in(clock, method="pm_1")
    stripe.control.add_fault(kind="status", status=500, endpoint="confirm", effect="before")
    charge(stripe_gateway, clock)
    clock.advance(seconds=5)
    assert charge(stripe_gateway, clock).status == "success"
    first, second = requests(stripe, "confirm")
    assert first["idempotency_key"] != second["idempotency_key"]
    assert len(stripe.ledger.successes("sub_1")) == 1


def test_looks_at_an_unknown_outcome_grow_rarer_and_never_end(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock
) -> None:
    """P5 and P3: 5 s, 30 s, 1 min, 2 min, 10 min, 1 h, then hourly; after a quarter of an hour a person is asked."""
    take_in(clock, method="pm_1")
    stripe.control.add_fault(kind="reset", effect="before", endpoint="confirm", count=1)
    stripe.control.add_fault(kind="status", status=500, effect="none", endpoint="retrieve", count=None)
    pauses = []
    for _ in range(8):
        payment = charge(stripe_gateway, clock)
        assert payment.status == "pending"
        assert payment.due_at is not None
        pauses.append((payment.due_at - clock()).total_seconds())
        clock.now = payment.due_at
    assert pauses == [5, 30, 60, 120, 600, 3600, 3600, 3600]
    assert Payment.objects.get().attention == "its outcome is still unknown"
    stripe.control.clear_faults()
    assert charge(stripe_gateway, clock).status == "success"
    assert Payment.objects.get().attention == ""


def test_create_in_doubt_is_made_again_and_the_orphan_is_harmless(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock
) -> None:
    """An intent that nobody confirms takes no money; the payment is bound to one."""
    take_in(clock, method="pm_1")
    stripe.control.add_fault(kind="reset", endpoint="payment_intents.create", effect="after")
    charge(stripe_gateway, clock)
    clock.advance(seconds=5)
    assert charge(stripe_gateway, clock).status == "success"
    assert len(requests(stripe, "create")) == 2
    assert len(stripe.ledger.successes("sub_1")) == 1


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


def test_a_worker_that_died_after_the_confirm_is_followed_by_one_that_looks(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock
) -> None:
    """P1: continues from the bound intent; what had been charged is not charged again."""
    payment = take_in(clock, method="pm_1")
    [claim] = charging.claim(payment_ids=[payment.id], now=clock())
    its_steps = steps(claim=claim, gateway=stripe_gateway, clock=clock)
    call = next(its_steps)
    while len(requests(stripe, "confirm")) == 0:
        answer = call()
        if requests(stripe, "confirm"):
            break
        call = its_steps.send(answer)
    its_steps.close()
    assert len(stripe.ledger.successes("sub_1")) == 1
    clock.advance(seconds=LEASE.total_seconds())
    assert charge(stripe_gateway, clock).status == "success"
    assert len(requests(stripe, "confirm")) == 1
    assert len(stripe.ledger.successes("sub_1")) == 1


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


def test_a_failed_payment_is_looked_at_again_and_may_turn_out_paid(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock
) -> None:
    """`failed → success` when Stripe says so later: after 1 minute, 1 hour and 1 day somebody asks."""
    take_in(clock, method="pm_card_chargeDeclined")
    payment = charge(stripe_gateway, clock)
    looks = []
    while payment.due_at is not None:
        looks.append(payment.due_at - clock())
        clock.now = payment.due_at
        if len(looks) == 3:
            stripe_gateway.confirm(
                intent=payment.intent_id or "", request={"payment_method": "pm_1", "off_session": True}, key="late"
            )
        payment = charge(stripe_gateway, clock)
    assert looks == [timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)]
    assert payment.status == "success"
    assert [one["payment"]["status"] for one in told()] == ["failed", "success"]


def test_looks_at_a_failed_payment_end(stripe: Simulator, stripe_gateway: Gateway, clock: Clock) -> None:
    """Three looks that find nothing new are enough; it says nothing twice."""
    take_in(clock, method="pm_card_chargeDeclined")
    payment = charge(stripe_gateway, clock)
    while payment.due_at is not None:
        clock.now = payment.due_at
        payment = charge(stripe_gateway, clock)
    assert payment.status == "failed"
    assert len(requests(stripe, "retrieve")) == 3
    assert len(told()) == 1


def test_an_intent_that_was_cancelled_closes_its_payment(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock
) -> None:
    """A `canceled` found by any look closes, fails and tells; a closed payment is never due again."""
    take_in(clock, method="pm_1")
    stripe.control.add_fault(kind="reset", endpoint="confirm", effect="before")
    payment = charge(stripe_gateway, clock)
    stripe_gateway.cancel(intent=payment.intent_id or "")
    clock.advance(seconds=5)
    payment = charge(stripe_gateway, clock)
    assert (payment.status, payment.code, payment.closed_at, payment.due_at) == ("failed", "canceled", clock(), None)
    assert [one["payment"]["status"] for one in told()] == ["failed"]


def test_a_failed_payment_whose_intent_is_cancelled_is_closed_and_not_told_again(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock
) -> None:
    """Why it failed has been told; closing it takes nothing and changes nothing of that."""
    take_in(clock, method="pm_card_chargeDeclinedExpiredCard")
    payment = charge(stripe_gateway, clock)
    stripe_gateway.cancel(intent=payment.intent_id or "")
    clock.advance(minutes=1)
    payment = charge(stripe_gateway, clock)
    assert (payment.status, payment.code, payment.closed_at, payment.due_at) == (
        "failed",
        "expired_card",
        clock(),
        None,
    )
    assert len(told()) == 1


def test_a_look_that_sees_nothing_does_not_count(stripe: Simulator, stripe_gateway: Gateway, clock: Clock) -> None:
    """An outage must not use up the three looks at a failed payment."""
    take_in(clock, method="pm_card_chargeDeclined")
    charge(stripe_gateway, clock)
    stripe.control.add_fault(kind="reset", endpoint="retrieve", count=5)
    for _ in range(5):
        clock.advance(minutes=1)
        assert charge(stripe_gateway, clock).looks == 0
    clock.advance(minutes=1)
    assert charge(stripe_gateway, clock).looks == 1


def test_a_late_answer_to_a_settled_attempt_changes_nothing(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock
) -> None:
    """`success` never changes, whatever arrives afterwards."""
    take_in(clock, method="pm_1")
    charge(stripe_gateway, clock)
    attempt = Attempt.objects.get()
    before = list(Transition.objects.values_list("id", flat=True))
    charging.settle(attempt_id=attempt.id, answer=Declined(code="card_declined"), now=clock())
    attempt.refresh_from_db()
    assert (Payment.objects.get().status, attempt.state) == ("success", "succeeded")
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
