"""Close and re-issue: P1's second half. Closed payments have no charge and can't get one."""

from collections.abc import Callable
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from billing_project.dev.simulator import Simulator
from payments import charging, notifications
from payments.answers import Seen
from payments.gateway import Gateway
from payments.models import Attempt, OutboxMessage, Payment, Transition
from tests.conftest import Clock
from tests.integration.events import accept, event, record
from tests.stepping import bind, steps

pytestmark = pytest.mark.django_db


def take_in(clock: Clock, **changes: Any) -> Payment:
    """One accepted payment."""
    accept(record(event(**({"method": "pm_1"} | changes)), at=clock()), now=clock())
    return Payment.objects.latest("number")


def charge(gateway: Gateway, clock: Clock) -> Payment:
    """Charge what is due; the latest payment."""
    charging.charge(payment_ids=list(Payment.objects.values_list("id", flat=True)), gateway=gateway, clock=clock)
    return Payment.objects.latest("number")


def close(payment: Payment, gateway: Gateway, clock: Clock) -> str:
    """Close it; why not, or empty."""
    refusal = charging.close(payment_id=payment.id, who="aida", reason="wrong price", gateway=gateway, now=clock())
    payment.refresh_from_db()
    return refusal.text if refusal else ""


def test_a_failed_payment_is_cancelled_at_stripe_and_closed(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock
) -> None:
    """Its reason stays as told; who closed it and why is in its history."""
    take_in(clock, method="pm_card_chargeDeclined")
    payment = charge(stripe_gateway, clock)
    assert close(payment, stripe_gateway, clock) == ""
    assert (payment.status, payment.closed_at, payment.due_at) == ("failed", clock(), None)
    seen = stripe_gateway.retrieve(intent=payment.intent_id or "")
    assert isinstance(seen, Seen)
    assert seen.intent.status == "canceled"
    step = Transition.objects.latest("id")
    assert (step.who, step.why) == ("aida", "closed: wrong price")
    assert OutboxMessage.objects.count() == 1
    assert close(payment, stripe_gateway, clock) == "it is closed already"


def test_a_payment_that_is_paid_can_not_be_closed(stripe: Simulator, stripe_gateway: Gateway, clock: Clock) -> None:
    """What was taken is refunded, not closed."""
    take_in(clock)
    payment = charge(stripe_gateway, clock)
    assert close(payment, stripe_gateway, clock) == "it is paid: refund it instead"


def test_a_payment_that_turns_out_paid_while_it_is_closed_is_settled_as_paid(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock
) -> None:
    """The look decides: an attempt in doubt had gone through."""
    take_in(clock)
    stripe.control.add_fault(kind="reset", endpoint="confirm", effect="after")
    payment = charge(stripe_gateway, clock)
    assert close(payment, stripe_gateway, clock) == "Stripe says that it is paid"
    assert (payment.status, payment.closed_at) == ("success", None)


def test_a_pending_payment_in_doubt_is_failed_told_and_closed(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock
) -> None:
    """Cancelled at Stripe, so that nothing was and nothing can be taken."""
    take_in(clock)
    stripe.control.add_fault(kind="reset", endpoint="confirm", effect="before")
    payment = charge(stripe_gateway, clock)
    assert close(payment, stripe_gateway, clock) == ""
    assert (payment.status, payment.code) == ("failed", "canceled")
    assert Attempt.objects.get().state == "rejected"
    assert OutboxMessage.objects.count() == 1
    clock.advance(days=2)
    assert charge(stripe_gateway, clock).status == "failed"
    assert stripe.ledger.successes("sub_1") == []


@pytest.mark.parametrize("endpoint", ["cancel", "retrieve"])
def test_without_an_answer_of_stripes_nothing_is_closed(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock, endpoint: str
) -> None:
    """`closed_at` is a promise: it needs to have been seen."""
    take_in(clock, method="pm_card_chargeDeclined")
    payment = charge(stripe_gateway, clock)
    stripe.control.add_fault(kind="reset", endpoint=endpoint, effect="before")
    assert close(payment, stripe_gateway, clock).endswith("try again")
    assert payment.closed_at is None
    assert close(payment, stripe_gateway, clock) == ""


def test_a_payment_that_was_never_tried_is_closed_without_stripe(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock
) -> None:
    """There is nothing to cancel; who waits is told."""
    payment = take_in(clock)
    assert close(payment, stripe_gateway, clock) == ""
    assert (payment.status, payment.closed_at) == ("failed", clock())
    assert stripe.control.requests() == []
    assert OutboxMessage.objects.count() == 1
    attempt = Attempt.objects.get()
    assert (attempt.number, attempt.asked_by, attempt.state, attempt.code) == (1, "aida", "refused", "closed")
    assert (attempt.payment_method, attempt.created_at, attempt.ended_at) == ("pm_1", clock(), clock())
    step = Transition.objects.latest("id")
    assert (step.who, step.why, step.at, step.attempt_id) == ("aida", "wrong price", clock(), attempt.id)
    assert charge(stripe_gateway, clock).status == "failed"


def test_a_worker_that_was_making_the_intent_meanwhile_cancels_it(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock
) -> None:
    """P1: closed between create and bind: the intent is never confirmed."""
    payment = take_in(clock, customer="cus_1")
    Payment.objects.update(customer="")
    [claim] = charging.claim(payment_ids=[payment.id], now=clock())
    its_steps = steps(claim=claim, gateway=stripe_gateway, clock=clock)
    made = next(its_steps)()
    assert close(payment, stripe_gateway, clock) == ""
    call = its_steps.send(made)
    with pytest.raises(StopIteration):
        while True:
            call = its_steps.send(call())
    [intent] = stripe.ledger.payment_intents_of("subscription_id", "sub_1")
    assert intent.status == "canceled"
    payment.refresh_from_db()
    assert payment.intent_id is None


def test_a_payment_that_is_bound_while_it_is_closed_is_cancelled_at_stripe(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock
) -> None:
    """P1: it had no PaymentIntent when staff looked, and one when its row was locked."""
    payment = take_in(clock, customer="cus_1")
    Payment.objects.update(customer="")
    [claim] = charging.claim(payment_ids=[payment.id], now=clock())
    made = next(steps(claim=claim, gateway=stripe_gateway, clock=clock))()
    assert isinstance(made, Seen)

    def bind_first(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        if sql.startswith("SELECT") and "FOR UPDATE" in sql and Payment.objects.get(id=payment.id).intent_id is None:
            bind(claim=claim, made=made.intent, account="acct_simulator", now=clock())
        return execute(sql, params, many, context)

    with connection.execute_wrapper(bind_first):
        assert close(payment, stripe_gateway, clock) == ""
    assert (payment.intent_id, payment.closed_at) == (made.intent.id, clock())
    [intent] = stripe.ledger.payment_intents_of("subscription_id", "sub_1")
    assert intent.status == "canceled"
    step = Transition.objects.latest("id")
    assert (step.who, step.why) == ("aida", "wrong price")


def test_a_closed_payment_is_issued_again_and_charged_once(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock
) -> None:
    """A new payment with an id of its own; the closed one stays closed."""
    take_in(clock, method="pm_card_chargeDeclined")
    closed = charge(stripe_gateway, clock)
    refused = charging.reissue(payment_id=closed.id, who="aida", reason="", now=clock())
    assert refused == charging.NotClosed(text="its subscription has an open payment: close that first")
    close(closed, stripe_gateway, clock)
    Payment.objects.filter(id=closed.id).update(payment_method="pm_1")
    made = charging.reissue(payment_id=closed.id, who="aida", reason="agreed", now=clock())
    assert isinstance(made, Payment)
    assert (made.number, made.subscription_id) == (2, "sub_1")
    assert charge(stripe_gateway, clock).status == "success"
    assert len(stripe.ledger.successes("sub_1")) == 1
    again = charging.reissue(payment_id=closed.id, who="aida", reason="", now=clock())
    assert isinstance(again, charging.NotClosed)


def test_what_is_issued_again_is_what_was_asked_for(clock: Clock, stripe_gateway: Gateway) -> None:
    """The same wish of the same customer, beginning anew: nothing of what befell the closed one comes along."""
    trace = f"00-{1:032x}-{1:016x}-01"
    wish = event(7, user=8, customer="cus_1", method="pm_1", price=12.5, currency="USD")
    accept(record(wish, at=clock(), headers=(("traceparent", trace.encode()),)), now=clock())
    closed = Payment.objects.get()
    assert close(closed, stripe_gateway, clock) == ""
    clock.advance(minutes=1)
    made = charging.reissue(payment_id=closed.id, who="aida", reason="agreed", now=clock())
    assert isinstance(made, Payment)
    rows: list[Any] = [Payment.objects.filter(id=one.id).values().get() for one in (closed, made)]
    before, after = rows
    kept = (
        *("subscription_id", "subscription_as_sent", "user_as_sent", "user_id", "email", "price", "amount"),
        *("currency", "payment_method", "customer", "traceparent"),
    )
    assert made.id == notifications.payment_id(subscription="7", number=2)
    assert {name: after[name] for name in kept} == {name: before[name] for name in kept}
    assert after["traceparent"] == trace
    assert (after["status"], after["number"], after["asked_by"]) == ("pending", 2, "aida")
    assert (after["due_at"], after["created_at"], after["accepted_at"]) == (clock(),) * 3
    step = Transition.objects.get(payment=made)
    assert (step.from_status, step.to_status, step.who, step.why, step.at) == (
        "", "pending", "aida", "agreed", clock(),
    )  # fmt: skip
    assert step.evidence == {"reissued": str(closed.id)}


def test_a_new_event_after_a_close_is_a_new_payment(stripe: Simulator, stripe_gateway: Gateway, clock: Clock) -> None:
    """Even with another price: the old wish is over."""
    payment = take_in(clock)
    close(payment, stripe_gateway, clock)
    clock.advance(minutes=1)
    take_in(clock, price=200)
    assert charge(stripe_gateway, clock).status == "success"
    assert [charged.amount for charged in stripe.ledger.successes("sub_1")] == [20_000]


def test_the_commands_close_and_reissue(stripe: Simulator, stripe_gateway: Gateway, clock: Clock) -> None:
    """A dry run first; one line each; exit code 1 with the reason."""
    payment = take_in(clock)
    out = StringIO()
    call_command("close", str(payment.id), "--reason", "wrong price", stdout=out)
    assert "would be closed.\nNothing was changed. Add --yes to act." in out.getvalue()
    with pytest.raises(CommandError, match="it is open: close it first"):
        call_command("reissue", str(payment.id), "--reason", "agreed", "--yes")
    call_command("close", str(payment.id), "--reason", "wrong price", "--yes", stdout=out)
    call_command("reissue", str(payment.id), "--reason", "agreed", "--yes", stdout=out)
    assert out.getvalue().endswith("is due now.\n")
    assert Payment.objects.filter(closed_at__isnull=True).get().number == 2
    with pytest.raises(CommandError, match="there is no payment"):
        call_command("close", "00000000-0000-0000-0000-000000000000", "--reason", "x")
