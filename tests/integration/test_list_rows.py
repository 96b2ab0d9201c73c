"""What is made once for all rows of a list is what unfold makes for each."""

from typing import Any

import pytest
from django.contrib.admin import helpers
from django.contrib.auth.models import User
from django.test import Client
from django.utils.translation import override
from unfold.admin import checkbox as widget

from payments.admin import rows
from payments.models import Payment, Subscription
from tests.integration.ledger_rows import payment

LIST = "/admin/payments/payment/"


@pytest.mark.parametrize("language", ["en", "ru", "kk"])
def test_a_rows_checkbox_is_unfolds_in_each_language(language: str) -> None:
    row = Payment()
    with override(language):
        assert rows.checkbox(row) == widget.render(helpers.ACTION_CHECKBOX_NAME, str(row.pk))


@pytest.mark.django_db
def test_a_lists_headers_are_made_once_and_label_the_cells_of_every_row(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fails where unfold asks for them by another name than it does now: then its rows are slow again."""
    for name in ("one", "two", "three"):
        Subscription.objects.create(id=name)
        payment(subscription_id=name)
    made: list[Any] = []
    headers_of = rows.headers_of

    def counted(changelist: Any) -> Any:
        made.append(changelist)
        return headers_of(changelist)

    monkeypatch.setattr(rows, "headers_of", counted)
    client.force_login(User.objects.create_superuser("aida"))
    page = client.get(LIST).content.decode()
    assert len(made) == 1
    assert page.count('data-label="status"') == 3
