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
