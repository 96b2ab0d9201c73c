"""A story's money: what was taken, given back or disputed, what closing has stopped, and what Stripe's books say.

The real machinery has made each state: what the story says is what Stripe did.
"""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from billing_project.dev.simulator import Simulator
from payments import charging
from payments.answers import Intent, Seen
from payments.gateway import Gateway
from payments.intake.import_paid import import_paid
from payments.intake.paid_before import PaidBefore
from payments.models import Break, Payment
from tests.conftest import Clock
from tests.integration.refunding import ask, carry_out, deliver, follow_up, pay
from tests.integration.stories import charge, headline, tell, texts

pytestmark = pytest.mark.django_db


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
