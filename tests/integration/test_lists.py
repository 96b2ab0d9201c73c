"""Lists as support uses them: paste what the customer gave, filter, look at what is saved, see what may be seen."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.utils import timezone

from payments.admin.saved_views import SAVED_VIEWS
from payments.models import Attempt, Break, Dispute, InboxMessage, Payment, Subscription, Transition
from tests.integration.ledger_rows import FAILED, PAID, attempt, payment, refund, restoring

pytestmark = pytest.mark.django_db
LIST = "/admin/payments/payment/"


@pytest.fixture
def staff(client: Client) -> Client:
    """A superuser: whoever may the most."""
    client.force_login(User.objects.create_superuser("aida"))
    return client


@pytest.fixture
def novice(client: Client) -> Client:
    """Somebody who may look at payments, and at nobody's personal data."""
    user = User.objects.create_user("novice", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename="view_payment"))
    client.force_login(user)
    return client


def make(subscription: str, **fields: Any) -> Payment:
    """A payment of a subscription of its own."""
    Subscription.objects.get_or_create(id=subscription)
    return payment(subscription_id=subscription, **fields)


def found(client: Client, **query: Any) -> set[str]:
    """The subscriptions that a list shows."""
    answer = client.get(LIST, query)
    assert answer.status_code == 200, answer
    return {one.subscription_id for one in answer.context["cl"].result_list}


def said(client: Client, **query: Any) -> str:
    """What the page tells the person who searched."""
    return " ".join(str(one) for one in client.get(LIST, query).context["messages"])


@pytest.fixture
def card(staff: Client) -> Iterator[Payment]:
    """A payment of which everything is known, beside one of somebody else."""
    with restoring():
        one = make("sub_1", **PAID, user_id="u_1", email="Anna@Example.kz")
        attempt(one, state="succeeded", ended_at=timezone.now(), brand="visa", last4="4242", idempotency_key="k1")
        other = make("4243", user_id="u_2", email="b@example.kz")
        attempt(other, state="declined", ended_at=timezone.now(), brand="visa", last4="0002", idempotency_key="k2")
    return one  # type: ignore[return-value]


@pytest.mark.parametrize(
    "pasted",
    [
        "sub_1", "u_1", "anna@example.kz", "ANNA@EXAMPLE.KZ", "  <Anna@Example.kz>, ", "pi_1", "pi_1_secret_abc",
        "4242", "•••• 4242", "**** 4242", "xxxx4242", '"sub_1"',
    ],
)  # fmt: skip
def test_whatever_the_customer_gave_finds_the_payment(staff: Client, card: Payment, pasted: str) -> None:
    """As it was pasted: with spaces, brackets and quotes around, in any case, with a card's dots before its digits."""
    assert found(staff, q=pasted) == {"sub_1"}


def test_a_payments_own_id_finds_it_in_any_form(staff: Client, card: Payment) -> None:
    """With hyphens or without."""
    assert found(staff, q=str(card.id)) == found(staff, q=card.id.hex.upper()) == {"sub_1"}


def test_four_digits_may_be_a_subscription_too(staff: Client, card: Payment) -> None:
    """Ids of other systems are often numbers."""
    attempt(card, number=2, state="refused", ended_at=timezone.now(), last4="4243")
    assert found(staff, q="4243") == {"sub_1", "4243"}


def test_a_refund_and_a_dispute_lead_to_their_payment(staff: Client, card: Payment) -> None:
    """Their ids are in Stripe's e-mails."""
    refund(payment=card, refund_id="re_1")
    dispute(card)
    assert found(staff, q="re_1") == found(staff, q="du_1") == {"sub_1"}
    for model in ("refund", "dispute"):
        for word in ("re_1" if model == "refund" else "du_1", "sub_1", "pi_1", "4242"):
            assert staff.get(f"/admin/payments/{model}/", {"q": word}).context["cl"].result_count == 1, (model, word)
        assert staff.get(f"/admin/payments/{model}/", {"q": "sub_2"}).context["cl"].result_count == 0


def test_part_of_an_identifier_finds_nothing_and_the_page_says_why(staff: Client, card: Payment) -> None:
    """An empty list that says what to do; a part would need every row to be read."""
    assert found(staff, q="sub_") == set()
    assert "whole" in said(staff, q="sub_")


def test_several_words_get_a_hint_instead_of_a_wrong_answer(staff: Client, card: Payment) -> None:
    """One thing at a time."""
    assert found(staff, q="sub_1 anna@example.kz") == set()
    assert "one thing at a time" in said(staff, q="sub_1 anna@example.kz")


@pytest.mark.parametrize("hostile", ["\x00", "%", "' OR 1=1 --", "<script>alert(1)</script>", "1" * 5000, "٤٢٤٢"])
def test_a_hostile_search_finds_nothing_and_breaks_nothing(staff: Client, card: Payment, hostile: str) -> None:
    """And comes back as text."""
    page = staff.get(LIST, {"q": hostile}).content.decode()
    assert "<script>alert(1)" not in page


def dispute(of: Payment, **fields: Any) -> Dispute:
    """One that is open, with changes."""
    now = timezone.now()
    defaults: dict[str, Any] = {
        "dispute_id": "du_1", "amount": of.amount, "currency": of.currency, "reason": "fraudulent",
        "status": "needs_response", "opened_at": now, "seen_at": now,
    }  # fmt: skip
    return Dispute.objects.create(payment=of, **(defaults | fields))


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


def test_who_may_not_see_a_list_gets_no_link_to_it(novice: Client) -> None:
    """A link to a refusal helps nobody."""
    page = novice.get(LIST).content.decode()
    for view in SAVED_VIEWS:
        assert (view.url.replace("&", "&amp;") in page) is (view.model == "payment")


def test_addresses_are_masked_for_who_may_not_see_them(novice: Client) -> None:
    """They can still find a payment by the address that a customer gave them."""
    make("sub_1", email="anna@example.kz")
    page = novice.get(LIST, {"q": "anna@example.kz"})
    assert page.context["cl"].result_count == 1
    rows = page.content.decode().partition('id="result_list"')[2].partition("</table>")[0]
    assert "anna@example.kz" not in rows
    assert "•••@example.kz" in rows


def test_the_list_reads_like_the_shop(staff: Client, card: Payment) -> None:
    """The amount in the currency's own form, the status in a word, the card as its owner knows it."""
    page = staff.get(LIST).content.decode()
    for text in ("100.00\N{NO-BREAK SPACE}KZT", "visa …4242", "Anna@Example.kz", "success"):
        assert text in page, text


def test_a_list_asks_as_many_questions_for_many_rows_as_for_one(
    staff: Client, card: Payment, django_assert_max_num_queries: Any
) -> None:
    """No statement per row."""
    for number in range(30):
        make(f"more_{number}", **PAID | {"intent_id": f"pi_more_{number}"})
    staff.get(LIST)
    with django_assert_max_num_queries(12):
        staff.get(LIST)
    assert Attempt.objects.count() == 2


def test_a_list_that_is_narrowed_leads_back_to_all_of_it(card: Payment, staff: Client) -> None:
    """And one that isn't doesn't speak of it, nor of a number that it hasn't counted."""
    assert "Show all" not in staff.get(LIST).content.decode()
    assert '<a href="?">Show all</a>' in staff.get(LIST, {"q": "sub_1"}).content.decode()
    assert '<a href="?">Show all</a>' in staff.get(LIST, {"status": "failed"}).content.decode()
