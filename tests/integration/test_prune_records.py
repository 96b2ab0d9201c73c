"""Records of the inbox that are pruned: their offsets stay known, and whatever a promise needs stays."""

from contextlib import closing
from datetime import timedelta
from typing import Any

import pytest
from django.db import DEFAULT_DB_ALIAS, connection

from payments import charging, intake
from payments.gateway import Gateway
from payments.intake import Topic
from payments.models import InboxMessage, Job, JobItem, Payment, Position
from tests.conftest import Clock
from tests.integration.events import event, record
from tests.integration.old_rows import LONG, TOPIC, newest, of_topic, pay, prune, publish, take
from tests.integration.parked_rows import dismiss, park

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _kept(settings: Any) -> None:
    """A month of everything but personal data."""
    settings.KEEP_INBOX = settings.KEEP_OUTBOX = settings.KEEP_WEBHOOKS = settings.KEEP_JOBS = timedelta(days=30)


def test_records_of_paid_payments_go_and_their_offsets_stay_known(clock: Clock, stripe_gateway: Gateway) -> None:
    """P2: the audit tells what was removed from what was never there; P1: a rewind makes nothing new of them."""
    first = [of_topic(event("a"), at=clock(), offset=0), of_topic(event("b"), at=clock(), offset=1)]
    again = of_topic(event("a"), at=clock.advance(seconds=1), offset=3)
    take(clock, *first, again)
    pay(clock, stripe_gateway)
    clock.advance(days=LONG.days)
    newest(clock)
    assert prune(clock()) == {"told": 2, "records": 3}
    assert InboxMessage.objects.count() == 1
    topic = Topic("test", TOPIC, "id1")
    taken = intake.look_at_rows(topic=topic, partition=0, first=0, end=5)
    assert (taken.verdicts, taken.pruned, taken.gaps) == ({}, 3, [(2, 2), (4, 4)])
    assert take(clock, *first, again) == {"known": 3}
    assert (Payment.objects.count(), InboxMessage.objects.count()) == (3, 1)


def test_what_comes_again_from_a_topic_without_an_id_is_judged_by_its_time(
    clock: Clock, stripe_gateway: Gateway
) -> None:
    """It may be a topic that was made anew, whose records must not be taken for those that were pruned."""
    old = record(event("a"), at=clock(), offset=0)
    take(clock, old)
    pay(clock, stripe_gateway)
    clock.advance(days=LONG.days)
    newest(clock)
    prune(clock())
    assert take(clock, old) == {"known": 0, "duplicate": 1}
    anew = record(event("c"), at=clock(), offset=0)
    assert take(clock, anew) == {"known": 0, "accepted": 1}


def test_records_without_an_id_are_of_the_topic_that_was_met_first(clock: Clock, stripe_gateway: Gateway) -> None:
    """As for the audit: their offsets are noted where they are asked for."""
    take(clock, of_topic(event("a"), at=clock(), offset=0))
    pay(clock, stripe_gateway)
    InboxMessage.objects.update(topic_id="")
    clock.advance(days=LONG.days)
    newest(clock)
    prune(clock())
    assert intake.look_at_rows(topic=Topic("test", TOPIC, "id1"), partition=0, first=0, end=1).pruned == 1


def test_where_no_position_would_know_of_it_nothing_goes(clock: Clock, stripe_gateway: Gateway) -> None:
    """A row is removed only together with the note of its offset."""
    take(clock, of_topic(event("a"), at=clock(), offset=0))
    pay(clock, stripe_gateway)
    clock.advance(days=LONG.days)
    newest(clock)
    Position.objects.all().delete()
    assert "records" not in prune(clock())


def test_a_payment_that_is_not_at_rest_keeps_its_records_and_what_was_told(
    clock: Clock, stripe_gateway: Gateway
) -> None:
    """It may be asked for, explained, or told again; a parked record waits for a person for as long as it takes."""
    take(clock, of_topic(event("pending"), at=clock(), offset=0))
    take(clock, of_topic(event("failed", method="pm_card_chargeDeclined"), at=clock(), offset=1))
    failed = Payment.objects.get(subscription_id="failed")
    charging.charge(payment_ids=[failed.id], gateway=stripe_gateway, clock=clock)
    park(b"poison", clock)
    publish(clock)
    clock.advance(days=LONG.days)
    newest(clock)
    assert prune(clock()) == {}


def test_an_event_id_that_keeps_a_closed_payment_closed_stays(clock: Clock, stripe_gateway: Gateway) -> None:
    """P1: sent again after all that time, it would be a new payment; without an id, the record's time says enough."""
    with_id = of_topic(event("a"), at=clock(), offset=0, headers=(("ce_id", b"e1"),))
    without = of_topic(event("b"), at=clock(), offset=1)
    take(clock, with_id, without)
    for one in Payment.objects.all():
        charging.close(payment_id=one.id, who="aida", reason="a test", gateway=stripe_gateway, now=clock())
    publish(clock)
    clock.advance(days=LONG.days)
    newest(clock)
    assert prune(clock()) == {"told": 2, "records": 1}
    resent = of_topic(event("a"), at=clock(), offset=7, headers=(("ce_id", b"e1"),))
    assert take(clock, resent) == {"known": 0, "duplicate": 1}


def test_a_dismissed_record_goes_after_its_dead_letter_and_is_not_parked_again(clock: Clock) -> None:
    """Not while a row of the outbox or a job names it."""
    take(clock, of_topic(b"poison", at=clock(), offset=5))
    row = InboxMessage.objects.get()
    dismiss(row, clock)
    job = Job.objects.create(
        action="dismiss", asked_by="aida", total=1, created_at=clock(), state="stopped", reason="x"
    )
    item = JobItem.objects.create(job=job, number=1, record=row)
    clock.advance(days=LONG.days)
    newest(clock)
    assert prune(clock()) == {}
    publish(clock)
    clock.advance(days=LONG.days)
    assert prune(clock()) == {"told": 1}
    item.delete()
    assert prune(clock()) == {"records": 1}
    assert take(clock, of_topic(b"poison", at=clock(), offset=5)) == {"known": 1}


def test_the_newest_record_stays(clock: Clock, stripe_gateway: Gateway) -> None:
    """By it adoption knows up to when the database remembers."""
    take(clock, of_topic(event("a"), at=clock(), offset=0))
    pay(clock, stripe_gateway)
    clock.advance(days=LONG.days)
    assert prune(clock()) == {"told": 1}


def test_nothing_is_known_by_an_offset_that_was_never_pruned(clock: Clock) -> None:
    """At the edges of what was."""
    take(clock, of_topic(event("a"), at=clock(), offset=0))
    with connection.cursor() as cursor:
        cursor.execute("UPDATE payments_position SET pruned = '{[5,8)}'")
    counts = take(
        clock, of_topic(event("b"), at=clock(), offset=4), of_topic(event("c"), at=clock(), offset=5),
        of_topic(event("d"), at=clock(), offset=8),
    )  # fmt: skip
    assert counts == {"known": 1, "accepted": 2}


@pytest.mark.django_db(transaction=True)
def test_a_record_that_somebody_has_in_hand_is_left_for_the_next_run(clock: Clock, stripe_gateway: Gateway) -> None:
    """Nobody waits for its lock, and its offset isn't noted as one of those that are gone."""
    take(clock, of_topic(event("a"), at=clock(), offset=0))
    pay(clock, stripe_gateway)
    clock.advance(days=LONG.days)
    newest(clock)
    with closing(connection.copy(DEFAULT_DB_ALIAS)) as other, other.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("SELECT FROM payments_inboxmessage WHERE received_at < %s FOR UPDATE", [clock()])
        assert prune(clock()) == {"told": 1}
    assert InboxMessage.objects.count() == 2
    assert intake.look_at_rows(topic=Topic("test", TOPIC, "id1"), partition=0, first=0, end=1).pruned == 0
    assert prune(clock()) == {"records": 1}
