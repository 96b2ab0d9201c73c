"""What is made once for all rows of a list is what unfold makes for each."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.admin import helpers
from django.contrib.admin.templatetags.admin_urls import add_preserved_filters
from django.contrib.auth.models import User
from django.test import Client
from django.utils.translation import override
from unfold.admin import checkbox as widget
from unfold.utils import display_for_label

from payments.admin import rows
from payments.admin.payment_list import LABELS
from payments.models import Payment, Subscription
from tests.integration.ledger_rows import payment

LIST = "/admin/payments/payment/"


@pytest.mark.parametrize("language", ["en", "ru", "kk"])
def test_a_rows_checkbox_is_unfolds_in_each_language(language: str) -> None:
    row = Payment()
    with override(language):
        assert rows.checkbox(row) == widget.render(helpers.ACTION_CHECKBOX_NAME, str(row.pk))


@pytest.mark.parametrize("value", [("failed", "failed"), ("failed", "не прошёл"), ("failed", "<b>"), "success", "odd"])
def test_a_rows_label_is_unfolds_the_first_time_and_the_next(value: Any) -> None:
    """Whatever the language of who looks."""
    expected = display_for_label(value, "–", LABELS)
    assert rows.label_once(value, "–", LABELS) == rows.label_once(value, "–", dict(LABELS)) == expected


@pytest.mark.parametrize("filters", ["", "_changelist_filters=q%3Da%2540b.kz%26status%3Dfailed"])
def test_a_rows_address_is_djangos(filters: str) -> None:
    """It leads back to the list with its filters and its search."""
    context: Any = {"preserved_filters": filters, "opts": Payment._meta}
    for url in (f"{LIST}1/change/", f"{LIST}2/change/"):
        assert rows.link_once(context, url) == add_preserved_filters(context, url)


@pytest.mark.django_db
def test_what_all_rows_share_is_made_once(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fails where unfold asks for it by another name than it does now: then its rows are slow again."""
    for name in ("one", "two", "three"):
        Subscription.objects.create(id=name)
        payment(subscription_id=name)
    made: Counter[str] = Counter()
    rows._label.cache_clear()
    rows._back.cache_clear()
    for name in ("headers_of", "label_of", "link_of"):
        monkeypatch.setattr(rows, name, _counted(getattr(rows, name), name, made))
    client.force_login(User.objects.create_superuser("aida"))
    page = client.get(LIST, {"status": "pending"}).content.decode()
    assert made == {"headers_of": 1, "label_of": 1, "link_of": 1}
    assert page.count('data-label="status"') == 3
    assert page.count("/change/?_changelist_filters=status%3Dpending") == 3


def _counted(make: Callable[..., Any], name: str, made: Counter[str]) -> Callable[..., Any]:
    def counted(*args: Any) -> Any:
        made[name] += 1
        return make(*args)

    return counted
