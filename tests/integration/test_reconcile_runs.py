"""Runs of the reconciliation: pages, interruptions, two at once, by schedule, and the command."""

import json
import threading
from datetime import timedelta
from typing import Any

import pytest
from celery.signals import worker_shutting_down
from django.contrib.auth.models import User
from django.db import connections
from django.test import Client

from billing_project.dev.simulator import Simulator
from payments import charging, reconcile, tasks
from payments.models import Pause, Payment, Reconciliation
from tests.integration.books import UNKNOWN, Books, breaks, collect, no_guards
from tests.integration.commands import run_command

pytestmark = pytest.mark.django_db


def charges_asked(books: Books) -> list[dict[str, Any]]:
    """The requests for pages of charges."""
    return [one for one in books.lists_asked() if one["endpoint"] == "charges.list"]


def test_all_pages_of_more_than_a_hundred_charges_are_read(books: Books) -> None:
    """Stripe gives a hundred at a time: the difference in the oldest one is found, too."""
    oldest = books.stray(payment_id=UNKNOWN, subscription_id="lost")
    for _ in range(205):
        books.stray()
    result = books.compare()
    assert result.counts["foreign"] == 205
    assert breaks() == [("paid_there", oldest)]
    assert len(charges_asked(books)) == 3 + 0


def test_our_payments_are_looked_for_in_all_pages(books: Books) -> None:
    """The other direction goes back in time beside the list: nothing on a later page is taken for missing."""
    for number in range(7):
        books.paid(f"n{number}")
        books.advance(minutes=2)
    books.stripe.control.add_fault(kind="status", status=500, endpoint="payment_intents.retrieve", effect="none")
    result = books.compare(page_size=2)
    assert (result.counts["charges"], result.counts["payments"], result.interrupted) == (7, 7, "")
    assert breaks() == []


def test_an_interrupted_run_goes_on_from_its_cursor(books: Books) -> None:
    """Stripe gave no answer in the middle: what was done isn't done again, and nothing in between is left out."""
    lost = [books.stray(payment_id=f"{UNKNOWN[:-1]}{number}", subscription_id=f"n{number}") for number in range(6)]
    books.stripe.control.add_fault(kind="status", status=503, endpoint="charges.list", skip=2)
    result = books.compare(page_size=2)
    assert result.interrupted == "Stripe gave no answer (APIError): try again when it does"
    [run] = Reconciliation.objects.filter(ended_at__isnull=True)
    assert [intent for _, intent in breaks()] == lost[:1:-1]
    asked = len(charges_asked(books))
    books.advance(minutes=1)
    books.compare(page_size=2)
    run.refresh_from_db()
    assert (run.ended_at, run.cursor) == (books.clock(), "")
    assert {intent for _, intent in breaks()} == set(lost)
    later = charges_asked(books)[asked:]
    assert [one["params"].get("starting_after") is None for one in later[:2]] == [False, True]
    rest = Reconciliation.objects.latest("id")
    assert (rest.from_at, rest.until_at - rest.from_at) == (run.until_at, timedelta(minutes=1, seconds=1))


def test_an_interruption_in_our_own_direction_finds_all_the_same(books: Books) -> None:
    """The page whose comparison with our rows was interrupted is read once more."""
    for number in range(4):
        books.take_in(f"n{number}")
    with no_guards():
        for payment in Payment.objects.all():
            Payment.objects.filter(id=payment.id).update(
                status="success", intent_id=f"pi_{payment.subscription_id}", account_id="acct_simulator",
                settled_at=books.clock() - timedelta(minutes=1), due_at=None,
            )  # fmt: skip
    books.stripe.control.add_fault(
        kind="status", status=503, endpoint="payment_intents.retrieve", effect="none", skip=1
    )
    assert books.compare().interrupted
    books.advance(minutes=1)
    assert not books.compare().interrupted
    assert sorted(breaks()) == [("paid_here", f"pi_n{number}") for number in range(4)]


def test_a_refused_key_ends_the_run_with_a_clear_line(books: Books, settings: Any) -> None:
    """And makes no breaks of what could not be asked."""
    books.paid("a")
    books.stripe.control.set_api_key(key=settings.STRIPE_SECRET_KEY, state="revoked")
    assert books.compare().interrupted == "Stripe refuses our key (401): check STRIPE_SECRET_KEY"
    assert breaks() == []


def test_the_schedule_begins_with_a_day_and_goes_on_with_overlapping_windows(books: Books) -> None:
    """Every ten minutes, an hour back, and nothing of the last five minutes; between that it asks nobody."""

    def scheduled() -> Reconciliation | None:
        result = reconcile.reconcile_by_schedule(gateway=books.gateway, clock=books.clock)
        return result.runs[-1] if result else None

    first = scheduled()
    assert first is not None
    assert (first.from_at, first.until_at) == (
        books.clock() - timedelta(hours=24), books.clock() - timedelta(minutes=5),
    )  # fmt: skip
    asked = len(books.lists_asked())
    books.advance(minutes=9)
    assert scheduled() is None
    assert len(books.lists_asked()) == asked
    books.advance(minutes=1)
    second = scheduled()
    assert second is not None
    assert second.from_at == first.until_at - timedelta(hours=1)
    assert len(books.lists_asked()) == asked + 4, "an idle window costs one page of each list"
    charging.pause(cause=Pause.Cause.OUTAGE, reason="", who="breaker", now=books.clock())
    books.advance(minutes=10)
    assert scheduled() is None, "Stripe isn't asked while it doesn't answer"


def test_the_schedule_goes_on_with_a_run_that_its_time_has_ended(books: Books) -> None:
    """A task must end before its message is delivered again; the next minute goes on, without waiting for ten."""
    books.paid("a")
    slow = iter(range(10_000))
    began = books.clock()
    result = reconcile.reconcile_by_schedule(
        gateway=books.gateway, clock=lambda: began + timedelta(minutes=2) * next(slow)
    )
    assert result is not None
    assert result.interrupted == "its time is up: it goes on with the next run"
    books.advance(minutes=11)
    again = reconcile.reconcile_by_schedule(gateway=books.gateway, clock=books.clock)
    assert again is not None
    assert again.runs[0].id == result.runs[-1].id
    assert not Reconciliation.objects.filter(ended_at__isnull=True).exists()


def test_a_worker_that_is_told_to_end_leaves_the_rest_to_another(books: Books, monkeypatch: pytest.MonkeyPatch) -> None:
    """It waits for what it has in hand, and a comparison may take longer than it has until it is killed."""
    books.paid("a")
    monkeypatch.setattr(reconcile.books, "_told_to_end", threading.Event())
    worker_shutting_down.send(sender=None, sig="SIGTERM", how="Warm", exitcode=0)
    result = reconcile.reconcile_by_schedule(gateway=books.gateway, clock=books.clock)
    assert result is not None
    assert result.interrupted == "its time is up: it goes on with the next run"
    assert books.lists_asked() == []
    monkeypatch.setattr(reconcile.books, "_told_to_end", threading.Event())
    books.advance(minutes=1)
    again = reconcile.reconcile_by_schedule(gateway=books.gateway, clock=books.clock)
    assert again is not None
    assert again.runs[0].id == result.runs[-1].id
    assert not Reconciliation.objects.filter(ended_at__isnull=True).exists()


def test_the_task_of_beat_compares(books: Books, stripe: Simulator) -> None:
    """Under the name that the schedule has."""
    tasks.compare_books()
    assert Reconciliation.objects.get().asked_by == "schedule"


def command(*arguments: str) -> tuple[str, str, int]:
    """What it prints, what it says on the way, and its exit code."""
    return run_command("reconcile", *arguments)


def window(books: Books) -> tuple[str, ...]:
    """The last two hours, by the clock of this test."""
    since, until = books.clock() - timedelta(hours=2), books.clock() + timedelta(minutes=1)
    return "--from", since.isoformat(), "--to", until.isoformat()


def test_the_command_shows_counts_breaks_and_says_by_its_exit_code_what_came_of_it(books: Books) -> None:
    """0: agrees, 3: differs, 1: couldn't be found out; a break is settled with a reason."""
    books.paid("a")
    out, progress, code = command(*window(books))
    assert (code, out.splitlines()[-1]) == (0, "The books agree.")
    assert "charges …" in progress
    intent = books.stray(payment_id=UNKNOWN, subscription_id="lost")
    out, error, code = command(*window(books))
    assert (code, intent in out, " 0m " in out) == (3, True, True)
    assert "1 breaks are open" in error
    out, _, code = command(*window(books), "--json")
    [broken] = json.loads(out)["breaks"]
    assert (code, broken["intent"], broken["kind"]) == (3, intent, "paid_there")
    assert command("--settle", str(broken["id"]), "--dry-run")[::2] == (
        f"Break {broken['id']} would be settled. Nothing was changed.\n", 0
    )  # fmt: skip
    out, _, code = command(*window(books), "--dry-run")
    assert (code, intent in out, "would be compared. Nothing was changed." in out) == (0, True, True)
    assert command("--settle", str(broken["id"]))[1:] == ("say why it needn't agree: --reason", 1)
    out, _, code = command("--settle", str(broken["id"]), "--reason", "a test of ours")
    assert (out, code) == (f"Break {broken['id']} is settled.\n", 0)
    assert command(*window(books))[2] == 0
    books.stripe.control.add_fault(kind="status", status=503, endpoint="charges.list")
    _, error, code = command(*window(books))
    assert (code, error.endswith("The same command goes on where it was.")) == (1, True)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "say since when: --from 24h"),
        (("--from", "2026-01-02", "--to", "2026-01-01"), "--from must be before --to"),
        (("--settle", "7", "--reason", "x"), "there is no open break 7"),
    ],
)
def test_the_command_says_what_it_needs(books: Books, arguments: tuple[str, ...], says: str) -> None:
    """One line, exit code 1."""
    assert command(*arguments)[1:] == (says, 1)


def test_progress_is_told_page_by_page(books: Books) -> None:
    """For whoever waits for a long one."""
    for _ in range(5):
        books.stray()
    lines, say = collect()
    books.compare(page_size=2, say=say)
    assert lines[:3] == ["charges …", "2 foreign", "4 foreign"]


@pytest.mark.django_db(transaction=True)
def test_of_two_at_once_the_second_refuses(books: Books) -> None:
    """The lock lives and dies with the first one's connection."""
    at_work, go_on = threading.Event(), threading.Event()

    def first() -> None:
        def say(_: str) -> None:
            at_work.set()
            go_on.wait(20)

        try:
            books.compare(say=say)
        finally:
            connections.close_all()

    thread = threading.Thread(target=first)
    thread.start()
    assert at_work.wait(20)
    try:
        with pytest.raises(reconcile.Busy):
            books.compare()
    finally:
        go_on.set()
        thread.join(20)
    assert not books.compare().interrupted


def test_staff_see_breaks_and_runs_in_the_admin_and_change_neither(books: Books, client: Client) -> None:
    """Open ones are filtered by a click; each opens with what is there and what is here."""
    client.force_login(User.objects.create_superuser("aida", password="a long enough password"))
    intent = books.stray(payment_id=UNKNOWN, subscription_id="lost")
    books.compare()
    page = client.get("/admin/payments/break/", {"open": "yes"}).content.decode()
    assert intent in page
    [broken] = reconcile.open_breaks()
    assert UNKNOWN in client.get(f"/admin/payments/break/{broken.id}/change/").content.decode()
    run = Reconciliation.objects.get()
    for address in (f"/admin/payments/break/{broken.id}/change/", f"/admin/payments/reconciliation/{run.id}/change/"):
        assert client.get(address).status_code == 200
        assert client.post(address, {"reason": "none"}).status_code == 403
