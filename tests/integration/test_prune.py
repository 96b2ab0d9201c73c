"""`manage.py prune`: what is old and needed by nobody goes; whatever a promise needs stays, however old."""

import json
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection

from payments import retention
from payments.actions import ACTIONS
from payments.gateway import Gateway
from payments.models import InboxMessage, Job, JobItem, OutboxMessage, Payment, Pruned, Webhook
from payments.retention import run as retention_run
from tests.conftest import Clock
from tests.integration.events import event
from tests.integration.kafka_client import wait_until
from tests.integration.ledger_rows import PAID, payment
from tests.integration.old_rows import LONG, newest, of_topic, pay, prune, take
from tests.integration.parked_rows import park

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _kept(settings: Any) -> None:
    """A month of everything but personal data."""
    settings.KEEP_INBOX = settings.KEEP_OUTBOX = settings.KEEP_WEBHOOKS = settings.KEEP_JOBS = timedelta(days=30)


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
    call_command("prune", "--dry-run", "--json")
    told_so = json.loads(capsys.readouterr().out)
    assert (told_so["acted"], told_so["rows"]) == (False, {"webhooks": {"webhooks": 1}})
    call_command("prune", "--only", "webhooks", "--yes", "--pause", "0")
    assert capsys.readouterr().out.splitlines()[0] == "webhooks, kept for 30 d: 1 webhooks."
    assert not Webhook.objects.exists()
    settings.KEEP_WEBHOOKS = None
    call_command("prune")
    assert capsys.readouterr().out.startswith("Everything is kept for ever")


@pytest.mark.django_db(transaction=True)
def test_ctrl_c_ends_between_two_batches_and_the_same_command_goes_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is done stays done, and is told: exit code 130. The day isn't over for the schedule."""
    monkeypatch.setattr(retention_run, "BATCH", 1)
    webhook(1)
    webhook(2)

    def press() -> None:
        wait_until(lambda: Webhook.objects.count() == 1, what="one is gone")
        connection.close()
        # To the main thread, which waits for the next batch.
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    with ThreadPoolExecutor(1) as somebody:
        pressed = somebody.submit(press)
        with pytest.raises(SystemExit) as ended:
            call_command("prune", "--only", "webhooks", "--yes", "--pause", "60", "--json")
        pressed.result()
    told_so = json.loads(capsys.readouterr().out)
    assert (ended.value.code, told_so["interrupted"], told_so["rows"]) == (130, True, {"webhooks": {"webhooks": 1}})
    assert Pruned.objects.get().pruned_at is None
    call_command("prune", "--only", "webhooks", "--yes", "--pause", "0")
    assert not Webhook.objects.exists()
    assert Pruned.objects.get().pruned_at is not None


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
