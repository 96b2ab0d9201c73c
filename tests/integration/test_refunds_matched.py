"""Which row a refund of Stripe's belongs to; and what comes late, twice, or can't be."""

import uuid
from dataclasses import replace

import pytest

from billing_project.dev.simulator import Simulator
from payments import charging, refunds
from payments.answers import DisputeSeen
from payments.gateway import Gateway
from payments.models import Dispute, Payment, Refund
from tests.conftest import Clock
from tests.integration.events import accept, event, record
from tests.integration.refunding import ask, audit, carry_out, listed, only, pay, states

pytestmark = pytest.mark.django_db


def test_late_answers_change_nothing(stripe: Simulator, stripe_gateway: Gateway, clock: Clock) -> None:
    """What was seen before the refund failed, noted after it: there is no arrow from there."""
    payment = pay(stripe_gateway, clock, method="pm_card_refundFail")
    made = stripe.control.refund(payment_intent=payment.intent_id or "")
    [before] = listed(stripe_gateway, payment)
    stripe.control.resolve_refund(refund=made["id"])
    [after] = listed(stripe_gateway, payment)
    seen = [refunds.note_refund(payment=payment, seen=one, now=clock()) for one in (after, before, after, before)]
    assert seen == [True, False, False, False]
    assert states() == ["failed"]
    audit(stripe)


def test_a_refund_that_a_restored_database_has_forgotten_gets_its_own_id_back(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock
) -> None:
    """So that it is told under the same id as before."""
    payment = pay(stripe_gateway, clock)
    forgotten = uuid.uuid4()
    stripe_gateway.refund(
        intent=payment.intent_id or "", amount=2_500, key="forgotten",
        metadata={"refund_id": str(forgotten), "payment_id": str(payment.id)},
    )  # fmt: skip
    [seen] = listed(stripe_gateway, payment)
    assert refunds.note_refund(payment=payment, seen=seen, now=clock())
    assert (only().id, only().state) == (forgotten, "succeeded")
    audit(stripe)


def test_a_second_refund_with_our_id_is_kept_apart_and_shown(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock
) -> None:
    """It can't be; if it is, the sum says what the customer has got, and a person sees why."""
    payment = pay(stripe_gateway, clock)
    refund = ask(payment, clock, 2_500)
    carry_out(stripe_gateway, clock)
    stripe_gateway.refund(
        intent=payment.intent_id or "", amount=2_500, key="another",
        metadata={"refund_id": str(refund.id), "payment_id": str(payment.id)},
    )  # fmt: skip
    for seen in listed(stripe_gateway, payment):
        refunds.note_refund(payment=payment, seen=seen, now=clock())
    payment.refresh_from_db()
    assert payment.refunded == 5_000
    [twice] = Refund.objects.exclude(id=refund.id)
    assert twice.attention == "made at Stripe in addition to another one: compare with Stripe"


def test_a_refund_of_another_amount_under_our_id_is_not_ours(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock
) -> None:
    """Somebody has copied metadata: nothing is settled by it, and a person sees it."""
    payment = pay(stripe_gateway, clock)
    refund = ask(payment, clock, 2_500)
    stripe_gateway.refund(
        intent=payment.intent_id or "", amount=1_000, key="copied",
        metadata={"refund_id": str(refund.id), "payment_id": str(payment.id)},
    )  # fmt: skip
    [seen] = listed(stripe_gateway, payment)
    refunds.note_refund(payment=payment, seen=seen, now=clock())
    refund.refresh_from_db()
    assert (refund.state, refund.refund_id) == ("unknown", None)
    assert refund.attention == "Stripe's refund is not this one: amount is 1000, not 2500"


def test_a_refund_of_another_payment_is_not_noted(stripe: Simulator, stripe_gateway: Gateway, clock: Clock) -> None:
    """Nor one of a payment that isn't settled as paid: that has to be looked at first."""
    payment, other = pay(stripe_gateway, clock), pay(stripe_gateway, clock, subscription="sub_2")
    stripe.control.refund(payment_intent=other.intent_id or "")
    [seen] = listed(stripe_gateway, other)
    assert not refunds.note_refund(payment=payment, seen=seen, now=clock())
    assert states() == []


def test_more_refunded_than_charged_is_not_believed_and_shown(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock
) -> None:
    """One had failed, and nobody has told us: the sum stays within the charge, and a person compares."""
    payment = pay(stripe_gateway, clock)
    stripe.control.refund(payment_intent=payment.intent_id or "", amount=6_000)
    [one] = listed(stripe_gateway, payment)
    for seen in (one, replace(one, id="re_other")):
        assert refunds.note_refund(payment=payment, seen=seen, now=clock())
    payment.refresh_from_db()
    assert payment.refunded == 10_000
    assert Refund.objects.get(refund_id="re_other").attention.startswith("with it, more is refunded than was charged")


def test_nothing_is_noted_of_a_payment_that_is_not_known_as_paid(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock
) -> None:
    """Its charge has to be looked at first: the sum stands beside a success only."""
    accepted = accept(record(event(method="pm_1"), at=clock()), now=clock())
    stripe.control.add_fault(kind="reset", endpoint="confirm", effect="after")
    charging.charge(payment_ids=accepted.due, gateway=stripe_gateway, clock=clock)
    payment = Payment.objects.get()
    stripe.control.refund(payment_intent=payment.intent_id or "")
    made = stripe.control.dispute(payment_intent=payment.intent_id or "", inquiry=True)
    [refund] = listed(stripe_gateway, payment)
    assert not refunds.note_refund(payment=payment, seen=refund, now=clock())
    dispute = stripe_gateway.retrieve_dispute(dispute=made["id"])
    assert isinstance(dispute, DisputeSeen)
    assert not refunds.note_dispute(payment=payment, seen=dispute.dispute, now=clock())
    assert (states(), Dispute.objects.count()) == ([], 0)
