"""The staff log: who did or looked at what, for good; and who may see personal data at all."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.test import Client

from payments import staff_log
from payments.admin import personal
from payments.models import InboxMessage, StaffEntry
from tests.conftest import Clock
from tests.integration.ledger_rows import payment
from tests.integration.parked_rows import conflict
from tests.integration.staff_users import log_in, looker, member

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
LOG = "/admin/payments/staffentry/"


def test_an_entry_says_who_what_and_about_which_payment() -> None:
    """And details, of which long texts are cut."""
    about = payment().id
    staff_log.note(who="staff: aida", what="acted", payment=about, details={"why": "x" * 900, "count": 2}, now=NOW)
    entry = StaffEntry.objects.get()
    assert (entry.who, entry.what, entry.payment_id, entry.at) == ("staff: aida", "acted", about, NOW)
    assert entry.details == {"why": "x" * 500, "count": 2}


@pytest.mark.parametrize("change", ["UPDATE payments_staffentry SET who = 'x'", "DELETE FROM payments_staffentry"])
def test_nobody_rewrites_the_log(change: str) -> None:
    """Not even at a psql prompt."""
    staff_log.note(who="staff: aida", what="opened", now=NOW)
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(change)
    assert StaffEntry.objects.get().who == "staff: aida"


@pytest.mark.parametrize("wrong", [{"what": "slept"}, {"who": ""}])
def test_an_entry_that_says_nothing_is_refused(wrong: dict[str, str]) -> None:
    """By the database, so that no typing error makes a hole in the log."""
    right: dict[str, Any] = {"who": "staff: aida", "what": "opened"}
    with pytest.raises(IntegrityError), transaction.atomic():
        staff_log.note(**(right | wrong), now=NOW)


@pytest.mark.parametrize(
    ("query", "index"),
    [
        ("payment_id = '8699c93f-449a-5886-8af7-adf7a9d2948b'", "staff_entry_by_payment"),
        ("who = 'staff: aida' AND at > '2026-01-31'", "staff_entry_by_who"),
        ("at > '2026-01-31'", "staff_entry_by_time"),
    ],
)
def test_the_log_is_searched_by_an_index(query: str, index: str) -> None:
    """It grows with every look."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(f"EXPLAIN SELECT * FROM payments_staffentry WHERE {query}")  # noqa: S608
        plan = "\n".join(row[0] for row in cursor.fetchall())
    assert index in plan


def test_a_login_is_noted(client: Client) -> None:
    """With the address that it came from."""
    member("Support")
    log_in(client, REMOTE_ADDR="192.0.2.7")
    entry = StaffEntry.objects.get()
    assert (entry.who, entry.what) == ("staff: aida", "logged_in")
    assert entry.details == {"two_factor": False, "address": "192.0.2.7"}


def test_who_opens_a_record_is_noted_with_its_payment(client: Client, clock: Clock) -> None:
    """Every look, also the second one; a page that isn't there is no look."""
    _, row = conflict(clock)
    client.force_login(member("Support"))
    page = f"/admin/payments/inboxmessage/{row.id}/change/"
    for _ in range(2):
        assert client.get(page).status_code == 200
    client.get("/admin/payments/inboxmessage/999999/change/")
    entries = list(StaffEntry.objects.values_list("who", "what", "payment", "details"))
    assert entries == [("staff: aida", "opened", row.payment_id, {"page": "inboxmessage", "id": str(row.id)})] * 2


def test_what_cannot_be_noted_is_not_shown(client: Client, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page fails with the log."""
    _, row = conflict(clock)
    user = member("Support")
    monkeypatch.setattr(StaffEntry._meta, "db_table", "payments_gone")
    client.force_login(user)
    client.raise_request_exception = False
    answer = client.get(f"/admin/payments/inboxmessage/{row.id}/change/")
    assert answer.status_code == 500
    assert "a@b.kz" not in answer.content.decode()


@pytest.fixture
def entries() -> uuid.UUID:
    """Three: of two people, about one payment and none, now and long ago. The payment's id."""
    about = payment().id
    staff_log.note(who="staff: aida", what="opened", payment=about, now=datetime.now(UTC))
    staff_log.note(who="staff: dana", what="searched", details={"count": 3}, now=datetime.now(UTC))
    staff_log.note(who="staff: dana", what="acted", payment=about, now=datetime.now(UTC) - timedelta(days=400))
    return about


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({}, ["acted", "searched", "opened"]),
        ({"who": "staff: dana"}, ["acted", "searched"]),
        ({"what__exact": "opened"}, ["opened"]),
        ({"q": "<payment>"}, ["acted", "opened"]),
        ({"q": "no id"}, []),
        ({"who": "staff: dana", "q": "<payment>"}, ["acted"]),
    ],
)
def test_who_leads_reads_the_log(client: Client, entries: uuid.UUID, asked: dict[str, str], found: list[str]) -> None:
    """By who, what, and payment, newest first."""
    client.force_login(member("Lead"))
    member("Finance", "dana")
    answer = client.get(LOG, {name: value.replace("<payment>", str(entries)) for name, value in asked.items()})
    assert [entry.what for entry in answer.context["cl"].result_list] == found


def test_the_log_is_read_by_date(client: Client, entries: uuid.UUID) -> None:
    """What happened today."""
    client.force_login(member("Lead"))
    since = (datetime.now(UTC) - timedelta(days=1)).isoformat()
    answer = client.get(LOG, {"at__gte": since, "at__lt": datetime.now(UTC).isoformat()})
    assert [entry.what for entry in answer.context["cl"].result_list] == ["searched", "opened"]


def test_the_log_has_no_page_that_changes_it(client: Client, entries: uuid.UUID) -> None:
    """For superusers too."""
    client.force_login(User.objects.create_superuser("root"))
    entry = StaffEntry.objects.first()
    assert entry is not None
    assert client.get(f"{LOG}{entry.pk}/change/").status_code == 200
    for page in ("add/", f"{entry.pk}/change/", f"{entry.pk}/delete/"):
        assert client.post(LOG + page, {"who": "x", "post": "yes"}).status_code == 403, page
    assert StaffEntry.objects.filter(who="x").count() == 0


@pytest.mark.parametrize(
    ("email", "masked"),
    [
        ("aida@example.kz", "a•••@example.kz"),
        ("a@b.kz", "a•••@b.kz"),
        ("", ""),
        ("u_1", "u•••"),
        ("@b.kz", "@•••"),
        ('"a@b"@c.kz', '"•••@c.kz'),
    ],
)
def test_a_masked_address_keeps_its_first_letter_and_its_host(email: str, masked: str) -> None:
    """Enough to tell two apart, too little to write to."""
    assert personal.mask(email) == masked


def record_page(client: Client, user: User, row: InboxMessage) -> str:
    """A record's page, as somebody sees it."""
    client.force_login(user)
    answer: Any = client.get(f"/admin/payments/inboxmessage/{row.id}/change/")
    assert answer.status_code == 200
    return str(answer.content.decode())


def test_records_as_they_came_are_for_who_may_see_personal_data(client: Client, clock: Clock) -> None:
    """They have the customer's address in them; all else of the record is shown to everybody."""
    _, row = conflict(clock)
    assert "a@b.kz" in record_page(client, member("Support"), row)
    hidden = record_page(client, looker(), row)
    assert "a@b.kz" not in hidden
    assert "hidden: your groups may not see personal data" in hidden
    assert row.reason.split(":")[0] in hidden
