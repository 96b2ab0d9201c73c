"""When to ask again, and whether to try again."""

from datetime import timedelta

import pytest

from payments import retry_policy
from payments.retry_policy import Who


@pytest.mark.parametrize(
    ("tries", "seconds"),
    [(1, 5), (2, 30), (3, 60), (4, 120), (5, 600), (6, 3600), (7, 3600), (100, 3600), (1_000_000, 3600)],
)
def test_an_unknown_outcome_is_asked_about_soon_then_rarely_but_for_ever(tries: int, seconds: int) -> None:
    """5 s, 30 s, 1 min, 2 min, 10 min, 1 h, then hourly: nobody else will find out."""
    assert retry_policy.pause_after_unknown(tries) == timedelta(seconds=seconds)


def test_the_first_looks_fit_into_the_minutes_in_which_a_person_is_told() -> None:
    """Three looks within the three minutes: most unknowns are settled before anybody must read about them."""
    looks = sum((retry_policy.pause_after_unknown(tries) for tries in (1, 2, 3)), timedelta())
    assert looks < retry_policy.UNKNOWN_BEFORE_A_LOOK == timedelta(minutes=3)


@pytest.mark.parametrize(
    ("looks", "pause"),
    [
        (0, timedelta(minutes=1)),
        (1, timedelta(hours=1)),
        (2, timedelta(days=1)),
        (3, None),
        (4, None),
        (1000, None),
    ],
)
def test_a_failed_payment_is_looked_at_three_times_and_then_left_alone(looks: int, pause: timedelta | None) -> None:
    """After a minute, an hour and a day: Stripe may complete late what it has refused."""
    assert retry_policy.pause_after_failed_look(looks) == pause


def test_an_idempotency_key_is_given_up_before_stripe_may_forget_it() -> None:
    """Stripe keeps keys for 24 hours at least; a forgotten key would be a second request."""
    assert timedelta(hours=22) <= retry_policy.KEY_LIFETIME < timedelta(hours=24)


def test_what_kills_its_worker_is_rung_alone_before_a_person_must_look() -> None:
    """Twice together with others, then alone: its neighbours are not taken along."""
    assert retry_policy.DELIVERIES_TOGETHER == 2
    assert retry_policy.DELIVERIES_BEFORE_A_LOOK > retry_policy.DELIVERIES_TOGETHER


@pytest.mark.parametrize(
    ("kind", "same_method", "asked_by", "code"),
    [
        ("soft", True, "event", None),
        ("soft", True, "staff", None),
        ("soft", False, "event", None),
        ("soft", False, "staff", None),
        ("hard", True, "event", "declined_for_good"),
        ("hard", True, "staff", "declined_for_good"),
        ("hard", False, "event", None),
        ("hard", False, "staff", None),
        # An event is the customer who is there and can confirm; staff can't do that for them.
        ("action", True, "event", None),
        ("action", True, "staff", "customer_must_act"),
        ("action", False, "event", None),
        ("action", False, "staff", None),
    ],
)
def test_only_what_cannot_succeed_is_refused(kind: str, same_method: bool, asked_by: Who, code: str | None) -> None:
    """Another method is always worth a try; a method that was declined for good never is."""
    refusal = retry_policy.refusal_to_retry(kind=kind, same_method=same_method, asked_by=asked_by)
    assert (refusal.code if refusal else None) == code


@pytest.mark.parametrize(("kind", "word"), [("hard", "another one is needed"), ("action", "customer must confirm")])
def test_a_refusal_says_what_would_help(kind: str, word: str) -> None:
    """A person asked, and reads the answer."""
    refusal = retry_policy.refusal_to_retry(kind=kind, same_method=True, asked_by="staff")
    assert refusal is not None
    assert word in refusal.text


@pytest.mark.parametrize(
    ("looks", "pause"),
    [
        (0, timedelta(minutes=1)),
        (1, timedelta(hours=1)),
        (2, timedelta(days=1)),
        (3, timedelta(days=1)),
        (30, timedelta(days=1)),
    ],
)
def test_a_refund_that_the_bank_has_is_looked_at_daily_for_ever(looks: int, pause: timedelta) -> None:
    """It may take weeks, and nobody else would find out."""
    assert retry_policy.pause_after_pending_refund(looks) == pause


def test_a_send_in_doubt_has_had_two_minutes_to_arrive_before_it_is_given_up() -> None:
    """Longer than any call lives: a refusal or another key counts only then."""
    assert retry_policy.pause_after_unknown(retry_policy.TRIES_IN_DOUBT) >= timedelta(minutes=2)


@pytest.mark.parametrize(
    ("kind", "failures", "hours"),
    [("soft", 1, 1), ("soft", 2, 24), ("soft", 3, None), ("hard", 1, None), ("action", 1, None), ("", 1, None)],
)
def test_only_soft_declines_are_tried_again_and_as_often_as_the_schedule_says(
    kind: str, failures: int, hours: int | None
) -> None:
    """What was declined for good, and what needs the customer, only costs a fee to try."""
    schedule = (timedelta(hours=1), timedelta(hours=24))
    pause = retry_policy.pause_before_retry(kind=kind, failures=failures, schedule=schedule)
    assert pause == (timedelta(hours=hours) if hours else None)
    assert retry_policy.pause_before_retry(kind=kind, failures=failures, schedule=()) is None


@pytest.mark.parametrize("asked_by", ["event", "staff", "schedule"])
@pytest.mark.parametrize(
    ("declines", "same_method", "refused"), [(14, True, False), (15, True, True), (16, True, True), (15, False, False)]
)
def test_the_card_networks_cap_holds_for_everybody(
    asked_by: Who, declines: int, same_method: bool, refused: bool
) -> None:
    """The fifteenth decline in 30 days is the last; another card has a count of its own."""
    refusal = retry_policy.refusal_to_retry(
        kind="soft", same_method=same_method, asked_by=asked_by, card_declines=declines
    )
    assert (refusal is not None) is refused
    if refusal:
        assert refusal.code == "network_cap"
        assert refusal.text == "this card was declined 15 times in 30 days: the card networks allow no more for now"


def test_a_refusal_reads_as_a_sentence_in_the_middle_of_one() -> None:
    """It stands after `1 refused:` and in a payment's history."""
    refusals = [
        retry_policy.refusal_to_retry(kind=kind, same_method=True, asked_by="staff") for kind in ("hard", "action")
    ]
    assert [refusal.text for refusal in refusals if refusal] == [
        "this payment method was declined for good: another one is needed",
        "the customer must confirm the payment with their bank: charging again without them fails again",
    ]
