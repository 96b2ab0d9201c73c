"""Words for staff: every code has some, what must not be said to a customer is marked, and nothing is left unsaid."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone

from payments import declines, words
from payments.models import Attempt, Break, InboxMessage, JobItem, OutboxMessage, Pause, Payment, Refund, Webhook
from payments.words.declines import _HUSHED, _OPEN
from payments.words.states import Table

NOW = datetime(2026, 1, 31, 20, 0, 5, tzinfo=UTC)


@pytest.mark.parametrize("code", sorted(declines.BY_CODE))
def test_every_code_that_the_machine_knows_has_words_for_staff(code: str) -> None:
    """A reason and a next step of its own, not the sentence for codes that nobody has heard of."""
    said = words.decline(code)
    assert code in _OPEN.keys() | _HUSHED.keys()
    assert said.reason
    assert "“" not in said.reason
    assert said.customer.endswith(".")


@pytest.mark.parametrize("code", sorted(declines.BY_CODE))
def test_who_is_blamed_agrees_with_the_fault(code: str) -> None:
    """Where the machine says that it is our fault, staff never read that the bank declined it."""
    assert (words.decline(code).by == "us") == (declines.BY_CODE[code].fault == "us")


@pytest.mark.parametrize("code", ["lost_card", "stolen_card", "pickup_card", "fraudulent", "merchant_blacklist"])
def test_what_a_thief_must_not_hear_is_for_staff_alone(code: str) -> None:
    """Its reason says more than the customer's text does, and its next step gives nothing away."""
    said = words.decline(code)
    assert said.secret
    for told in ("stolen", "lost", "fraud", "block list"):
        assert told not in said.customer.lower()


def test_what_the_customer_may_know_is_not_marked_as_secret() -> None:
    """Or staff would keep from them what helps."""
    assert not words.decline("insufficient_funds").secret
    assert words.decline("insufficient_funds").reason == "not enough money"


@pytest.mark.parametrize(
    ("fault", "by"), [("customer", "bank"), ("issuer", "bank"), ("us", "us"), ("stripe", "stripe")]
)
def test_a_code_that_nobody_has_heard_of_is_quoted(fault: str, by: str) -> None:
    """So that whoever reads it can look it up; and blamed on whom the payment's fault names."""
    said = words.decline("brand_new_code", fault=fault)
    assert "“brand_new_code”" in said.reason
    assert said.by == by


TABLES: list[tuple[Table, list[str]]] = [
    (words.STATUSES, Payment.Status.values),
    (words.ATTEMPTS, Attempt.State.values),
    (words.VERDICTS, InboxMessage.Verdict.values),
    (words.WEBHOOKS, ["", *(one for one in Webhook.Verdict.values if one)]),
    (words.PAUSES, Pause.Cause.values),
    (words.REFUNDS, Refund.State.values),
    (words.CHANNELS, OutboxMessage.Channel.values),
    (words.BREAKS, Break.Kind.values),
    (words.ITEMS, JobItem.State.values),
    (words.FAULTS, ["customer", "issuer", "us", "stripe"]),
    (words.KINDS, ["soft", "hard", "action"]),
]


@pytest.mark.parametrize(("table", "states"), TABLES)
def test_every_state_of_every_row_has_words(table: Table, states: list[str]) -> None:
    """No more and no fewer than the database allows."""
    assert set(table) == set(states)
    assert all(words.word(table, state) for state in states)


def test_a_state_without_words_is_quoted() -> None:
    """A newer version may have written it."""
    assert words.word(words.STATUSES, "paused") == "“paused”"


@pytest.mark.parametrize("status", sorted(words.DISPUTE_STATUSES))
def test_every_status_of_a_dispute_has_a_next_step(status: str) -> None:
    """What waits for our answer says where to give it."""
    step = words.dispute_next_step(status)
    assert step.endswith(".")
    assert ("dashboard" in step) == status.endswith("needs_response")


def test_a_dispute_that_nobody_has_heard_of_is_looked_at() -> None:
    """Stripe may add statuses and reasons."""
    assert words.dispute_next_step("brand_new") == "Look at it in Stripe's dashboard."
    assert words.word(words.DISPUTE_REASONS, "brand_new") == "“brand_new”"


@pytest.mark.parametrize(
    ("step", "said"),
    [
        (("", "pending", "", "accepted"), "The payment was made"),
        (("pending", "failed", "declined", "declined: insufficient_funds"), "Declined by the bank: not enough money"),
        (("pending", "failed", "declined", "declined: brand_new"),
         "Declined by the bank: the reason has the code “brand_new”"),
        (("pending", "failed", "rejected", "rejected: amount_too_small"),
         "Not carried out: the amount is less than Stripe takes in this currency"),
        (("failed", "failed", "refused", "too often"), "Another try was refused: too often"),
        (("failed", "pending", "", "the customer called"), "Another try was asked for: the customer called"),
        (("", "pending", "", "agreed by phone"), "Issued again: agreed by phone"),
        (("failed", "failed", "declined", "closed: wrong price"),
         "Closed, so that nothing more can be taken: wrong price"),
        (("success", "success", "", "refund of 1\xa0KZT asked for: by: mistake"),
         "A refund of 1\xa0KZT was asked for: by: mistake"),
        (("success", "success", "", "refund of 1\xa0KZT succeeded: Stripe says succeeded"),
         "Refund of 1\xa0KZT: given back"),
        (("success", "success", "", "dispute of 1\xa0KZT (duplicate): lost"),
         "Dispute about 1\xa0KZT, as the customer says that they were charged twice: decided for the customer: the "
         "money is theirs"),
        (("success", "success", "", "brand new"), "Brand new"),
        (("failed", "failed", "declined", "a difference to Stripe's books was settled: paid in cash"),
         "A difference to Stripe's books was settled: paid in cash"),
        (("pending", "failed", "declined", "declined: fraudulent"),
         "Stopped at Stripe: Stripe's protection against fraud suspects that somebody else uses the card"),
        (("pending", "failed", "action_required", "action_required: authentication_required"),
         "Declined until the customer confirms the payment with the bank"),
        (("pending", "failed", "rejected", "wrong price"), "Ended without payment: wrong price"),
        (("pending", "success", "succeeded", "brand new"), "Brand new"),
    ],
)  # fmt: skip
def test_a_step_of_the_history_is_said_in_words(step: tuple[str, str, str, str], said: str) -> None:
    """Fixed notes are translated, a person's own words stay theirs."""
    before, after, attempt, why = step
    assert words.change(from_status=before, to_status=after, attempt_state=attempt, why=why) == said


def test_staff_are_named_and_machines_are_said_in_words() -> None:
    """Who did it."""
    assert words.person("staff: aida") == "aida"
    assert words.person("event") == "the shop (by an event)"
    assert words.person("") == "nobody"


def test_attention_is_said_with_what_to_do_and_else_as_it_stands() -> None:
    """Nothing is hidden because nobody has written words for it."""
    assert "engineer" in words.attention("Stripe's answer is not about this payment: amount is 1, not 2")
    assert words.attention("look at the moon") == "look at the moon"
    assert words.attention("") == ""


def test_times_are_in_the_readers_zone_with_utc_beside() -> None:
    """Logs and Stripe speak UTC; the date is said twice only where it differs."""
    assert words.both_zones(NOW) == "2026-01-31 20:00:05 UTC"
    with timezone.override(ZoneInfo("Europe/Berlin")):
        assert words.both_zones(NOW) == "2026-01-31 21:00:05 (20:00:05 UTC)"
    with timezone.override(ZoneInfo("Asia/Almaty")):
        assert words.both_zones(NOW) == "2026-02-01 01:00:05 (2026-01-31 20:00:05 UTC)"


@pytest.mark.parametrize(
    ("distance", "said"),
    [
        (timedelta(seconds=59), "in less than a minute"),
        (timedelta(minutes=1), "in 1 minute"),
        (timedelta(minutes=59), "in 59 minutes"),
        (timedelta(hours=5), "in 5 hours"),
        (timedelta(days=3, hours=23), "in 3 days"),
        (-timedelta(seconds=1), "just now"),
        (-timedelta(minutes=2), "2 minutes ago"),
        (-timedelta(hours=1), "1 hour ago"),
        (-timedelta(days=1), "1 day ago"),
    ],
)
def test_a_distance_in_time_is_said_in_its_largest_unit(distance: timedelta, said: str) -> None:
    """Rounded down: a deadline is never said to be further away than it is."""
    assert words.from_now(NOW + distance, now=NOW) == said
