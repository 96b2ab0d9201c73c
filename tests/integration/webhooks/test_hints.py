"""A webhook is never more than a hint to look: order, duplicates and lies change nothing."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests

from billing_project.dev.simulator import Simulator
from payments import tasks, webhooks
from payments.gateway import Gateway
from payments.models import Attempt, Payment, Webhook
from tests.integration.webhooks.sent import (
    FOREIGN,
    KEPT,
    LOOK,
    NOTHING_NEW,
    SECRET,
    charge,
    intent_of,
    is_due,
    rung,
    tell,
    told,
    wait_until,
    work_off,
)

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_payment_that_succeeded_unseen_is_settled_long_before_its_time(
    stripe: Simulator, url: str, stripe_gateway: Gateway
) -> None:
    """P5: the answer was lost, the next look is far away; Stripe's own word brings it forward, and the look settles."""
    stripe.control.set_webhooks(url=url, secret=SECRET, late=0.3)
    stripe.control.add_fault(kind="reset", endpoint="confirm", effect="after")
    payment = charge(stripe_gateway, method="pm_1")
    Payment.objects.update(due_at=datetime.now(UTC) + timedelta(hours=1))
    assert work_off(payment).status == "success"
    assert told() == ["success"]
    assert len(stripe.ledger.successes("sub_1")) == 1
    wait_until(lambda: stripe.control.webhooks()["under_way"] == 0)
    assert {one["status"] for one in stripe.control.webhooks()["tries"]} == {200}
    assert len(stripe.control.requests(endpoint="payment_intents.confirm")) == 1


def test_a_customer_who_authenticates_is_told_of_success(stripe: Simulator, url: str, stripe_gateway: Gateway) -> None:
    """Failed with `actionRequired`; the customer confirms with the bank; success is told without anybody asking."""
    payment = charge(stripe_gateway, method="pm_card_authenticationRequired")
    assert (payment.status, payment.kind) == ("failed", "action")
    stripe.control.set_webhooks(url=url, secret=SECRET)
    # The front end confirms on session, and the bank asks the customer.
    answer = requests.post(
        f"{stripe.url}/v1/payment_intents/{payment.intent_id}/confirm",
        data={"payment_method": "pm_card_authenticationRequired"},
        auth=("sk_test_front_end", ""),
        timeout=5,
    )
    assert answer.json()["status"] == "requires_action"
    wait_until(lambda: Webhook.objects.filter(type="payment_intent.requires_action", verdict=NOTHING_NEW).exists())
    assert rung() == []
    stripe.control.resolve(payment_intent=payment.intent_id or "")
    assert work_off(payment).status == "success"
    assert told() == ["failed", "success"]


@pytest.mark.parametrize("mode", [{"late": 0.2}, {"twice": True}, {"shuffle": 4}, {"twice": True, "shuffle": 8}])
def test_late_doubled_and_mixed_up_webhooks_end_the_same(
    stripe: Simulator, url: str, stripe_gateway: Gateway, mode: dict[str, Any]
) -> None:
    """In any order and number: one success, told once, no further attempt."""
    stripe.control.set_webhooks(url=url, secret=SECRET, **mode)
    stripe.control.add_fault(kind="reset", endpoint="confirm", effect="after")
    payment = charge(stripe_gateway, method="pm_1")
    wait_until(lambda: stripe.control.webhooks()["under_way"] == 0)
    webhooks.catch_up(now=datetime.now(UTC))
    tasks.charge(payment_ids=[str(payment.id)])
    payment.refresh_from_db()
    assert (payment.status, told()) == ("success", ["success"])
    assert sorted(Webhook.objects.values_list("type", flat=True)) == [
        "charge.succeeded", "payment_intent.created", "payment_intent.succeeded",
    ]  # fmt: skip
    assert not Webhook.objects.filter(handled_at__isnull=True).exists()
    assert payment.attempts.count() == len(stripe.ledger.successes("sub_1")) == 1


def test_nothing_in_a_webhook_is_settled(unknown: Payment, stripe: Simulator) -> None:
    """P3: it says failed, or closed, or another amount; what counts is what a look finds, here a success."""
    tell("payment_intent.payment_failed", intent_of(unknown, status="requires_payment_method"))
    tell("payment_intent.canceled", intent_of(unknown, status="canceled", amount=1))
    before = Payment.objects.get()
    assert (before.status, before.closed_at, before.amount) == ("pending", None, 10_000)
    assert before.attempts.get().state == Attempt.State.UNKNOWN
    assert work_off(unknown).status == "success"


@pytest.mark.parametrize("field", ["id", "payment_intent"])
def test_a_hint_is_about_the_intent_whatever_the_object(unknown: Payment, field: str) -> None:
    """`payment_intent.*` names it by its own id, charges by a field."""
    kind = "payment_intent.succeeded" if field == "id" else "charge.succeeded"
    row = tell(kind, {"id": "x_1", "status": "succeeded", field: unknown.intent_id})
    assert (row.verdict, row.payment_id, row.intent_id) == (LOOK, unknown.id, unknown.intent_id)
    assert is_due()


@pytest.mark.parametrize("kind", ["refund.created", "charge.refunded", "charge.dispute.created"])
def test_money_back_of_a_payment_that_is_not_known_as_paid_makes_it_due_and_waits(unknown: Payment, kind: str) -> None:
    """It was paid, so a look finds that; then the refund or the dispute is asked about, so the webhook stays open."""
    row = tell(kind, {"id": "x_1", "status": "succeeded", "payment_intent": unknown.intent_id})
    assert (row.verdict, row.handled_at, row.payment_id) == ("", None, unknown.id)
    assert is_due()
    later = datetime.now(UTC) + timedelta(hours=1)
    Payment.objects.update(due_at=later)
    assert webhooks.catch_up(now=datetime.now(UTC)) == [], "once is enough"


def test_what_is_overdue_keeps_its_place(unknown: Payment) -> None:
    """The oldest first: a hint brings forward and never puts back."""
    long_ago = datetime.now(UTC) - timedelta(minutes=1)
    Payment.objects.update(due_at=long_ago)
    assert tell("payment_intent.succeeded", intent_of(unknown)).verdict == LOOK
    assert Payment.objects.get().due_at == long_ago


def test_a_payment_that_agrees_is_left_alone(paid: Payment, failed_beside: Payment) -> None:
    """The usual case: by the time Stripe tells, the answer was there, and nobody asks again."""
    for payment, kind, status in [
        (paid, "payment_intent.succeeded", "succeeded"),
        (paid, "payment_intent.created", "requires_payment_method"),
        (paid, "payment_intent.processing", "processing"),
        (failed_beside, "payment_intent.payment_failed", "requires_payment_method"),
        (failed_beside, "payment_intent.created", "requires_payment_method"),
    ]:
        assert tell(kind, intent_of(payment, status=status)).verdict == NOTHING_NEW, kind
    assert tell("charge.failed", {"payment_intent": failed_beside.intent_id, "status": "failed"}).verdict == NOTHING_NEW
    for payment in (paid, failed_beside):
        assert Payment.objects.get(id=payment.id).due_at == payment.due_at
    assert rung() == []


@pytest.fixture
def failed_beside(stripe_gateway: Gateway) -> Payment:
    """A declined payment of another subscription."""
    return charge(stripe_gateway, subscription="sub_2", method="pm_card_chargeDeclined")


@pytest.mark.parametrize(
    "kind", ["refund.created", "charge.refunded", "charge.dispute.created", "charge.refund.updated"]
)
def test_money_back_on_a_success_waits_for_a_look(paid: Payment, kind: str) -> None:
    """Success is never due; the row stays open until Stripe was asked what went back (`refunds.follow_up`)."""
    row = tell(kind, {"id": "re_1", "object": "refund", "amount": 5, "payment_intent": paid.intent_id})
    assert (row.verdict, row.handled_at, row.payment_id, row.facts["amount"]) == ("", None, paid.id, 5)
    now = Payment.objects.get()
    assert (now.due_at, now.refunded) == (None, 0)
    tasks.give_back()
    row.refresh_from_db()
    assert (row.verdict, Payment.objects.get().refunded) == (NOTHING_NEW, 0)


def test_a_closed_payment_rests(failed: Payment) -> None:
    """P1: no hint leads away from there; what contradicts it is kept, and said aloud in the log."""
    Payment.objects.update(closed_at=datetime.now(UTC), due_at=None)
    assert tell("payment_intent.canceled", intent_of(failed, status="canceled")).verdict == NOTHING_NEW
    assert tell("payment_intent.succeeded", intent_of(failed)).verdict == KEPT
    assert Payment.objects.get().due_at is None


def test_a_cancelled_success_is_kept(paid: Payment) -> None:
    """It can't be; so it is kept, and nothing changes."""
    assert tell("payment_intent.canceled", intent_of(paid, status="canceled")).verdict == KEPT
    assert Payment.objects.get().status == "success"


@pytest.mark.parametrize(
    ("about", "fields"),
    [({"id": "pi_nobody"}, {}), ({}, {"livemode": True}), ({}, {"account": "acct_somebody"})],
    ids=["unknown intent", "live mode", "another account"],
)
def test_what_is_of_others_is_kept_and_hints_at_nothing(
    unknown: Payment, about: dict[str, Any], fields: dict[str, Any]
) -> None:
    """Test and live mode, or several accounts, may share an endpoint."""
    row = tell("payment_intent.succeeded", intent_of(unknown) | about, **fields)
    assert (row.verdict, row.payment) == (FOREIGN, None)
    assert Payment.objects.get().due_at == unknown.due_at


def test_our_own_account_may_be_named(unknown: Payment) -> None:
    """A platform's endpoint names the account of each event."""
    assert tell("payment_intent.succeeded", intent_of(unknown), account=unknown.account_id).verdict == LOOK


def test_a_look_by_a_hint_takes_none_from_the_schedule(failed: Payment, stripe_gateway: Gateway) -> None:
    """A failed payment is looked at after a minute, an hour and a day, however often Stripe tells something."""
    Payment.objects.update(looks=2, due_at=datetime.now(UTC) + timedelta(hours=20))
    for _ in range(3):
        tell("payment_intent.processing", intent_of(failed, status="processing"))
        payment = work_off(failed)
        assert (payment.status, payment.looks) == ("failed", 2)
        assert payment.due_at is not None
        assert payment.due_at > datetime.now(UTC) + timedelta(hours=1)


def test_after_the_last_look_a_hint_still_leads_to_success(failed: Payment, stripe: Simulator) -> None:
    """However late: nobody looks by himself any more, but Stripe tells."""
    Payment.objects.update(looks=3, due_at=None)
    answer = requests.post(
        f"{stripe.url}/v1/payment_intents/{failed.intent_id}/confirm",
        data={"payment_method": "pm_card_visa"},
        auth=("sk_test_front_end", ""),
        timeout=5,
    )
    tell("payment_intent.succeeded", answer.json())
    assert work_off(failed).status == "success"
    assert told() == ["failed", "success"]


def test_a_hint_never_starts_an_attempt(failed: Payment, stripe: Simulator) -> None:
    """A payment that waits for its next attempt waits on, whatever is told of the one before."""
    later = datetime.now(UTC) + timedelta(days=1)
    Payment.objects.update(status="pending", settled_at=None, due_at=later)
    for kind in ("payment_failed", "requires_action", "processing", "created", "something_new"):
        status = kind if kind in ("requires_action", "processing") else "requires_payment_method"
        assert tell(f"payment_intent.{kind}", intent_of(failed, status=status)).verdict == NOTHING_NEW, kind
    assert Payment.objects.get().due_at == later
