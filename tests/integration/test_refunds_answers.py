"""Answers about refunds that are rare, or can't be: each has its arrow, and none moves money by itself."""

from datetime import timedelta

import pytest

from billing_project.dev.simulator import Simulator
from payments import charging, webhooks
from payments.answers import Account, Declined, Owner, Page, RefundSeen, Reply, StripeRefund
from payments.gateway import Event, Gateway
from payments.models import Payment, Refund, Transition, Webhook
from payments.refunds.outcome import Outcome
from payments.refunds.settle import settle
from tests.conftest import Clock
from tests.integration.events import accept, event, record
from tests.integration.refunding import ask, carry_out, deliver, follow_up, only, pay, states

pytestmark = pytest.mark.django_db


@pytest.fixture
def refund(stripe: Simulator, stripe_gateway: Gateway, clock: Clock) -> Refund:
    """Asked for; nobody has sent it yet."""
    return ask(pay(stripe_gateway, clock), clock, 2_500)


@pytest.mark.parametrize(("in_doubt", "state"), [(False, "rejected"), (True, "unknown")])
def test_a_card_that_takes_nothing_back_is_a_refusal(refund: Refund, clock: Clock, in_doubt: bool, state: str) -> None:
    """By the issuer's code. While an earlier send may be on its way it proves nothing."""
    answer = Declined(code="card_declined", decline_code="lost_card", request="req_1")
    settle(refund_id=refund.id, answer=answer, now=clock(), in_doubt=in_doubt)
    assert (only().state, only().request_id) == (state, "req_1")
    refused = ("lost_card", "Stripe refused it: lost_card")
    assert (only().code, only().attention) == (("", "") if in_doubt else refused)
    assert only().payment.refunded == 0


@pytest.mark.parametrize(
    "answer",
    [Page(items=(), last=""), Owner(customer=""), Account(id="acct_1"), True],
    ids=lambda one: type(one).__name__,
)
def test_an_answer_to_another_question_proves_nothing(refund: Refund, clock: Clock, answer: Reply) -> None:
    """Neither that money went back, nor that it didn't: Stripe is asked again."""
    settle(refund_id=refund.id, answer=answer, now=clock(), in_doubt=False)
    assert (only().state, only().due_at) == ("unknown", clock() + timedelta(seconds=5))
    assert Transition.objects.latest("id").why.endswith("unknown: outcome unknown: unreadable_answer")


def test_an_answer_that_has_lost_our_id_is_still_about_what_was_asked(refund: Refund, clock: Clock) -> None:
    """It came to the very call that made the refund: one row, one sum."""
    made = StripeRefund(
        id="re_1", status="succeeded", amount=2_500, currency="KZT", intent=refund.payment.intent_id or "", wish="",
        payment="", failure="", created_at=clock(),
    )  # fmt: skip
    settle(refund_id=refund.id, answer=RefundSeen(refund=made), now=clock(), in_doubt=False)
    assert (only().id, only().state, only().refund_id) == (refund.id, "succeeded", "re_1")
    assert Payment.objects.get().refunded == 2_500


def test_a_state_that_somebody_else_has_written_is_not_overwritten(refund: Refund, clock: Clock) -> None:
    """The lock covers it; where it should ever not, the write finds out, and nothing is changed."""
    late = Outcome(payment=refund.payment, refund=Refund.objects.get(), now=clock())
    Refund.objects.update(state="succeeded", refund_id="re_1", due_at=None, ended_at=clock())
    with pytest.raises(AssertionError, match="is not sending any more"):
        late.unknown("no_answer")
    assert states() == ["succeeded"]


def test_a_look_at_what_the_bank_has_yet_to_do_that_gets_no_answer_comes_again(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock
) -> None:
    """It stays with the bank, and is looked at after a minute."""
    ask(pay(stripe_gateway, clock, method="pm_card_pendingRefund"), clock)
    assert carry_out(stripe_gateway, clock) == ["pending"]
    clock.advance(minutes=1)
    stripe.control.add_fault(endpoint="refunds.retrieve", kind="status", status=500)
    assert carry_out(stripe_gateway, clock) == ["pending"]
    assert (only().due_at, only().lease_until) == (clock() + timedelta(minutes=1), None)
    stripe.control.resolve_refund(refund=only().refund_id or "", outcome="succeeded")
    clock.advance(minutes=1)
    assert carry_out(stripe_gateway, clock) == ["succeeded"]


def test_a_hint_about_a_payment_in_a_workers_hands_waits_until_it_is_free(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock
) -> None:
    """Paid and given back before the worker had its answer: it is left to it, and the hint is taken up afterwards."""
    accepted = accept(record(event(method="pm_1"), at=clock()), now=clock())
    stripe.control.add_fault(kind="reset", endpoint="confirm", effect="after")
    charging.charge(payment_ids=accepted.due, gateway=stripe_gateway, clock=clock)
    clock.advance(seconds=5)
    charging.claim(payment_ids=accepted.due, now=clock())
    before = Payment.objects.values().get()
    stripe.control.refund(payment_intent=before["intent_id"] or "")
    content = {"data": {"object": {"id": "re_1", "payment_intent": before["intent_id"], "status": "succeeded"}}}
    assert webhooks.receive(event=Event(id="evt_1", type="refund.created", content=content), now=clock()) is None
    assert Payment.objects.values().get() == before
    assert Webhook.objects.get().handled_at is None
    Webhook.objects.all().delete()
    deliver(stripe, clock, "refund.")
    clock.advance(minutes=3)
    follow_up(stripe_gateway, clock)
    charging.charge(payment_ids=accepted.due, gateway=stripe_gateway, clock=clock)
    assert set(follow_up(stripe_gateway, clock)) == {"look"}
    assert Payment.objects.get().refunded == 10_000
