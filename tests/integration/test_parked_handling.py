"""Who handles a parked record does so once, with a name and a reason, whoever else is at it."""

import threading
from typing import Any
from uuid import UUID

import pytest
from django.db import IntegrityError, connection, transaction

from payments import intake, limits, tasks
from payments.intake import Dismissed, NotParked, Replayed
from payments.models import InboxMessage, OutboxMessage, Payment
from tests.conftest import Clock
from tests.integration.events import accept, event, record
from tests.integration.parked_rows import dismiss, park, replay, value

db = pytest.mark.django_db


@db
def test_a_dismissed_record_is_off_the_list_with_a_name_and_a_reason(clock: Clock) -> None:
    """P2: it is still there, and nothing else has happened."""
    row = park(b"[object Object]", clock)
    assert dismiss(row, clock) == Dismissed()
    row.refresh_from_db()
    assert (row.verdict, row.handled_at, row.handled_by, row.handled_why) == (
        "dismissed",
        clock(),
        "staff: aida",
        "a test",
    )
    assert row.reason.startswith("value: is the text [object Object]")
    assert (Payment.objects.count(), OutboxMessage.objects.count()) == (0, 1)


@db
def test_only_what_is_parked_can_be_handled(clock: Clock) -> None:
    """Neither what was accepted, nor what somebody has dealt with, nor what isn't there."""
    accept(record(event(), at=clock()), now=clock())
    accepted = InboxMessage.objects.get()
    dismissed = park(b"", clock)
    dismiss(dismissed, clock)
    nobodys = InboxMessage(id=999_999)
    for row, verdict in ((accepted, "accepted"), (dismissed, "dismissed"), (nobodys, "")):
        assert replay(row, clock, corrected=value("sub_9")) == NotParked(verdict=verdict)
        assert dismiss(row, clock) == NotParked(verdict=verdict)
    assert Payment.objects.count() == 1


@db
@pytest.mark.parametrize(("who", "why"), [("", "x"), ("x", ""), (" ", "x"), ("x", "\n")])
def test_nobody_decides_without_a_name_and_a_reason(clock: Clock, who: str, why: str) -> None:
    """In code, and in the database for whoever goes round it."""
    row = park(b"", clock)
    for decide in (intake.replay, intake.dismiss):
        with pytest.raises(ValueError, match="says why"):
            decide(record_id=row.id, who=who, why=why, now=clock())
    for wrong in (
        {"verdict": "dismissed"},
        {"verdict": "dismissed", "handled_at": clock(), "handled_by": "x"},
        {"handled_at": clock(), "handled_by": "x", "handled_why": "x"},
        {"handled_by": "x"},
    ):
        with pytest.raises(IntegrityError), transaction.atomic():
            InboxMessage.objects.filter(id=row.id).update(**wrong)


@db
def test_a_replay_rings_when_it_is_committed(clock: Clock, django_capture_on_commit_callbacks: Any) -> None:
    """P5: also where whoever calls has a transaction open; what is refused rings for nobody."""
    limits.connect_redis().flushdb()
    row = park(event(price=0), clock)
    with django_capture_on_commit_callbacks(execute=True) as callbacks:
        replay(row, clock, corrected=b"{}")
    assert tasks.queued() == 0
    with django_capture_on_commit_callbacks() as callbacks:
        replay(row, clock, corrected=value())
    assert tasks.queued() == 0
    for callback in callbacks:
        callback()
    assert tasks.queued() == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("other", [replay, dismiss])
def test_of_two_at_once_one_wins(clock: Clock, other: Any) -> None:
    """P1: two of the staff at the same moment, even with corrections for different subscriptions."""
    row = park(event(price=0), clock)
    barrier = threading.Barrier(2)
    outcomes: list[Any] = []

    def decide(act: Any, **arguments: Any) -> None:
        barrier.wait(10)
        outcomes.append(act(row, clock, **arguments))
        connection.close()

    second = {"corrected": value("sub_b")} if other is replay else {}
    threads = [
        threading.Thread(target=decide, args=(replay,), kwargs={"corrected": value("sub_a")}),
        threading.Thread(target=decide, args=(other,), kwargs=second),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    [lost] = [outcome for outcome in outcomes if isinstance(outcome, NotParked)]
    [won] = [outcome for outcome in outcomes if outcome != lost]
    row.refresh_from_db()
    assert lost.verdict == row.verdict
    assert [UUID(str(one)) for one in Payment.objects.values_list("id", flat=True)] == (
        [won.payment] if isinstance(won, Replayed) else []
    )
