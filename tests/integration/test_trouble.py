"""What a person and a machine are told when something of ours has failed."""

from typing import Any

import pytest
from django.test import Client


@pytest.fixture
def client(settings: Any) -> Client:
    """Of a project whose pages fail; nothing here asks the database, and none is there."""
    settings.ROOT_URLCONF = "tests.integration.crashing"
    return Client(raise_request_exception=False)


def test_a_person_reads_that_the_database_is_away_and_what_that_means(client: Client) -> None:
    """In the language of the browser; what went wrong in particular is for the log."""
    answer = client.get("/admin/miss/", headers={"Accept-Language": "en"})
    assert (answer.status_code, answer["Retry-After"]) == (503, "10")
    page = answer.content.decode()
    assert "The database does not answer" in page
    assert "No payment is lost" in page
    assert "server closed" not in page
    russian = client.get("/admin/miss/", headers={"Accept-Language": "ru"}).content.decode()
    assert "База данных не отвечает" in russian


def test_any_other_error_is_a_page_too_and_does_not_blame_the_database(client: Client) -> None:
    """Nor does it say what is in the error: that could be anything."""
    answer = client.get("/admin/crash/", headers={"Accept-Language": "en"})
    assert answer.status_code == 500
    assert "Retry-After" not in answer
    page = answer.content.decode()
    assert "This page has failed" in page
    assert "database" not in page
    assert "why it crashed" not in page


@pytest.mark.parametrize(
    ("path", "status", "text"),
    [("/webhooks/stripe", 503, "the database does not answer\n"), ("/", 500, "this has failed; the log says why\n")],
)
def test_a_machine_reads_one_line(client: Client, path: str, status: int, text: str) -> None:
    """Stripe sends again whatever isn't answered with success."""
    answer = client.get(path)
    assert (answer.status_code, answer.content.decode()) == (status, text)
