"""Lists stay fast: PostgreSQL's own plan for each search, filter and saved view, on twelve thousand payments."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.contrib.messages.storage.cookie import CookieStorage
from django.db import connection, transaction
from django.test import RequestFactory
from django.test.utils import CaptureQueriesContext

from benchmarks import ledger
from payments.admin.export import PART, _after
from payments.admin.payment_filters import currencies
from payments.admin.saved_views import SAVED_VIEWS
from payments.models import Attempt, Break, InboxMessage, OutboxMessage, Payment, Refund, Webhook

pytestmark = pytest.mark.django_db
SIZE = 12_000
WORDS: dict[str, Any] = {
    "payment id": lambda one: str(one.id),
    "intent": lambda one: one.intent_id,
    "email": lambda one: one.email.upper(),
    "name": lambda one: one.subscription_id,
    "user": lambda one: one.user_id,
    "last4": lambda one: Attempt.objects.filter(payment=one).latest("number").last4,
}


@pytest.fixture(scope="module", autouse=True)
def _many_payments(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """A ledger of 90 days, known to the planner; rolled back after the last test."""
    with django_db_blocker.unblock(), transaction.atomic():
        with connection.cursor() as cursor:
            ledger.fill(cursor, size=SIZE, now=datetime.now(UTC))
            cursor.execute("ANALYZE")
            # A vacuum would say so; it can't be had within a transaction.
            cursor.execute("UPDATE pg_class SET relallvisible = relpages WHERE relname = 'payments_payment'")
            # Such an index is no part of the plans of the transaction that made it.
            cursor.execute("SELECT indexrelid::regclass::text FROM pg_index WHERE indcheckxmin")
            assert cursor.fetchall() == []
        yield
        transaction.set_rollback(True)


@pytest.fixture(scope="module")
def some(_many_payments: None) -> Payment:
    """One in the middle, of whom everything is known."""
    return Payment.objects.filter(status="success").exclude(email="").order_by("created_at")[SIZE // 3]


def asked(model: type[Any], **query: Any) -> Any:
    """The rows of a list with these parameters, as the page asks for them."""
    request = RequestFactory().get("/?" + urlencode(query))
    request.user = User(username="aida", is_superuser=True, is_staff=True, is_active=True)
    request._messages = CookieStorage(request)  # type: ignore[attr-defined]
    page = admin.site._registry[model]
    return page.get_changelist(request)(
        request, model, page.list_display, ["id"], page.list_filter, None, page.search_fields, page.list_select_related,
        page.list_per_page, page.list_max_show_all, (), page, page.sortable_by, "",
    ).queryset  # fmt: skip


def state_of(index: str) -> list[tuple[Any, ...]]:
    """What the planner goes by: whether it may use it at all, and how large it takes it and its table to be."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT i.relname, indisvalid, indcheckxmin, i.relpages, i.reltuples, t.relpages, t.reltuples "
            "FROM pg_index JOIN pg_class i ON i.oid = indexrelid JOIN pg_class t ON t.oid = indrelid "
            "WHERE i.relname LIKE %s",
            [index + "%"],
        )
        found: list[tuple[Any, ...]] = cursor.fetchall()
        return found


def plan_of(rows: Any) -> tuple[set[str], set[str]]:
    """The indexes that PostgreSQL would use for the first page, and the tables that it would read whole."""
    indexes, whole = set(), set()

    def walk(node: dict[str, Any]) -> None:
        if "Index Name" in node:
            indexes.add(node["Index Name"])
        if node["Node Type"].endswith("Seq Scan"):
            whole.add(node["Relation Name"])
        for child in node.get("Plans", ()):
            walk(child)

    walk(json.loads(rows[:25].explain(format="json"))[0]["Plan"])
    return indexes, whole


def _explain(statement: str) -> str:
    with connection.cursor() as cursor:
        # What is planned within a recursion is shown once it has run.
        cursor.execute(f"EXPLAIN (ANALYZE) {statement}")
        return "\n".join(line for (line,) in cursor.fetchall())


@pytest.mark.parametrize(
    ("kind", "index"),
    [
        ("payment id", "payments_payment_pkey"),
        ("intent", "payment_one_per_intent"),
        ("email", "payment_by_email"),
        ("name", "payment_number"),
        ("user", "payment_by_user"),
        ("last4", "attempt_by_last4"),
    ],
)
def test_each_search_uses_its_index(some: Payment, kind: str, index: str) -> None:
    """And finds the payment; none reads a table whole, alone or with filters beside it."""
    word = WORDS[kind](some)
    rows = asked(Payment, q=word)
    assert rows.filter(id=some.id).exists()
    indexes, whole = plan_of(rows)
    assert index in indexes, f"{state_of(index)}\n{rows[:25].explain()}"
    assert not whole
    assert not plan_of(asked(Payment, q=word, status="success", currency=some.currency))[1]


@pytest.mark.parametrize(
    ("query", "index"),
    [
        ({}, "payment_newest"),
        ({"status": "pending"}, "payment_by_status"),
        ({"fault": "us"}, "payment_failed_by_fault"),
        ({"kind": "action"}, "payment_failed_by_kind"),
        ({"currency": "JPY"}, "payment_by_currency"),
        ({"amount_from": "7 000", "amount_to": "7 010"}, "payment_by_price"),
        ({"amount_from": "7000", "amount_to": "7010", "currency": "KZT"}, "payment_by_price"),
        ({"made_from": "2020-01-01"}, "payment_newest"),
        ({"look": "yes"}, "payment_attention"),
        ({"disputed": "yes"}, "payment_disputed"),
        ({"refunded": "yes"}, "payment_refunded"),
        ({"refunded": "full"}, "payment_refunded_full"),
        ({"refunded": "part"}, "payment_refunded_part"),
        ({"waiting": "1d"}, "payment_by_status"),
    ],
)
def test_each_filter_uses_its_index(query: dict[str, str], index: str) -> None:
    """The planner's own choice: nothing is forbidden to it."""
    indexes, whole = plan_of(asked(Payment, **query))
    assert index in indexes
    assert "payments_payment" not in whole


@pytest.mark.parametrize(
    ("key", "served"),
    [
        ("failed_today", {"payment_failed"}),
        ("needs_a_look", {"payment_attention"}),
        ("pending", {"payment_by_status"}),
        ("conflicts", {"inbox_by_verdict", "inbox_parked"}),
        ("breaks", {"break_open", "break_one_open"}),
    ],
)
def test_each_saved_view_uses_an_index(key: str, served: set[str]) -> None:
    """It costs as much as it shows. Breaks are so few that reading them all is as good."""
    [view] = [view for view in SAVED_VIEWS if view.key == key]
    model = {"payment": Payment, "inboxmessage": InboxMessage, "break": Break}[view.model]
    indexes, whole = plan_of(asked(model, **view.filters))
    if key == "breaks":
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL enable_seqscan = off")
            indexes, whole = plan_of(asked(model, **view.filters))
            cursor.execute("SET LOCAL enable_seqscan = on")
    assert served & indexes
    assert not whole


@pytest.mark.parametrize(
    ("model", "query", "index"),
    [
        (InboxMessage, {"verdict": "dismissed"}, "inbox_by_verdict"),
        (OutboxMessage, {"refused": "yes"}, "outbox_refused"),
        (OutboxMessage, {"channel__exact": "dead_letters"}, "outbox_by_channel"),
        (Webhook, {"verdict__exact": "foreign"}, "webhook_by_verdict"),
        (Refund, {}, "refund_newest"),
    ],
)
def test_the_other_lists_use_theirs(model: type[Any], query: dict[str, str], index: str) -> None:
    """The rare among many."""
    assert index in plan_of(asked(model, **query))[0]


@pytest.mark.parametrize("model", [Refund, InboxMessage])
def test_what_belongs_to_a_payment_is_found_by_what_finds_the_payment(some: Payment, model: type[Any]) -> None:
    """Without joining all of one table with all of another. Refunds are so few that they may be read whole."""
    assert plan_of(asked(model, q=some.intent_id))[1] <= {"payments_refund"}


def test_a_list_is_sorted_by_nothing_that_no_index_gives(some: Payment) -> None:
    """By time, either way round; an address that asks for another column gets the list in its own order."""
    columns = admin.site._registry[Payment].list_display
    for place, name in enumerate(columns):
        for way in ("", "-"):
            rows = asked(Payment, o=f"{way}{place}")
            assert plan_of(rows) == ({"payment_newest"}, set()), name
            oldest_first = name == "created_at" and not way
            assert rows.query.order_by[0] == ("created_at" if oldest_first else "-created_at")


def test_what_was_settled_lately_is_counted_by_the_indexes_of_successes_and_failures() -> None:
    """There is none by this time for both together: the two are joined."""
    assert plan_of(asked(Payment, settled="today").order_by()) == ({"payment_paid", "payment_failed"}, set())


@pytest.mark.parametrize(
    ("query", "index"),
    [
        ({"fault": "customer"}, "payment_failed_by_fault"),
        ({"kind": "soft"}, "payment_failed_by_kind"),
        ({"amount_from": "990", "amount_to": "990"}, "payment_by_price"),
        ({"amount_from": "990", "amount_to": "990", "currency": "KZT"}, "payment_by_price"),
    ],
)
def test_what_many_have_is_counted_without_a_look_at_the_payments(query: dict[str, str], index: str) -> None:
    """All that is asked for is in the index; in the table, each of up to 10,000 may be on a page of its own."""
    with CaptureQueriesContext(connection) as statements:
        assert admin.site._registry[Payment].get_paginator(None, asked(Payment, **query), 25).count  # type: ignore[arg-type]
    assert f"Index Only Scan using {index}" in _explain(statements[-1]["sql"])


def test_counting_ends_at_ten_thousand(some: Payment) -> None:
    """Whatever is beyond isn't read."""
    paginator: Any = admin.site._registry[Payment].get_paginator(None, asked(Payment), 25)  # type: ignore[arg-type]
    assert (paginator.count, paginator.has_more, paginator.num_pages) == (10_000, True, 400)
    fewer: Any = admin.site._registry[Payment].get_paginator(None, asked(Payment, status="failed"), 25)  # type: ignore[arg-type]
    assert fewer.count == Payment.objects.filter(status="failed").count()
    assert not fewer.has_more


def test_an_export_goes_on_in_the_index_where_it_was(some: Payment) -> None:
    """Part by part, without sorting or skipping what was read before."""
    rows = (
        asked(Payment).filter(_after(("created_at", "id"), (some.created_at, some.id))).order_by("-created_at", "-id")
    )
    plan = rows[:PART].explain()
    assert "payment_newest" in plan
    assert "Index Cond" in plan


def test_currencies_are_found_without_reading_the_table() -> None:
    """One look into the index for each that there is, in one statement."""
    with CaptureQueriesContext(connection) as statements:
        found = currencies()
    assert found == sorted(set(Payment.objects.values_list("currency", flat=True)))
    [walk] = statements
    plan = _explain(walk["sql"])
    assert plan.count("payment_by_currency") == 2
    assert "Seq Scan" not in plan
