"""A story's tries: what waits for one, how one ended as far as anybody knows, and who declined it.

The real machinery has made each state: what the story says is what Stripe did.
"""

import pytest

from billing_project.dev.simulator import Simulator
from payments import charging
from payments.answers import Intent, Seen
from payments.gateway import Gateway
from payments.models import Attempt, OutboxMessage, Webhook
from tests.conftest import Clock
from tests.integration.events import accept, event, record
from tests.integration.stories import charge, headline, take_in, tell, texts

pytestmark = pytest.mark.django_db


def test_what_was_never_tried_waits(stripe: Simulator, clock: Clock) -> None:
    """Accepted a moment ago."""
    payment = take_in(clock)
    assert headline(payment, clock) == "It waits for its first try. Nothing was taken. It is tried by itself now."


def test_what_is_in_a_workers_hands_is_not_known(stripe: Simulator, clock: Clock) -> None:
    """Claimed: the charge may leave at any moment."""
    payment = take_in(clock)
    charging.claim(payment_ids=[payment.id], now=clock())
    told = tell(payment, clock).conclusion
    assert (told.taken, told.retry) == ("unknown", "wait")
    assert told.what == "It is being tried at this moment."


def test_what_broke_off_before_it_was_sent_took_nothing(stripe: Simulator, clock: Clock) -> None:
    """Its worker died right after the claim."""
    payment = take_in(clock)
    charging.claim(payment_ids=[payment.id], now=clock())
    clock.advance(minutes=3)
    told = tell(payment, clock).conclusion
    assert told.what == "A try was begun and broke off before the charge was sent to Stripe."
    assert told.taken == "no"


def test_a_lost_answer_is_not_known_although_stripe_has_taken_the_money(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock
) -> None:
    """P3: neither yes nor no, and when Stripe is asked again."""
    stripe.control.add_fault(kind="reset", endpoint="confirm", effect="after")
    payment = charge(stripe_gateway, clock)
    assert headline(payment, clock) == (
        "Nobody knows yet how the last try ended: Stripe gave no clear answer. Whether money was taken is not known "
        "yet. Don't retry. Stripe is asked again at 2026-01-31 12:00:05 UTC."
    )
    assert "Try 1. Stripe gave no clear answer: nobody knows yet how the try ended" in texts(tell(payment, clock))


def test_a_stripe_that_can_not_be_reached_took_nothing(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock
) -> None:
    """The charge was never sent: that can be said."""
    stripe.control.add_fault(kind="reset", endpoint="create", effect="before")
    payment = charge(stripe_gateway, clock)
    assert Attempt.objects.get().state == "unknown"
    told = tell(payment, clock).conclusion
    assert (told.taken, told.retry) == ("no", "wait")


def test_a_processing_payment_is_not_certain(stripe: Simulator, stripe_gateway: Gateway, clock: Clock) -> None:
    """The bank takes its time."""
    stripe.control.add_payment_method(id="pm_slow", behaviour="processing")
    payment = charge(stripe_gateway, clock, method="pm_slow")
    told = tell(payment, clock).conclusion
    assert told.what == "The customer's bank is still working on it."
    assert (told.taken, told.retry) == ("unknown", "wait")


def test_a_soft_decline_is_safe_to_retry_and_counts_against_the_card(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock
) -> None:
    """Not enough money; and how often its card may still be declined, over all payments."""
    first = charge(stripe_gateway, clock, method="pm_card_chargeDeclinedInsufficientFunds")
    assert headline(first, clock) == "Declined by the bank: not enough money. Nothing was taken. Safe to retry."
    assert "This card has had 1, over all its payments: 14 left." in tell(first, clock).budget
    charge(stripe_gateway, clock, subscription="sub_2", method="pm_card_chargeDeclinedInsufficientFunds")
    assert "has had 2, over all its payments: 13 left." in tell(first, clock).budget
    clock.advance(days=31)
    assert "has had 0, over all its payments: 15 left." in tell(first, clock).budget


def test_a_retry_that_was_asked_for_waits_for_its_turn(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock
) -> None:
    """The declined try took nothing, and the next hasn't begun."""
    payment = charge(stripe_gateway, clock, method="pm_card_chargeDeclined")
    clock.advance(minutes=1)
    assert charging.replay(payment_id=payment.id, who="staff: aida", reason="they called", now=clock()) is None
    assert headline(payment, clock).startswith("Another try was asked for, and it waits for its turn. Nothing was")
    asked = tell(payment, clock).events[-1]
    assert (asked.text, asked.who) == ("Another try was asked for: they called", "aida")


def test_a_hard_decline_wants_another_card_and_hides_why_from_the_customer(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock
) -> None:
    """Reported stolen: for staff alone."""
    payment = charge(stripe_gateway, clock, method="pm_card_chargeDeclinedStolenCard")
    story = tell(payment, clock)
    assert story.conclusion.retry_short == "Retry only with another card."
    assert "stolen" in story.conclusion.what
    assert "stolen" not in story.told.lower()
    assert story.conclusion.staff.startswith("Do not tell the customer")


def test_a_refused_try_says_so_beside_the_decline(stripe: Simulator, stripe_gateway: Gateway, clock: Clock) -> None:
    """The event came once more with a card that was declined for good."""
    payment = charge(stripe_gateway, clock, method="pm_card_chargeDeclinedStolenCard")
    clock.advance(minutes=1)
    accept(record(event(method="pm_card_chargeDeclinedStolenCard"), at=clock()), now=clock())
    assert Attempt.objects.latest("number").state == "refused"
    assert "Another try was asked for and refused by the rules." in headline(payment, clock)


def test_a_rejected_request_is_our_fault(stripe: Simulator, stripe_gateway: Gateway, clock: Clock) -> None:
    """A saved card that Stripe doesn't have."""
    payment = charge(stripe_gateway, clock, method="pm_nowhere")
    assert payment.attempts.get().state == "rejected"
    assert headline(payment, clock) == (
        "Not carried out: Stripe does not have the saved card. It is not the customer's fault. Nothing was taken. "
        "Retry only with another card."
    )


def test_authentication_says_what_customer_and_shop_must_do(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock
) -> None:
    """And by which id."""
    payment = charge(stripe_gateway, clock, method="pm_card_authenticationRequired")
    told = tell(payment, clock).conclusion
    assert told.headline == (
        "It waits for the customer: the bank wants them to confirm it. Nothing is taken until they do. Don't retry: it "
        "would be declined again."
    )
    assert str(payment.intent_id) in told.shop


def test_an_answer_about_something_else_is_for_an_engineer(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock
) -> None:
    """Integrity: it is not believed, and nothing is said about money."""
    stripe.control.add_fault(kind="reset", endpoint="confirm", effect="after")
    payment = charge(stripe_gateway, clock)
    other = Intent(
        id=payment.intent_id or "", status="succeeded", amount=1, currency="KZT", livemode=False,
        payment=str(payment.id), charge="ch_1", created_at=clock(),
    )  # fmt: skip
    charging.settle(attempt_id=payment.attempts.get().id, answer=Seen(intent=other), now=clock())
    told = tell(payment, clock).conclusion
    assert (told.tone, told.taken, told.retry) == ("act", "unknown", "no")
    assert "does not fit this payment" in told.what


def test_a_webhook_that_says_paid_is_doubt_until_stripe_was_asked(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock
) -> None:
    """It proves nothing; but "nothing was taken" could be false by now."""
    payment = charge(stripe_gateway, clock, method="pm_card_authenticationRequired")
    clock.advance(minutes=1)
    Webhook.objects.create(
        event_id="evt_1", type="payment_intent.succeeded", object_id=payment.intent_id or "",
        intent_id=payment.intent_id or "", livemode=False, received_at=clock(),
    )  # fmt: skip
    told = tell(payment, clock).conclusion
    assert told.taken == "unknown"
    assert "Nothing" not in told.money


def test_a_paused_payment_says_why_it_waits(stripe: Simulator, clock: Clock) -> None:
    """Nobody has to look for the reason."""
    payment = take_in(clock)
    charging.pause(cause="outage", reason="no answer", who="breaker", now=clock())
    assert "Charging is paused: Stripe does not answer." in headline(payment, clock)


def test_the_time_line_has_everything_with_its_evidence(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock
) -> None:
    """Record position, Stripe's request ids, the notification with its id, and when it was published."""
    payment = charge(stripe_gateway, clock, method="pm_card_chargeDeclined")
    OutboxMessage.objects.update(published_at=clock.advance(seconds=2))
    story = tell(payment, clock)
    facts = {(fact.label, fact.value) for one in story.events for fact in one.evidence}
    message, attempt = OutboxMessage.objects.get(), payment.attempts.get()
    found = payment.records.get()
    for fact in (
        ("topic", found.topic), ("partition", str(found.partition)), ("offset", str(found.offset)),
        ("request", attempt.request_id), ("ce id", message.message_id), ("decline code", "generic_decline"),
    ):  # fmt: skip
        assert fact in facts, fact
    assert [one.kind for one in story.events] == [
        "record", "step", "try", "try", "notification", "notification",
    ]  # fmt: skip
    assert story.events[-1].text.startswith("Published: the notification.")
    assert list(story.events) == sorted(story.events, key=lambda one: one.at)
