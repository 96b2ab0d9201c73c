"""CSV of a filtered list: all of it, nothing but it, safe to open, and for those who may have it."""

import csv
import io
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from payments.admin.export import FIRST_PART
from payments.models import Break, Dispute, InboxMessage, Payment, StaffEntry, Subscription
from payments.spreadsheet import as_cell
from tests.integration.ledger_rows import FAILED, NOW, PAID, attempt, payment, refund, restoring

pytestmark = pytest.mark.django_db
EXPORT = "/admin/payments/payment/export/"


def client_with(*permissions: str) -> Client:
    """Somebody of the staff who may do just that."""
    user = User.objects.create_user("marat", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def finance() -> Client:
    """Who exports lists, and sees whose payments they are."""
    views = ("view_payment", "view_refund", "view_dispute", "view_inboxmessage", "view_break")
    return client_with("export_payment", "see_personal_data", *views)


def make(subscription: str, **fields: Any) -> Payment:
    """A payment of a subscription of its own."""
    Subscription.objects.get_or_create(id=subscription)
    return payment(subscription_id=subscription, **fields)


def rows_of(client: Client, url: str = EXPORT, **query: Any) -> list[dict[str, str]]:
    """The file as a spreadsheet reads it."""
    answer: Any = client.get(url, query)
    assert answer.status_code == 200
    content = b"".join(answer.streaming_content)
    assert content.startswith(b"\xef\xbb\xbf")
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"))))


def test_an_export_has_what_a_bookkeeper_needs(finance: Client) -> None:
    """Amounts in major units beside their currency, times in UTC, text in the customer's letters."""
    with restoring():
        one = make(
            "sub_1", **PAID, refunded=2_550, email="әйгерім@example.kz", currency="KZT", amount=123_456, created_at=NOW
        )
        attempt(one, state="succeeded", ended_at=NOW, brand="visa", last4="0042")
    [row] = rows_of(finance)
    assert row | {
        "payment_id": str(one.id), "subscription_id": "sub_1", "status": "success", "amount": "1234.56",
        "currency": "KZT", "refunded": "25.50", "email": "әйгерім@example.kz", "user_id": "u", "card_brand": "visa",
        "card_last4": "…0042", "created_at": "2026-01-31T12:00:00Z", "closed_at": "", "payment_intent": "pi_1",
    } == row  # fmt: skip


@pytest.mark.parametrize(
    "hostile",
    [
        "=HYPERLINK(\"http://evil\")", "+1+cmd|' /C calc'!A0", "-2+3", "@SUM(1)", "\t=1", "\r=1", "\n=1", " =1",
        "\N{NO-BREAK SPACE}=1", "＝1", "|calc", "%0A",
    ],
)  # fmt: skip
def test_no_cell_is_a_formula(finance: Client, hostile: str) -> None:
    """Customers choose their user ids and subscriptions; whoever opens the file must not run what they wrote."""
    make(hostile, user_id=hostile, email=hostile)
    [row] = rows_of(finance)
    for name in ("subscription_id", "user_id", "email"):
        assert row[name] == f"'{hostile}"


@pytest.mark.parametrize("plain", ["sub_1", "1-2", "a=b", "", "Ёлки", "100"])
def test_what_is_no_formula_stays_as_it_is(plain: str) -> None:
    """Whoever compares ids must not stumble over marks."""
    assert as_cell(plain) == plain


def test_an_export_has_the_filters_and_the_search_of_the_list(finance: Client) -> None:
    """The button on the list carries them."""
    with restoring():
        make("sub_1", **FAILED, email="a@example.kz")
        make("sub_2", **FAILED, email="b@example.kz", currency="USD")
        make("sub_3", **PAID)
    query = {"status": "failed", "currency": "USD"}
    assert [row["subscription_id"] for row in rows_of(finance, **query)] == ["sub_2"]
    assert [row["subscription_id"] for row in rows_of(finance, q="A@example.kz")] == ["sub_1"]
    page = finance.get("/admin/payments/payment/", query | {"p": "1"}).content.decode()
    assert 'href="export/?currency=USD&amp;status=failed"' in page


def test_personal_columns_are_for_those_who_may_see_them() -> None:
    """Neither their values nor their names are in the file of another."""
    make("sub_1", email="a@example.kz", user_id="u_1")
    [row] = rows_of(client_with("view_payment", "export_payment"))
    assert "email" not in row
    assert "user_id" not in row
    assert "a@example.kz" not in str(row)
    assert row["subscription_id"] == "sub_1"


@pytest.mark.parametrize("missing", ["export_payment", "view_payment"])
def test_who_may_not_export_gets_nothing(missing: str) -> None:
    """By the address as by the button, which they don't see."""
    client = client_with(*{"export_payment", "view_payment", "see_personal_data"} - {missing})
    assert client.get(EXPORT).status_code == 403
    if missing == "export_payment":
        assert "Export CSV" not in client.get("/admin/payments/payment/").content.decode()
    assert Client().get(EXPORT).status_code == 302


def test_more_rows_than_a_part_come_all_and_once(finance: Client) -> None:
    """Many at the same moment, too: the place to go on from is the time and the id."""
    for number in range(FIRST_PART + 30):
        make(f"sub_{number}", created_at=NOW + timedelta(seconds=number // 60))
    names = [row["subscription_id"] for row in rows_of(finance)]
    assert len(names) == len(set(names)) == FIRST_PART + 30
    times = [row["created_at"] for row in rows_of(finance)]
    assert times == sorted(times, reverse=True)


def test_rows_are_read_while_they_are_sent(finance: Client) -> None:
    """Memory holds one part; the head is there before any row is read, and no transaction is open meanwhile."""
    for number in range(FIRST_PART + 1):
        make(f"sub_{number}")
    answer: Any = finance.get(EXPORT)
    parts = iter(answer.streaming_content)
    with CaptureQueriesContext(connection) as statements:
        assert b"payment_id" in next(parts)
        assert len(statements) == 0
        assert next(parts).count(b"\r\n") == FIRST_PART
        assert len(statements) == 1
        assert next(parts).count(b"\r\n") == 1
        assert len(statements) == 2
        assert next(parts, None) is None


def test_each_list_can_be_exported(finance: Client) -> None:
    """Refunds, disputes, parked records, breaks: with their amounts and currencies."""
    record: dict[str, Any] = {"cluster": "c", "topic": "t", "partition": 0, "recorded_at": NOW, "received_at": NOW}
    with restoring():
        paid = make("sub_1", **PAID, currency="JPY", amount=500)
    refund(payment=paid, amount=200, reason="=asked for")
    Dispute.objects.create(
        dispute_id="du_1", payment=paid, amount=500, currency="JPY", reason="fraudulent", status="lost", opened_at=NOW,
        seen_at=NOW,
    )  # fmt: skip
    for offset, verdict in enumerate(("conflict", "duplicate")):
        reason = "another amount" if verdict == "conflict" else ""
        InboxMessage.objects.create(
            **record, offset=offset, value_hash=b"", verdict=verdict, reason=reason, value=b'{"email":"a@b.kz"}'
        )
    Break.objects.create(kind="amount", intent_id="pi_1", payment=paid, reason="another sum", found_at=NOW, seen_at=NOW)
    [returned] = rows_of(finance, "/admin/payments/refund/export/")
    assert (returned["amount"], returned["currency"], returned["reason"]) == ("200", "JPY", "'=asked for")
    [disputed] = rows_of(finance, "/admin/payments/dispute/export/", open="yes")
    assert (disputed["dispute"], disputed["amount"], disputed["payment_intent"]) == ("du_1", "500", "pi_1")
    [parked] = rows_of(finance, "/admin/payments/inboxmessage/export/", verdict="parked")
    assert (parked["verdict"], parked["reason"]) == ("conflict", "another amount")
    assert "a@b.kz" not in str(parked)
    [broken] = rows_of(finance, "/admin/payments/break/export/", open="yes")
    assert (broken["payment_intent"], broken["payment_id"]) == ("pi_1", str(paid.id))


def test_an_export_and_a_search_are_in_the_log_without_the_address(
    finance: Client, caplog: pytest.LogCaptureFixture
) -> None:
    """Who, what of which list, by which filters; the log itself must not become a list of addresses."""
    rows_of(finance, q="a@example.kz", status="failed", email__startswith="a@")
    finance.get("/admin/payments/payment/", {"q": "pi_1"})
    exported, searched = StaffEntry.objects.filter(what__in=("exported", "searched")).order_by("id")
    assert (exported.who, exported.what) == ("staff: marat", "exported")
    assert exported.details == {
        "list": "payment", "filters": {"status": "failed", "email__startswith": "…"}, "personal": True, "by": "email",
    }  # fmt: skip
    assert (searched.what, searched.details) == (
        "searched", {"list": "payment", "by": "intent", "word": "pi_1", "found": 0},
    )  # fmt: skip
    assert "a@example.kz" not in caplog.text
