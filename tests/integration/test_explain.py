"""The story of a payment, in states that the real machinery has made: what it says is what Stripe did."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from billing_project.dev.simulator import Simulator
from payments import charging, explain
from payments.answers import Intent, Seen
from payments.explain import Story
from payments.gateway import Gateway
from payments.intake.import_paid import import_paid
from payments.intake.paid_before import PaidBefore
from payments.models import Attempt, Break, OutboxMessage, Payment, Webhook
from tests.conftest import Clock
from tests.integration.events import accept, event, record
from tests.integration.refunding import ask, carry_out, deliver, follow_up, pay

pytestmark = pytest.mark.django_db


def take_in(clock: Clock, **changes: Any) -> Payment:
    """One accepted payment."""
    [payment_id] = accept(record(event(**({"method": "pm_1"} | changes)), at=clock()), now=clock()).due
    return Payment.objects.get(id=payment_id)


def charge(gateway: Gateway, clock: Clock, **changes: Any) -> Payment:
    """One that was tried once."""
    payment = take_in(clock, **changes)
    charging.charge(payment_ids=[payment.id], gateway=gateway, clock=clock)
    payment.refresh_from_db()
    return payment


def tell(payment: Payment, clock: Clock) -> Story:
    """Its story as of now."""
    return explain.explain(payment_id=payment.id, now=clock())


def headline(payment: Payment, clock: Clock) -> str:
    """Its first line."""
    return tell(payment, clock).conclusion.headline.replace("\xa0", " ")


def texts(story: Story) -> list[str]:
    """The time line's."""
    return [event.text for event in story.events]


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


def test_a_closed_payment_points_to_the_one_that_replaced_it(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock
) -> None:
    """Closed, then issued again."""
    payment = charge(stripe_gateway, clock, method="pm_card_chargeDeclined")
    refusal = charging.close(payment_id=payment.id, who="aida", reason="wrong", gateway=stripe_gateway, now=clock())
    assert refusal is None
    assert headline(payment, clock).startswith("Closed: nothing more can be taken with it. Nothing was taken.")
    made = charging.reissue(payment_id=payment.id, who="aida", reason="right now", now=clock())
    assert isinstance(made, Payment)
    story = tell(payment, clock)
    assert "issued again as a new payment" in story.conclusion.retry_why
    assert [other.id for other in story.others] == [made.id]
    assert "Try 1. Closed, so that nothing more can be taken: wrong" in texts(story)
    assert texts(tell(made, clock))[0] == "Issued again: right now"


def test_what_was_refunded_and_disputed_says_so(stripe: Simulator, stripe_gateway: Gateway, clock: Clock) -> None:
    """In part, then disputed, with a date; each in words, with links."""
    payment = pay(stripe_gateway, clock)
    ask(payment, clock, 2_550)
    assert headline(payment, clock).startswith("Paid. A refund of 25.50 KZT is under way.")
    assert carry_out(stripe_gateway, clock) == ["succeeded"]
    payment.refresh_from_db()
    assert headline(payment, clock).startswith(
        "Paid, and refunded in part. 100.00 KZT was taken, and 25.50 KZT of it was given back."
    )
    due_by = int(datetime(2026, 2, 7, 12, tzinfo=UTC).timestamp())
    stripe.control.dispute(payment_intent=payment.intent_id or "", respond_by=due_by)
    deliver(stripe, clock, "charge.dispute.")
    follow_up(stripe_gateway, clock)
    payment.refresh_from_db()
    story = tell(payment, clock)
    assert "Answer until 2026-02-07 12:00:00 UTC." in story.conclusion.what
    [refund], [dispute] = story.refunds, story.disputes
    assert refund.link.startswith("https://dashboard.stripe.com/test/refunds/re_")
    assert dispute.deadline == "answer until 2026-02-07 12:00:00 UTC, in 7 days"
    assert dispute.why == "the customer says that they did not make this payment"
    assert any(one.kind == "webhook" for one in story.events)


def test_a_full_refund_leaves_nothing(stripe: Simulator, stripe_gateway: Gateway, clock: Clock) -> None:
    """All of it."""
    payment = pay(stripe_gateway, clock)
    ask(payment, clock)
    carry_out(stripe_gateway, clock)
    payment.refresh_from_db()
    assert headline(payment, clock).startswith("Paid, and refunded in full. 100.00 KZT was taken, and all of it")


def test_a_refund_that_came_home_again_is_shown(stripe: Simulator, stripe_gateway: Gateway, clock: Clock) -> None:
    """Somebody must find another way."""
    payment = pay(stripe_gateway, clock, method="pm_card_refundFail")
    refund = ask(payment, clock)
    carry_out(stripe_gateway, clock)
    refund.refresh_from_db()
    stripe.control.resolve_refund(refund=refund.refund_id or "")
    deliver(stripe, clock, "refund.", "charge.refund")
    follow_up(stripe_gateway, clock)
    payment.refresh_from_db()
    assert payment.refunds.get().state == "failed"
    assert "A refund did not get through." in headline(payment, clock)


def test_paid_after_all_says_so(stripe: Simulator, stripe_gateway: Gateway, clock: Clock) -> None:
    """Stripe had said no, and says later that it has the money."""
    payment = charge(stripe_gateway, clock, method="pm_card_chargeDeclined")
    succeeded = Intent(
        id=payment.intent_id or "", status="succeeded", amount=payment.amount, currency="KZT", livemode=False,
        payment=str(payment.id), charge="ch_late", created_at=clock(),
    )  # fmt: skip
    charging.settle(attempt_id=payment.attempts.get().id, answer=Seen(intent=succeeded), now=clock.advance(hours=1))
    assert headline(payment, clock).startswith("Paid after all: it had failed first, and Stripe said later")


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


def test_a_success_of_a_closed_payment_says_that_money_was_taken(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock
) -> None:
    """Whatever closing has promised."""
    payment = charge(stripe_gateway, clock, method="pm_card_chargeDeclined")
    assert charging.close(payment_id=payment.id, who="a", reason="b", gateway=stripe_gateway, now=clock()) is None
    paid = Intent(
        id=payment.intent_id or "", status="succeeded", amount=payment.amount, currency="KZT", livemode=False,
        payment=str(payment.id), charge="ch_1", created_at=clock(),
    )  # fmt: skip
    charging.settle(attempt_id=payment.attempts.get().id, answer=Seen(intent=paid), now=clock())
    told = tell(payment, clock).conclusion
    assert told.taken == "yes"
    assert "although this payment was closed" in told.what


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


def test_what_was_taken_over_says_where_it_was_paid(clock: Clock) -> None:
    """By the system before."""
    paid = PaidBefore(
        line=1, subscription="sub_9", subscription_as_sent="sub_9", user_as_sent={"id": "u_9", "email": "a@b.kz"},
        user_id="u_9", email="a@b.kz", price=Decimal(100), amount=10_000, currency="KZT", intent="pi_before",
        paid_at=clock(),
    )  # fmt: skip
    import_paid(paid=[paid], who="staff: aida", why="cut-over", now=clock(), dry_run=False)
    payment = Payment.objects.get()
    assert headline(payment, clock).startswith("Paid through the system before this one. 100.00 KZT was taken.")


def test_a_difference_to_stripes_books_stops_everything(
    stripe: Simulator, stripe_gateway: Gateway, clock: Clock
) -> None:
    """Until somebody has settled it."""
    payment = pay(stripe_gateway, clock)
    Break.objects.create(
        kind="paid_twice", intent_id="pi_other", payment=payment, reason="100 was taken twice", found_at=clock(),
        seen_at=clock(),
    )  # fmt: skip
    story = tell(payment, clock)
    assert story.conclusion.what.startswith("Stripe's books and ours differ: money was taken twice")
    assert [one.text for one in story.differences] == ["100 was taken twice"]


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
