"""What staff may say of a payment: every state has a headline, and none says more than the rows prove."""

import itertools
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from payments.explain.conclude import conclude
from payments.explain.known import Known, is_open
from payments.explain.story import Conclusion
from payments.models import Attempt, Break, Pause, Payment

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
KNOWN = Known(
    now=NOW, status="pending", fault="", kind="", code="", closed=False, attempt="", number=0, may_be_sent=False,
    in_hand=False, due_at=NOW + timedelta(seconds=30), retry_at=None, paused=(), refusal="pending", intent="pi_1",
    amount="100.00 KZT", refunded="", all_refunded=False, coming_back="", refund_failed=False, dispute="",
    dispute_reason="", dispute_amount="", respond_by=None, was_failed=False, was_confirmed=False, imported=False,
    issued_again=False, differences=(), mismatch=False, closed_but_paid=False, no_such_intent=False,
    paid_by_webhook=False, attention="",
)  # fmt: skip
FAILED = replace(
    KNOWN, status="failed", fault="customer", kind="soft", code="insufficient_funds", attempt="declined", number=1,
    may_be_sent=True, due_at=None, refusal="",
)  # fmt: skip
PAID = replace(KNOWN, status="success", attempt="succeeded", number=1, may_be_sent=True, due_at=None, refusal="paid")

STATES = ["", *Attempt.State.values]


def check(told: Conclusion) -> None:
    """Whatever it says, it is whole sentences."""
    for text in (told.what, told.money, told.retry_short, told.retry_why, told.customer):
        assert text.endswith("."), told
        assert "  " not in text, told
        assert "%(" not in text, told
    assert told.headline == f"{told.what} {told.money} {told.retry_short}"


@pytest.mark.parametrize(
    ("status", "attempt", "sent", "in_hand", "paused"),
    list(itertools.product(Payment.Status.values, STATES, (False, True), (False, True), ((), ("outage",)))),
)
def test_every_state_of_payment_and_attempt_has_a_headline(
    status: str, attempt: str, sent: bool, in_hand: bool, paused: tuple[str, ...]
) -> None:
    """P3, whatever the rows say: taken exactly where it is settled as paid, not known while a charge may be on its
    way, and a try of one's own is offered for nothing that isn't settled."""
    base = {"pending": KNOWN, "failed": FAILED, "success": PAID}[status]
    told = conclude(replace(base, attempt=attempt, may_be_sent=sent, in_hand=in_hand, paused=paused))
    check(told)
    assert (told.taken == "yes") == (status == "success")
    if status == "pending":
        assert told.retry in ("wait", "no")
        doubtful = is_open(attempt) and (sent or in_hand or attempt == "processing")
        if doubtful and not (attempt == "unknown" and not sent):
            assert told.taken == "unknown"


def test_an_outcome_that_nobody_knows_says_so() -> None:
    """Not to be retried, and when Stripe is asked again."""
    told = conclude(replace(KNOWN, attempt="unknown", may_be_sent=True, number=1))
    assert told.headline == (
        "Nobody knows yet how the last try ended: Stripe gave no clear answer. Whether money was taken is not known "
        "yet. Don't retry. Stripe is asked again at 2026-01-31 12:00:30 UTC."
    )
    assert (told.tone, told.taken, told.retry) == ("wait", "unknown", "wait")


def test_a_decline_says_who_said_no_and_that_nothing_was_taken() -> None:
    """The line that the issue asks for."""
    told = conclude(FAILED)
    assert told.headline == "Declined by the bank: not enough money. Nothing was taken. Safe to retry."
    assert (told.tone, told.taken, told.retry) == ("bad", "no", "safe")


@pytest.mark.parametrize("refusal", ["declined_for_good", "network_cap"])
def test_a_card_that_must_not_be_tried_again_needs_another_one(refusal: str) -> None:
    """By the policy's own word."""
    told = conclude(replace(FAILED, refusal=refusal))
    assert (told.retry, told.retry_short) == ("other_card", "Retry only with another card.")


def test_what_stripe_has_stopped_is_not_blamed_on_the_bank() -> None:
    """Whoever calls the bank would be told that it knows of nothing."""
    told = conclude(replace(FAILED, code="highest_risk_level", fault="stripe", kind="hard"))
    assert told.headline.startswith("Stopped at Stripe: Stripe's protection against fraud gives it the highest risk.")
    assert told.staff.startswith("Do not tell the customer this reason")


def test_a_refusal_of_another_kind_says_why_not_now() -> None:
    """Neither another card nor another try would help."""
    told = conclude(replace(FAILED, refusal="customer_must_act"))
    check(told)
    assert (told.retry, told.retry_short) == ("no", "Don't retry.")
    assert told.retry_why == "Not now: the customer must confirm the payment with the bank first."


def test_a_secret_reason_comes_with_a_warning() -> None:
    """Staff read it; the customer must not hear it."""
    told = conclude(replace(FAILED, code="stolen_card", fault="issuer", kind="hard", refusal="declined_for_good"))
    assert "the card was reported stolen" in told.headline
    assert told.staff.startswith("Do not tell the customer this reason")
    assert "stolen" not in told.customer


def test_our_own_fault_is_never_the_customers() -> None:
    """A rejected request."""
    told = conclude(replace(FAILED, code="amount_too_small", fault="us", attempt="rejected"))
    assert told.what.startswith("Not carried out: the amount is less than Stripe takes")
    assert "not the customer's fault" in told.what


def test_authentication_says_what_the_shop_must_do() -> None:
    """And that nothing is taken before the customer acts."""
    told = conclude(
        replace(FAILED, kind="action", code="authentication_required", attempt="action_required",
                refusal="customer_must_act")
    )  # fmt: skip
    assert told.money == "Nothing is taken until they do."
    assert "pi_1" in told.shop
    assert "transactionId" in told.shop
    assert (told.tone, told.retry) == ("act", "no")


def test_a_closed_payment_takes_nothing_more() -> None:
    """And says where to look instead."""
    told = conclude(replace(FAILED, closed=True, refusal="closed"))
    assert told.headline == "Closed: nothing more can be taken with it. Nothing was taken. It can't be retried."
    assert "issued again as a new payment" in conclude(replace(FAILED, closed=True, issued_again=True)).retry_why


def test_what_is_tried_again_by_itself_says_when() -> None:
    """So that nobody starts it by hand."""
    told = conclude(replace(FAILED, retry_at=NOW + timedelta(hours=1)))
    assert told.retry_short == "It is tried again by itself at 2026-01-31 13:00:00 UTC."


@pytest.mark.parametrize(
    ("changes", "headline"),
    [
        ({}, "Paid. 100.00 KZT was taken. Don't charge again."),
        ({"imported": True, "attempt": "", "number": 0},
         "Paid through the system before this one. 100.00 KZT was taken. Don't charge again."),
        ({"was_failed": True}, "Paid after all: it had failed first, and Stripe said later that it has taken the "
         "money. 100.00 KZT was taken. Don't charge again."),
        ({"number": 3}, "Paid, at try number 3. 100.00 KZT was taken. Don't charge again."),
        ({"was_failed": True, "was_confirmed": True},
         "Paid: the customer has confirmed it with the bank. 100.00 KZT was taken. Don't charge again."),
        ({"refunded": "25.00 KZT"}, "Paid, and refunded in part. 100.00 KZT was taken, and 25.00 KZT of it was given "
         "back. Don't charge again."),
        ({"refunded": "100.00 KZT", "all_refunded": True}, "Paid, and refunded in full. 100.00 KZT was taken, and all "
         "of it was given back. Don't charge again."),
        ({"coming_back": "5.00 KZT"},
         "Paid. A refund of 5.00 KZT is under way. 100.00 KZT was taken. Don't charge again."),
        ({"refund_failed": True}, "Paid. A refund did not get through. 100.00 KZT was taken. Don't charge again."),
        ({"dispute": "needs_response", "dispute_reason": "fraudulent", "dispute_amount": "100.00 KZT",
          "respond_by": NOW + timedelta(days=7)},
         "Paid. Disputed: the customer says that they did not make this payment. Answer until 2026-02-07 12:00:00 "
         "UTC. 100.00 KZT was taken. The bank holds 100.00 KZT of it until it has decided. Don't charge again."),
        ({"dispute": "lost", "dispute_reason": "duplicate", "dispute_amount": "100.00 KZT"},
         "Paid. Disputed: the customer says that they were charged twice. 100.00 KZT was taken. The bank gave 100.00 "
         "KZT of it back to the customer. Don't charge again."),
        ({"dispute": "warning_needs_response", "dispute_reason": "duplicate", "dispute_amount": "100.00 KZT"},
         "Paid. Disputed: the customer says that they were charged twice. An answer is due. 100.00 KZT was taken. "
         "Don't charge again."),
        ({"dispute": "warning_under_review", "dispute_reason": "duplicate", "dispute_amount": "100.00 KZT"},
         "Paid. Disputed: the customer says that they were charged twice. 100.00 KZT was taken. Don't charge again."),
        ({"dispute": "won", "dispute_reason": "duplicate", "dispute_amount": "100.00 KZT"},
         "Paid. It was disputed, and that is over: decided for us: the money is ours. 100.00 KZT was taken. Don't "
         "charge again."),
    ],
)  # fmt: skip
def test_what_is_paid_says_what_became_of_the_money(changes: dict[str, object], headline: str) -> None:
    """Refunds and disputes stand beside the success, which stays one."""
    told = conclude(replace(PAID, **changes))  # type: ignore[arg-type]
    check(told)
    assert told.headline == headline
    assert told.taken == "yes"


@pytest.mark.parametrize(
    "changes",
    [
        {"status": "failed", "mismatch": True, "attention": "Stripe's answer is not about this payment: x"},
        {"status": "pending", "mismatch": True, "attention": "Stripe's answer is not about this payment: x"},
        {"status": "failed", "no_such_intent": True, "attention": "Stripe does not have its PaymentIntent (404)"},
        {"status": "failed", "paid_by_webhook": True},
        {"status": "failed", "paused": ("restored",)},
        {"status": "success", "differences": ("paid_here",)},
    ],
)
def test_where_the_rows_are_doubtful_nothing_is_said_about_money(changes: dict[str, object]) -> None:
    """Neither that it was taken, nor that it wasn't."""
    base = {"pending": KNOWN, "failed": FAILED, "success": PAID}[str(changes["status"])]
    told = conclude(replace(base, **changes))  # type: ignore[arg-type]
    check(told)
    assert (told.tone, told.taken, told.retry) == ("act", "unknown", "no")
    assert "Nothing was taken" not in told.headline


@pytest.mark.parametrize("status", ["pending", "failed"])
def test_what_stripe_has_taken_is_taken_whatever_stands_here(status: str) -> None:
    """A difference between the books, until somebody has settled it."""
    base = {"pending": KNOWN, "failed": FAILED}[status]
    told = conclude(replace(base, differences=("paid_there",)))
    check(told)
    assert (told.tone, told.taken, told.retry) == ("act", "yes", "no")


def test_a_closed_payment_that_was_paid_all_the_same_says_so() -> None:
    """The one thing that closing should exclude."""
    told = conclude(replace(FAILED, closed=True, closed_but_paid=True, attention="Stripe says succeeded, but this "
                            "payment was closed: money was taken"))  # fmt: skip
    assert told.taken == "yes"
    assert "closed" in told.what


@pytest.mark.parametrize("kind", Break.Kind.values)
@pytest.mark.parametrize("status", Payment.Status.values)
def test_every_difference_keeps_staff_from_charging(kind: str, status: str) -> None:
    """Until somebody has compared it."""
    base = {"pending": KNOWN, "failed": FAILED, "success": PAID}[status]
    told = conclude(replace(base, differences=(kind,)))
    check(told)
    assert told.retry == "no"


@pytest.mark.parametrize("cause", Pause.Cause.values)
def test_what_waits_while_charging_is_paused_says_why(cause: str) -> None:
    """And nothing is said about money where the database may have forgotten some."""
    told = conclude(replace(KNOWN, paused=(cause,)))
    assert "Charging is paused" in told.what
    assert "as soon as charging goes on" in told.retry_short
    assert told.taken == ("unknown" if cause == "restored" else "no")
