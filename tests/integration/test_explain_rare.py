"""Rare lines of a story: each says what happened, with its evidence, and none says more than the rows do."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.management import call_command

from billing_project.dev.simulator import Simulator
from payments import charging, explain, reconcile
from payments.answers import Intent, Seen
from payments.explain import Event, Notice
from payments.gateway import Gateway
from payments.models import Break, Dispute, InboxMessage, OutboxMessage, Payment, Webhook
from tests.conftest import Clock
from tests.integration.events import accept, event, record
from tests.integration.refunding import pay
from tests.integration.stories import charge, tell, texts

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)


def test_the_customer_at_stripe_is_a_link(stripe: Simulator, stripe_gateway: Gateway, clock: Clock) -> None:
    """To the page where all their cards are."""
    stripe.control.add_payment_method(id="pm_owned", customer="cus_1")
    story = tell(charge(stripe_gateway, clock, method="pm_owned"), clock)
    [fact] = [fact for fact in story.facts if fact.label == "Customer at Stripe"]
    assert (fact.value, fact.link) == ("cus_1", "https://dashboard.stripe.com/test/customers/cus_1")


def test_a_retry_by_the_schedule_is_the_next_step(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock, settings: Any
) -> None:
    """And a look at Stripe before that."""
    settings.RETRY_SOFT_AFTER = (timedelta(hours=1),)
    story = tell(charge(stripe_gateway, clock, method="pm_card_chargeDeclinedInsufficientFunds"), clock)
    assert {step.text: step.at for step in story.next_steps} == {
        "It is tried again by itself": clock() + timedelta(hours=1),
        "Stripe is asked whether anything has changed": clock() + timedelta(minutes=1),
    }


def test_a_try_that_another_one_has_overtaken_has_a_line(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock
) -> None:
    """Stripe says late that the first one has succeeded, while the second is under way."""
    payment = charge(stripe_gateway, clock, method="pm_card_chargeDeclined")
    clock.advance(minutes=1)
    charging.replay(payment_id=payment.id, who="staff: aida", reason="they called", now=clock())
    charging.claim(payment_ids=[payment.id], now=clock())
    late = Intent(
        id=payment.intent_id or "", status="succeeded", amount=payment.amount, currency="KZT", livemode=False,
        payment=str(payment.id), charge="ch_late", created_at=clock(),
    )  # fmt: skip
    first = payment.attempts.get(number=1)
    charging.settle(attempt_id=first.id, answer=Seen(intent=late), now=clock.advance(seconds=1))
    assert "Try 2: overtaken by another one that succeeded" in texts(tell(payment, clock))


def test_what_kafka_has_refused_is_said_to_need_an_engineer(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock
) -> None:
    """The customer may have heard nothing."""
    payment = charge(stripe_gateway, clock, method="pm_card_chargeDeclined")
    OutboxMessage.objects.update(refused_at=clock.advance(seconds=1), error="too large")
    [line] = [one for one in tell(payment, clock).events if one.text.startswith("Not published")]
    assert line.text == "Not published: Kafka does not take the notification. An engineer must look"
    assert (line.tone, ("error", "too large") in {(fact.label, fact.value) for fact in line.evidence}) == ("act", True)


def test_a_notification_whose_body_was_emptied_still_has_its_line(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock
) -> None:
    """Personal data are gone after a time; that it was told isn't."""
    payment = charge(stripe_gateway, clock, method="pm_card_chargeDeclined")
    assert "Written, to be published: the notification (“failed”)" in texts(tell(payment, clock))
    OutboxMessage.objects.update(value=None)
    assert "Written, to be published: the notification" in texts(tell(payment, clock))


def test_a_difference_that_was_settled_says_by_whom_and_why(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock
) -> None:
    """Both lines stay: that there was one, and that somebody has looked."""
    payment = pay(stripe_gateway, clock)
    broken = Break.objects.create(
        kind="amount", intent_id=payment.intent_id or "", payment=payment, reason="1 more was taken", found_at=clock(),
        seen_at=clock(),
    )  # fmt: skip
    now = clock.advance(hours=1)
    reconcile.settle_break(break_id=broken.id, who="staff: aida", why="agreed with the bank", now=now)
    [line] = [one for one in tell(payment, clock).events if one.text.startswith("The difference is settled")]
    assert (line.text, line.who, line.at) == ("The difference is settled: agreed with the bank", "aida", now)


def test_a_record_that_was_accepted_says_what_it_was_taken_for(clock: Clock) -> None:
    """Nothing is left to do about it; its event's id is among the evidence."""
    accept(record(event(), at=clock(), headers=(("ce_id", b"evt-7"),)), now=clock())
    told = explain.explain_record(InboxMessage.objects.get())
    assert told.title == "A record that is dealt with"
    assert told.what.startswith("It was taken for this: ")
    assert told.next_step == "Nothing."
    assert ("event id", "evt-7") in {(fact.label, fact.value) for one in told.events for fact in one.evidence}


def test_a_webhook_about_nothing_of_ours_is_told_alone(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    """A payout, say: no payment's story follows."""
    Webhook.objects.create(event_id="evt_1", type="payout.paid", object_id="po_1", livemode=False, received_at=clock())
    call_command("explain", "evt_1")
    told = capsys.readouterr().out
    assert told.startswith("A webhook of Stripe's. Stripe told us “payout.paid”: ")
    assert "To do: Nothing: it is not about a payment of ours." in told
    assert "PaymentIntent: none" in told
    assert not Payment.objects.exists()
    assert "Was money taken?" not in told


@pytest.mark.parametrize(
    ("status", "respond_by", "says"),
    [
        ("won", NOW, ""),
        ("under_review", NOW, ""),
        ("needs_response", None, "an answer is due, Stripe does not say until when"),
        ("needs_response", NOW - timedelta(days=2),
         "an answer was due until 2026-01-29 12:00:00 UTC, 2 days ago"),
        ("warning_needs_response", NOW + timedelta(days=2), "answer until 2026-02-02 12:00:00 UTC, in 2 days"),
    ],
)  # fmt: skip
def test_a_disputes_deadline_is_said_where_it_is_ours(status: str, respond_by: datetime | None, says: str) -> None:
    """One that has gone by isn't said to be ahead, and one that Stripe doesn't name isn't made up."""
    assert explain.deadline_of(Dispute(status=status, respond_by=respond_by), now=NOW) == says


def test_a_line_without_evidence_is_one_line_in_the_terminal() -> None:
    """And not an empty one below it."""
    line = Event(at=NOW, kind="step", text="It began")
    notice = Notice(title="A", what="b.", next_step="c.", facts=(), events=(line, line), payment=uuid.UUID(int=0))
    assert explain.as_text(notice).splitlines()[-2:] == ["  2026-01-31 12:00:00 UTC  It began"] * 2
