"""Who can't be forgotten yet: a user's personal data stay for as long as something that needs them is under way."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from payments import retention
from payments.gateway import Gateway
from payments.models import Dispute, Erasure, InboxMessage, Job, JobItem, OutboxMessage, Payment, Subscription
from tests.conftest import Clock
from tests.integration.events import accept, record
from tests.integration.forgetting import CANARY, everything, forget, of_user, pay_and_dismiss, settle
from tests.integration.ledger_rows import NOW, refund

pytestmark = pytest.mark.django_db


@pytest.fixture
def paid(clock: Clock, stripe_gateway: Gateway) -> Payment:
    """Nothing of it is under way; beside another user's."""
    return pay_and_dismiss(clock, stripe_gateway)


def put_wait(payment: Payment) -> None:
    """It is tried again later."""
    Payment.objects.filter(id=payment.id).update(lease_until=datetime.now(UTC) + timedelta(days=999))


def put_refund(payment: Payment) -> None:
    refund(payment=payment)


def put_dispute(payment: Payment) -> None:
    Dispute.objects.create(
        dispute_id="dp_1", payment=payment, amount=1, currency="KZT", reason="fraudulent", status="needs_response",
        opened_at=NOW, seen_at=NOW,
    )  # fmt: skip


def put_untold(payment: Payment) -> None:
    OutboxMessage.objects.filter(payment=payment).update(published_at=None)


def put_parked(payment: Payment) -> None:
    InboxMessage.objects.filter(verdict="dismissed", subscription="sub_1").update(
        verdict="conflict", handled_at=None, handled_by="", handled_why=""
    )


def put_job(payment: Payment) -> None:
    job = Job.objects.create(action="notify", asked_by="aida", total=1, reason="x", created_at=NOW, state="running")
    JobItem.objects.create(job=job, number=1, payment=payment)


def put_pending(payment: Payment) -> None:
    Subscription.objects.create(id="sub_3")
    Payment.objects.create(
        subscription_id="sub_3", subscription_as_sent="sub_3", user_as_sent={}, user_id="u_canary", price=1, amount=100,
        currency="KZT", payment_method="pm_1", due_at=NOW, created_at=NOW, accepted_at=NOW,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("put", "why"),
    [
        (put_wait, "is in a worker's hands"),
        (put_refund, "a refund is under way"),
        (put_dispute, "a dispute is open"),
        (put_untold, "something is not told yet"),
        (put_parked, "is parked: replay or dismiss it first"),
        (put_job, "a job is about to do something"),
        (put_pending, "is pending: wait for its outcome"),
    ],
)
def test_what_is_under_way_keeps_its_data(clock: Clock, paid: Payment, put: Any, why: str) -> None:
    """Each is named; nothing is erased, as it is needed."""
    put(paid)
    found = forget(clock)
    assert isinstance(found, retention.NotForgettable)
    assert len(found.why) == 1
    assert why in found.why[0]
    assert CANARY in everything()
    assert not Erasure.objects.exists()


def test_a_payment_that_may_be_tried_again_keeps_its_data(clock: Clock, stripe_gateway: Gateway) -> None:
    """For a day after it has failed Stripe is looked at; then it rests."""
    accept(record(of_user("sub_1", method="pm_card_chargeDeclined"), at=clock()), now=clock())
    settle(clock, stripe_gateway)
    found = forget(clock)
    assert isinstance(found, retention.NotForgettable)
    assert "is looked at or tried again" in found.why[0]
    Payment.objects.update(due_at=None)
    assert isinstance(forget(clock), retention.Forgotten)
