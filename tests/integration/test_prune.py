"""`manage.py prune`: what is old and needed by nobody goes; whatever a promise needs stays, however old."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection

from payments import charging, intake, outbox, retention
from payments.actions import ACTIONS
from payments.gateway import Gateway
from payments.intake import Topic
from payments.models import InboxMessage, Job, JobItem, OutboxMessage, Payment, Position, Pruned, Webhook
from payments.retention import run as retention_run
from tests.conftest import Clock
from tests.integration.events import accept, event, record
from tests.integration.ledger_rows import PAID, payment
from tests.integration.parked_rows import dismiss, park

pytestmark = pytest.mark.django_db

TOPIC = "payment.createInitial"
LONG = timedelta(days=100)


@pytest.fixture(autouse=True)
def _kept(settings: Any) -> None:
    """A month of everything but personal data."""
    settings.KEEP_INBOX = settings.KEEP_OUTBOX = settings.KEEP_WEBHOOKS = settings.KEEP_JOBS = timedelta(days=30)


def prune(now: datetime, **options: Any) -> dict[str, int]:
    """A whole run; how many rows of each."""
    counts: dict[str, int] = {}
    for step in retention.prune(now=now, pause=0, **options):
        counts[step.what] = counts.get(step.what, 0) + step.rows
    return counts


def of_topic(sent: Any, *, at: datetime, offset: int, headers: Any = ()) -> intake.Record:
    """A record of a topic that has an id, as Kafka's have."""
    return replace(record(sent, at=at, offset=offset, headers=headers), topic_id="id1")


def take(clock: Clock, *records: intake.Record) -> dict[str, int]:
    """A batch through the front door."""
    return accept(*records, now=clock()).counts


def pay(clock: Clock, gateway: Gateway) -> None:
    """Charge what is due, and publish what is to be told."""
    charging.charge(payment_ids=list(Payment.objects.values_list("id", flat=True)), gateway=gateway, clock=clock)
    publish(clock)


def publish(clock: Clock) -> None:
    """As the relay does."""
    outbox.mark_published(ids=[row.id for row in outbox.waiting(limit=100)], now=clock())


def newest(clock: Clock) -> None:
    """Something comes in now: the newest record stays in any case."""
    take(clock, of_topic(event("newest"), at=clock(), offset=1_000))


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


def told(of: Payment, number: int, *, published_at: datetime | None, **fields: Any) -> OutboxMessage:
    """A row as the relay leaves it."""
    return OutboxMessage.objects.create(
        message_id=f"{of.id}/{number}", channel="notifications", payment=of, published_at=published_at, value=b"{}",
        created_at=datetime(2026, 1, 1, tzinfo=UTC), **fields,
    )  # fmt: skip


@pytest.mark.parametrize(
    "other",
    [
        {"published_at": None},
        {"published_at": None, "refused_at": datetime(2026, 1, 2, tzinfo=UTC)},
        {"published_at": datetime(2026, 6, 1, tzinfo=UTC)},
    ],
    ids=["waits", "refused", "young"],
)
def test_what_was_told_of_a_payment_goes_together_or_not_at_all(other: dict[str, Any]) -> None:
    """P4: how often it was told makes the next id, and an id that was used must not come twice."""
    paid = payment(**PAID)
    told(paid, 1, published_at=datetime(2026, 1, 1, tzinfo=UTC))
    kept = told(paid, 2, **other)
    now = datetime(2026, 6, 2, tzinfo=UTC)
    assert prune(now) == {}
    OutboxMessage.objects.filter(id=kept.id).update(published_at=datetime(2026, 1, 3, tzinfo=UTC), refused_at=None)
    assert prune(now) == {"told": 2}


def webhook(number: int, **fields: Any) -> Webhook:
    """One that was handled long ago."""
    defaults: dict[str, Any] = {
        "event_id": f"evt_{number}", "type": "charge.succeeded", "livemode": False, "verdict": "nothing_new",
        "received_at": datetime(2026, 1, 1, tzinfo=UTC), "handled_at": datetime(2026, 1, 1, tzinfo=UTC),
    }  # fmt: skip
    return Webhook.objects.create(**(defaults | fields))


def test_webhooks_go_once_they_are_handled_and_their_payment_is_settled() -> None:
    """An open one is still to be looked at; of a pending payment it may be all that says that it is paid."""
    pending = payment()
    webhook(1)
    kept = [
        webhook(2, verdict="", handled_at=None), webhook(3, payment=pending),
        webhook(4, received_at=datetime(2026, 6, 1, tzinfo=UTC)),
    ]  # fmt: skip
    assert prune(datetime(2026, 6, 2, tzinfo=UTC)) == {"webhooks": 1}
    assert list(Webhook.objects.order_by("id")) == kept


def test_jobs_go_once_they_are_over() -> None:
    """With all of their items; one that was stopped may go on."""
    old = datetime(2026, 1, 1, tzinfo=UTC)
    about = payment()
    states: list[dict[str, Any]] = [
        {"state": "done", "ended_at": old, "reason": "x"}, {"state": "draft"}, {"state": "stopped", "reason": "x"},
        {"state": "done", "ended_at": datetime(2026, 6, 1, tzinfo=UTC), "reason": "x"},
    ]  # fmt: skip
    for fields in states:
        job = Job.objects.create(action="retry", asked_by="aida", total=2, created_at=old, **fields)
        for number in (1, 2):
            JobItem.objects.create(job=job, number=number, payment=about)
    assert prune(datetime(2026, 6, 2, tzinfo=UTC)) == {"items of jobs": 4}
    assert sorted(Job.objects.values_list("state", flat=True)) == ["done", "stopped"]


def test_personal_data_go_by_age_and_the_ledger_stays(clock: Clock, stripe_gateway: Gateway, settings: Any) -> None:
    """Bodies, addresses, cards; not of what is under way, nor of a record that waits for a person."""
    settings.KEEP_INBOX = settings.KEEP_OUTBOX = None
    settings.KEEP_PERSONAL = timedelta(days=30)
    take(clock, of_topic(event("a"), at=clock(), offset=0))
    pay(clock, stripe_gateway)
    take(clock, of_topic(event("pending"), at=clock(), offset=1))
    parked = park(b"poison", clock)
    before = Payment.objects.filter(subscription_id="a").values("amount", "status", "intent_id", "user_id").get()
    clock.advance(days=LONG.days)
    assert prune(clock()) == {"payments": 1, "records emptied": 2, "told emptied": 1}
    done = Payment.objects.get(subscription_id="a")
    assert (done.email, done.user_as_sent) == ("", {"id": "u_1"})
    assert Payment.objects.filter(id=done.id).values("amount", "status", "intent_id", "user_id").get() == before
    assert set(done.attempts.values_list("brand", "last4", "card")) == {("", "", "")}
    assert OutboxMessage.objects.get(payment=done).value is None
    assert {row.value for row in InboxMessage.objects.exclude(id=parked.id)} == {None}
    assert Payment.objects.get(subscription_id="pending").email == "a@b.kz"
    parked.refresh_from_db()
    assert bytes(parked.value or b"") == b"poison"
    assert prune(clock()) == {}


def test_a_run_that_is_cut_off_goes_on(clock: Clock, stripe_gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    """Batch by batch, each complete in itself; what may be gone is said before anything is."""
    monkeypatch.setattr(retention_run, "BATCH", 2)
    for offset in range(5):
        take(clock, of_topic(event(f"s{offset}"), at=clock(), offset=offset))
    pay(clock, stripe_gateway)
    clock.advance(days=LONG.days)
    newest(clock)
    assert prune(clock(), kinds=["outbox"]) == {"told": 5}
    assert prune(clock(), kinds=["inbox"], stop=lambda: True) == {"records": 2}
    mark = Pruned.objects.get(what="inbox")
    assert (mark.before, mark.rows, mark.pruned_at) == (clock() - timedelta(days=30), 2, None)
    assert prune(clock()) == {"records": 3}
    mark.refresh_from_db()
    assert (mark.rows, mark.pruned_at) == (5, clock())


def test_the_schedule_prunes_once_a_day(clock: Clock, settings: Any) -> None:
    """And not at all where nothing is set."""
    webhook(1)
    now = datetime(2026, 6, 2, tzinfo=UTC)
    assert retention.prune_daily(now=now) == 1
    webhook(2)
    assert retention.prune_daily(now=now + timedelta(hours=23)) == 0
    assert retention.prune_daily(now=now + timedelta(hours=25)) == 1
    settings.KEEP_INBOX = settings.KEEP_OUTBOX = settings.KEEP_WEBHOOKS = settings.KEEP_JOBS = None
    webhook(3)
    assert retention.prune_daily(now=now + timedelta(days=9)) == 0


def test_a_shorter_setting_later_does_not_take_the_mark_back(settings: Any) -> None:
    """What may be gone stays said."""
    now = datetime(2026, 6, 2, tzinfo=UTC)
    prune(now)
    settings.KEEP_WEBHOOKS = timedelta(days=300)
    prune(now)
    assert Pruned.objects.get(what="webhooks").before == now - timedelta(days=30)


def test_the_command_counts_and_only_acts_when_told_to(capsys: pytest.CaptureFixture[str], settings: Any) -> None:
    """For people and for scripts."""
    settings.KEEP_INBOX = settings.KEEP_OUTBOX = settings.KEEP_JOBS = None
    webhook(1)
    call_command("prune")
    assert capsys.readouterr().out.splitlines() == [
        "webhooks, kept for 30 d: 1 webhooks would go.", "Nothing was changed. Add --yes to act.",
    ]  # fmt: skip
    call_command("prune", "--dry-run", "--yes", "--json")
    told_so = json.loads(capsys.readouterr().out)
    assert (told_so["acted"], told_so["rows"]) == (False, {"webhooks": {"webhooks": 1}})
    call_command("prune", "--only", "webhooks", "--yes", "--pause", "0")
    assert capsys.readouterr().out.splitlines()[0] == "webhooks, kept for 30 d: 1 webhooks."
    assert not Webhook.objects.exists()
    settings.KEEP_WEBHOOKS = None
    call_command("prune")
    assert capsys.readouterr().out.startswith("Everything is kept for ever")


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


def test_what_was_pruned_is_not_said_to_have_never_been_told(clock: Clock, stripe_gateway: Gateway) -> None:
    """Staff who want it sent again read the truth."""
    take(clock, of_topic(event("a"), at=clock(), offset=0))
    pay(clock, stripe_gateway)
    done = Payment.objects.get()
    clock.advance(days=LONG.days)
    assert prune(clock()) == {"told": 1}
    assert ACTIONS["notify"].find_refusal(done, clock()) == (
        "what was told of it is so long ago that it isn't kept any more"
    )
