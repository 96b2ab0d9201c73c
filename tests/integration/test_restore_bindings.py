"""A failover that loses what a payment was bound to, and no record: the bridge sees nothing, and nobody pays twice."""

from typing import Any

import pytest

from payments import charging, webhooks
from payments.answers import Reply
from payments.charging.steps import Call, Calls
from payments.limits import Endpoint
from payments.models import Attempt, Pause, Payment, Transition, Webhook
from tests.integration.books import Books, breaks, no_guards
from tests.integration.kafka_client import lines
from tests.integration.refunding import deliver
from tests.stepping import steps

pytestmark = pytest.mark.django_db
LOST = ("binding", "binding and claim")


def test_a_webhook_that_says_paid_stops_charging_until_adoption(books: Books) -> None:
    """P1: the worker is gone with its answer; P4: told once, by the adoption; the webhook is closed after it."""
    for lost in LOST:
        payment = books.take_in(lost)
        its_steps, _ = confirmed(books, payment, lost=lost)
        its_steps.close()
    assert deliver(books.stripe, books.clock, "payment_intent.succeeded", "charge.succeeded") == [""] * 4
    nobody_is_charged_again(books, began_by="webhook")
    assert webhooks.catch_up(now=books.clock()) == []
    assert Webhook.objects.filter(handled_at__isnull=True, payment__isnull=True).count() == 4
    adopted_and_told_once(books)
    webhooks.catch_up(now=books.clock())
    assert set(Webhook.objects.values_list("verdict", flat=True)) == {"nothing_new"}
    assert not charging.is_paused()


@pytest.mark.parametrize("lost", LOST)
def test_a_success_that_is_settled_stops_charging_until_adoption(
    books: Books, caplog: pytest.LogCaptureFixture, lost: str
) -> None:
    """P1: the worker has the answer, and nothing here that it could be settled with."""
    payment = books.take_in(lost)
    its_steps, answer = confirmed(books, payment, lost=lost)
    with pytest.raises(StopIteration):
        its_steps.send(answer)
    [line] = [*lines(caplog, "success of an unbound payment"), *lines(caplog, "success of a forgotten attempt")]
    assert line["payment"] == str(payment.id)
    nobody_is_charged_again(books, began_by="stripe")
    adopted_and_told_once(books)


def confirmed(books: Books, payment: Payment, *, lost: str) -> tuple[Calls, Reply]:
    """A worker whose confirm leaves just when its commits are lost. Returns what it does next, and Stripe's answer."""
    [claim] = charging.claim(payment_ids=[payment.id], now=books.clock())
    its_steps = steps(claim=claim, gateway=books.gateway, clock=books.clock)
    call: Call = next(its_steps)
    while call.endpoint is not Endpoint.CONFIRM:
        call = its_steps.send(call())
    with no_guards():
        forgotten: dict[str, Any] = {"intent_id": None, "intent_customer": "", "account_id": "", "livemode": None}
        if "claim" in lost:
            forgotten |= {"lease_until": None, "deliveries": 0}
            Transition.objects.filter(payment=payment, attempt__isnull=False).delete()
            Attempt.objects.filter(payment=payment).delete()
        Attempt.objects.filter(payment=payment).update(sent_at=None)
        Payment.objects.filter(id=payment.id).update(**forgotten)
    return its_steps, call()


def nobody_is_charged_again(books: Books, *, began_by: str) -> None:
    """However long nobody adopts, and whatever time it is."""
    pause = Pause.objects.get(ended_at__isnull=True)
    assert (pause.cause, pause.began_by) == ("restored", began_by)
    for _ in range(3):
        books.advance(minutes=3)
        books.charge()
    assert set(Payment.objects.values_list("status", "intent_id")) == {("pending", None)}
    assert books.confirms() == Payment.objects.count()


def adopted_and_told_once(books: Books) -> None:
    """Each is bound again to its own, paid, and told; then charging goes on, and does nothing."""
    books.adopt()
    assert not charging.is_paused()
    books.charge()
    for payment in Payment.objects.all():
        [paid] = books.stripe.ledger.successes(payment.subscription_id)
        assert (payment.status, payment.intent_id) == ("success", paid.payment_intent)
        assert payment.notifications.count() == 1
    books.compare()
    assert breaks() == []
