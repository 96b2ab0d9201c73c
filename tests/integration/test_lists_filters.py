"""Lists as support uses them: filter, look at what is saved."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from payments.admin.saved_views import SAVED_VIEWS
from payments.models import Break, InboxMessage, Transition
from tests.integration.ledger_rows import FAILED, PAID, dispute, restoring
from tests.integration.lists import LIST, found, make, said

pytestmark = pytest.mark.django_db


@pytest.fixture
def staff(client: Client) -> Client:
    """A superuser: whoever may the most."""
    client.force_login(User.objects.create_superuser("aida"))
    return client


@pytest.fixture
def many(staff: Client) -> None:
    """One of each kind."""
    now = timezone.now()
    long_ago = now - timedelta(days=40)
    old: dict[str, Any] = {"created_at": long_ago, "accepted_at": long_ago}
    new: dict[str, Any] = {"created_at": now, "accepted_at": now}
    failed = FAILED | {"settled_at": now}
    with restoring():
        make("paid", **PAID | {"settled_at": now}, **new)
        make("refunded", **PAID | {"intent_id": "pi_2", "settled_at": long_ago}, **old, refunded=10_000)
        make("part", **PAID | {"intent_id": "pi_3", "settled_at": long_ago}, **old, refunded=1)
        lost = make("lost", **PAID | {"intent_id": "pi_4", "settled_at": long_ago}, **old, disputed_at=now)
        disputed = make("disputed", **PAID | {"intent_id": "pi_5", "settled_at": long_ago}, **old, disputed_at=now)
        make("ours", **failed | {"fault": "us", "kind": "hard"}, **new, amount=4_800_000)
        make("act", **failed | {"fault": "customer", "kind": "action"}, **old, currency="USD")
        make("yen", **failed | {"settled_at": long_ago}, **old, currency="JPY", amount=48_000)
        make("waits", **old, attention="its outcome is still unknown")
        again = make("again", **old)
        make("just now", **new)
    dispute(lost, ended_at=now)
    dispute(disputed, dispute_id="du_2")
    Transition.objects.create(
        payment=again, from_status="failed", to_status="pending", who="staff: aida", why="asked for again", at=now
    )


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ({"status": "failed"}, "ours act yen"),
        ({"fault": "us"}, "ours"),
        ({"kind": "action"}, "act"),
        ({"currency": "USD"}, "act"),
        ({"amount_from": "48000"}, "ours yen"),
        ({"amount_from": "48000", "amount_to": "48000"}, "ours yen"),
        ({"amount_from": "48000.001", "amount_to": "48000.001"}, ""),
        ({"amount_from": "48 000", "amount_to": "48\u00a0000.00", "currency": "JPY"}, "yen"),
        ({"amount_to": "100", "currency": "USD"}, "act"),
        ({"amount_from": "99.999", "amount_to": "100.001", "status": "success"}, "paid refunded part lost disputed"),
        ({"look": "yes"}, "waits"),
        ({"disputed": "yes"}, "lost disputed"),
        ({"disputed": "open"}, "disputed"),
        ({"refunded": "yes"}, "refunded part"),
        ({"refunded": "full"}, "refunded"),
        ({"refunded": "part"}, "part"),
        ({"settled": "today", "status": "failed"}, "ours act"),
        ({"waiting": "10m"}, "waits"),
        ({"status": "failed", "currency": "JPY", "kind": "soft", "fault": "issuer"}, "yen"),
        ({"status": "success", "kind": "soft"}, ""),
        ({"status": "nonsense"}, ""),
    ],
)
def test_each_filter_shows_what_it_says(staff: Client, many: None, query: dict[str, str], shown: str) -> None:
    """Alone and together; an unknown value shows nothing, rather than everything."""
    assert found(staff, **query) == set(shown.split())


def test_days_are_those_of_who_looks_and_both_are_included(staff: Client, many: None) -> None:
    """Half an hour after midnight in Almaty is the day before in UTC."""
    at = datetime(2026, 3, 9, 19, 30, tzinfo=UTC)
    make("night", created_at=at, accepted_at=at)
    assert found(staff, made_from="2026-03-09", made_to="2026-03-09") == {"night"}
    staff.cookies["zone"] = "Asia/Almaty"
    assert found(staff, made_from="2026-03-10", made_to="2026-03-10") == {"night"}
    assert found(staff, made_to="2026-03-09") == set()


@pytest.mark.parametrize(
    "query",
    [{"made_from": "yesterday"}, {"amount_from": "much"}, {"amount_from": "2", "amount_to": "1"}, {"amount_to": "-1"}],
)
def test_what_cannot_be_read_shows_nothing_and_says_so(staff: Client, many: None, query: dict[str, str]) -> None:
    """An unfiltered list under a filter would be believed."""
    assert found(staff, **query) == set()
    assert said(staff, **query)


def test_saved_views_are_linked_from_the_front_page_and_the_list(staff: Client) -> None:
    """One click from wherever somebody is."""
    for page in (staff.get("/admin/"), staff.get(LIST), staff.get("/admin/payments/break/")):
        text = page.content.decode().replace("&amp;", "&")
        for view in SAVED_VIEWS:
            assert view.url in text
            assert str(view.title) in text.replace("&#x27;", "'")


def test_saved_views_show_what_they_say(staff: Client, many: None) -> None:
    """Failed today, needs a look, pending for long, conflicts, breaks."""
    now = timezone.now()
    record: dict[str, Any] = {"cluster": "c", "topic": "t", "partition": 0, "recorded_at": now, "received_at": now}
    for offset, verdict in enumerate(("conflict", "invalid", "duplicate")):
        reason = "" if verdict == "duplicate" else "another amount"
        InboxMessage.objects.create(**record, offset=offset, value_hash=b"", verdict=verdict, reason=reason)
    Break.objects.create(kind="amount", intent_id="pi_1", reason="open", found_at=now, seen_at=now)
    Break.objects.create(
        kind="amount",
        intent_id="pi_2",
        reason="over",
        found_at=now,
        seen_at=now,
        closed_at=now,
        closed_by="a",
        closed_why="b",
    )
    counts = {view.key: staff.get(view.url).context["cl"].result_count for view in SAVED_VIEWS}
    assert counts == {"failed_today": 2, "needs_a_look": 1, "pending": 1, "conflicts": 2, "breaks": 1}
