"""Pause and resume: the rows that keep charging from going on, and who may end which."""

from datetime import timedelta
from typing import Any

import pytest

from billing_project.dev.simulator import Simulator
from payments import charging, limits
from payments.answers import Misconfigured, Unknown
from payments.gateway import Gateway
from payments.limits import Endpoint
from payments.models import Pause, Payment, Subscription
from tests.integration.ledger_rows import FAILED, NOW, attempt, payment, restoring

pytestmark = pytest.mark.django_db
SECOND = timedelta(seconds=1)
STAFF, KEY, OUTAGE = Pause.Cause.STAFF, Pause.Cause.KEY, Pause.Cause.OUTAGE


def paused() -> set[str]:
    """The causes that hold."""
    return set(Pause.objects.filter(ended_at__isnull=True).values_list("cause", flat=True))


def pause(*causes: str, **fields: Any) -> None:
    """Each of these holds."""
    for cause in causes:
        assert charging.pause(cause=cause, reason=f"because of {cause}", who="ann", now=NOW)
    Pause.objects.update(**fields)


def test_a_cause_that_holds_is_no_news() -> None:
    """Its row says when it began, and why; it ends once, by whom is in the row, and then may begin anew."""
    pause(STAFF)
    assert not charging.pause(cause=STAFF, reason="again", who="bob", now=NOW + SECOND)
    row = Pause.objects.get()
    assert (row.cause, row.reason, row.began_at, row.began_by) == ("staff", "because of staff", NOW, "ann")
    pause(OUTAGE)
    assert charging.resume(cause=STAFF, who="bob", now=NOW + SECOND) is True
    assert charging.resume(cause=STAFF, who="cid", now=NOW + 2 * SECOND) is False
    row.refresh_from_db()
    assert (row.ended_at, row.ended_by, paused()) == (NOW + SECOND, "bob", {"outage"})
    assert charging.is_paused()
    assert charging.resume(cause=OUTAGE, who="bob", now=NOW + SECOND)
    assert not charging.is_paused()
    assert charging.pause(cause=STAFF, reason="again", who="bob", now=NOW + SECOND)
    assert Pause.objects.count() == 3


class Answers(Gateway):
    """Stripe's answer to a probe, and how often it was asked."""

    def __init__(self, answer: Any) -> None:
        self.answer, self.asked = answer, 0

    def probe(self) -> Any:
        """As often as it is asked."""
        self.asked += 1
        return self.answer


@pytest.mark.parametrize(
    ("answer", "left"),
    [
        (True, {"staff"}),
        (Misconfigured(http_status=401), {"staff", "key"}),
        (Unknown(why="reset"), {"staff", "key", "outage"}),
    ],
)
def test_a_probe_ends_what_its_answer_shows_to_be_over(answer: Any, left: set[str]) -> None:
    """An answer is the end of an outage; one that takes our key is the end of both. Staff end what staff began."""
    pause(STAFF, KEY, OUTAGE)
    charging.probe(gateway=Answers(answer), now=NOW + SECOND)
    assert paused() == left
    ended = Pause.objects.filter(ended_at__isnull=False)
    assert {(row.ended_at, row.ended_by) for row in ended} <= {(NOW + SECOND, "probe")}


@pytest.mark.parametrize(
    ("causes", "probed_at", "asked"),
    [
        ([KEY], None, 1),
        ([OUTAGE], NOW - 15 * SECOND, 1),
        ([OUTAGE], NOW - 14 * SECOND, 0),
        ([STAFF], None, 0),
        ([], None, 0),
    ],
)
def test_one_probe_in_fifteen_seconds_is_enough(causes: list[str], probed_at: Any, asked: int) -> None:
    """By compare and set, and only for what a probe can end."""
    pause(*causes, probed_at=probed_at)
    gateway = Answers(Unknown(why="reset"))
    for _ in range(2):
        charging.probe(gateway=gateway, now=NOW)
    assert gateway.asked == asked
    if asked:
        assert Pause.objects.get().probed_at == NOW


def test_what_has_ended_is_not_probed() -> None:
    """Nor ended again."""
    pause(OUTAGE, ended_at=NOW, ended_by="probe")
    gateway = Answers(True)
    charging.probe(gateway=gateway, now=NOW + SECOND)
    assert (gateway.asked, Pause.objects.get().ended_at) == (0, NOW)


@pytest.mark.parametrize("cause", [OUTAGE, KEY])
def test_after_an_outage_every_unknown_outcome_is_due_and_nothing_else(cause: str) -> None:
    """P5: money may have moved; the rest keeps its time."""
    later = NOW + timedelta(hours=1)
    for name in ("unknown", "processing", "failed"):
        Subscription.objects.create(id=name)
        with restoring():
            row = payment(subscription_id=name, **(FAILED if name == "failed" else {}) | {"due_at": later})
            attempt(row, state="processing" if name == "processing" else "unknown")
    pause(cause)
    charging.probe(gateway=Answers(True), now=NOW)
    due = {row.subscription_id for row in Payment.objects.filter(due_at=NOW)}
    assert due == ({"unknown"} if cause == OUTAGE else set())
    assert Payment.objects.filter(due_at=later).count() == 3 - len(due)


def test_an_outage_is_said_to_be_one() -> None:
    """Who paused it, and why, for whoever looks."""
    limits.connect_redis().flushdb()
    limits.breaker.forget()
    for _ in range(limits.FAILURES_TO_OPEN):
        assert not charging.is_paused()
        charging.heed(endpoint=Endpoint.CONFIRM, reply=Unknown(why="reset"), now=NOW)
    row = Pause.objects.get()
    assert (row.cause, row.began_by, row.began_at) == ("outage", "breaker", NOW)
    assert row.reason == f"Stripe gave no answer {limits.FAILURES_TO_OPEN} times in a row: it is asked until it does"
    limits.breaker.forget()


@pytest.mark.parametrize(
    ("reply", "is_slower"),
    [
        (Unknown(why="rate_limit", http_status=429), True),
        (Unknown(why="lock_timeout", http_status=429), False),
        (Unknown(why="rate_limit", http_status=503), False),
        (Misconfigured(http_status=401), False),
    ],
)
def test_only_a_429_about_our_pace_slows_everyone_down(reply: Any, is_slower: bool, stripe: Simulator) -> None:
    """Another token takes longer to come then, of that endpoint alone."""
    limits.connect_redis().flushdb()
    limits.breaker.forget()
    charging.heed(endpoint=Endpoint.CONFIRM, reply=reply, now=NOW)
    for _ in range(20):
        limits.reserve(endpoint=Endpoint.CONFIRM)
        limits.reserve(endpoint=Endpoint.CREATE)
    waits = limits.reserve(endpoint=Endpoint.CONFIRM), limits.reserve(endpoint=Endpoint.CREATE)
    assert (waits[0] > 1.5 * waits[1]) == is_slower
    limits.connect_redis().flushdb()
    limits.breaker.forget()
