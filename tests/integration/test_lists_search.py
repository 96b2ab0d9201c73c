"""Lists as support uses them: paste what the customer gave, see what may be seen."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.utils import timezone

from payments.admin.saved_views import SAVED_VIEWS
from payments.models import Attempt, Payment
from tests.integration.ledger_rows import PAID, attempt, dispute, refund, restoring
from tests.integration.lists import LIST, found, make, said

pytestmark = pytest.mark.django_db


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
